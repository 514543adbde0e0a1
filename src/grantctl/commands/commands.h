#pragma once

#include "grantctl/context.h"

namespace grantctl {

// Each function adds a command and its options, and sets `context.run` if this command is typed.
// `context` must outlive `app`.
void add_init(CLI::App& app, Context& context);
void add_own(CLI::App& app, Context& context);
void add_grant(CLI::App& app, Context& context);
void add_revoke(CLI::App& app, Context& context);
void add_mv(CLI::App& app, Context& context);
void add_drop(CLI::App& app, Context& context);
void add_forget(CLI::App& app, Context& context);
void add_transfer(CLI::App& app, Context& context);
void add_who(CLI::App& app, Context& context);
void add_usage(CLI::App& app, Context& context);
void add_help(CLI::App& app, Context& context);
void add_ls(CLI::App& app, Context& context);
void add_check(CLI::App& app, Context& context);
void add_group(CLI::App& app, Context& context);
void add_session(CLI::App& app, Context& context);
void add_link(CLI::App& app, Context& context);
void add_import(CLI::App& app, Context& context);
void add_export(CLI::App& app, Context& context);
void add_backup(CLI::App& app, Context& context);
void add_restore(CLI::App& app, Context& context);
void add_scan(CLI::App& app, Context& context);
void add_key(CLI::App& app, Context& context);
void add_sign(CLI::App& app, Context& context);
void add_source(CLI::App& app, Context& context);
void add_prune(CLI::App& app, Context& context);
void add_run(CLI::App& app, Context& context);
void add_status(CLI::App& app, Context& context);
void add_node(CLI::App& app, Context& context);
void add_audit(CLI::App& app, Context& context);
void add_top(CLI::App& app, Context& context);
void add_metrics(CLI::App& app, Context& context);
void add_webconf(CLI::App& app, Context& context);

}  // namespace grantctl
