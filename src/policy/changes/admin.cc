#include "grantfs/admin.h"

#include "db/connection.h"
#include "policy/changes/bulk_export.h"
#include "policy/changes/bulk_import.h"
#include "policy/changes/change_connection.h"
#include "policy/changes/cleaning.h"
#include "policy/changes/key_changes.h"
#include "policy/changes/link_changes.h"
#include "policy/changes/member_changes.h"
#include "policy/changes/reader_listing.h"
#include "policy/changes/rule_changes.h"
#include "policy/changes/rule_listing.h"
#include "policy/changes/session_changes.h"
#include "policy/changes/sqlite_engine.h"
#include "policy/changes/transfer.h"
#include "policy/postgresql/postgresql_engine.h"
#include "policy/postgresql/schema.h"
#include "policy/schema/database_file.h"
#include "policy/schema/schema.h"

namespace grantfs {

/// The connection, and the objects that change the database through it.
struct Admin::Impl {
  Impl(std::unique_ptr<Engine> engine, Clock clock)
      : connection(std::move(engine), std::move(clock)) {}

  ChangeConnection connection;
  RuleChanges rules{connection};
  RuleListing listing{connection};
  MemberChanges members{connection};
  SessionChanges sessions{connection};
  LinkChanges links{connection};
  KeyChanges keys{connection};
  Cleaning cleaning{connection};
  Transfer transfer{connection};
  ReaderListing readers{connection};
  BulkImport importing{connection};
  BulkExport exporting{connection};
};

Admin::Admin(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Admin::~Admin() = default;

Result<std::unique_ptr<Admin>> Admin::open(const std::filesystem::path& database, Clock clock) {
  auto connection = open_for_changing(database);
  if (!connection) return connection.error();
  if (auto fit = check_schema(*connection, database); !fit) return fit.error();
  if (auto fit = check_tables(*connection, database); !fit) return fit.error();
  auto engine = std::make_unique<SqliteEngine>(database, std::move(*connection));
  return std::unique_ptr<Admin>(
      new Admin(std::make_unique<Impl>(std::move(engine), std::move(clock))));
}

Result<std::unique_ptr<Admin>> Admin::open_postgresql(const std::string& where, Clock clock) {
  auto connection = open_postgresql_policy(where);
  if (!connection) return connection.error();
  auto engine = std::make_unique<PostgresqlEngine>(std::move(*connection));
  return std::unique_ptr<Admin>(
      new Admin(std::make_unique<Impl>(std::move(engine), std::move(clock))));
}

Result<std::vector<std::optional<Principal>>> Admin::own(const Principal& principal,
                                                         const std::vector<StorePath>& paths) {
  return impl_->rules.own(principal, paths);
}

void Admin::rehearse() {
  impl_->connection.rehearse();
}

Result<void> Admin::grant(const Principal& principal, const StorePath& path, Expiry expires) {
  return impl_->rules.grant(principal, {path}, expires);
}

Result<void> Admin::grant(const Principal& principal, const std::vector<StorePath>& paths,
                          Expiry expires) {
  return impl_->rules.grant(principal, paths, expires);
}

Result<RowCounts> Admin::revoke(const Principal& principal, const StorePath& path) {
  auto counts = impl_->rules.revoke(principal, {path}, Reach::kPathAlone);
  if (!counts) return counts.error();
  return counts->front();
}

Result<std::vector<RowCounts>> Admin::revoke(const Principal& principal,
                                             const std::vector<StorePath>& paths, Reach reach) {
  return impl_->rules.revoke(principal, paths, reach);
}

Result<RowCounts> Admin::move(const StorePath& from, const StorePath& to) {
  return impl_->rules.move(from, to);
}

Result<RowCounts> Admin::drop(const StorePath& path) {
  return impl_->rules.drop(path);
}

Result<RowCounts> Admin::forget(const Principal& principal) {
  return impl_->cleaning.forget(principal);
}

Result<RowCounts> Admin::transfer(const Principal& from, const Principal& to, TransferLinks links) {
  return impl_->transfer.run(from, to, links);
}

Result<std::vector<Rule>> Admin::rules(const RuleQuery& asked) {
  return impl_->listing.rules(asked);
}

Result<PathReaders> Admin::readers(const StorePath& path) {
  return impl_->readers.readers(path);
}

Result<void> Admin::add_member(const Principal& group, const Principal& member, Expiry expires) {
  return impl_->members.add_member(group, member, expires);
}

Result<RowCounts> Admin::remove_member(const Principal& group, const Principal& member) {
  return impl_->members.remove_member(group, member);
}

Result<std::vector<Membership>> Admin::memberships(const std::optional<Principal>& group) {
  return impl_->members.memberships(group);
}

Result<TokenHash> Admin::create_session(const Principal& principal, std::string_view token,
                                        Expiry expires, const std::optional<Network>& address) {
  return impl_->sessions.create_session(principal, token, expires, address);
}

Result<std::vector<Session>> Admin::sessions(const std::optional<Principal>& principal) {
  return impl_->sessions.sessions(principal);
}

Result<RowCounts> Admin::remove_session(std::string_view id) {
  return impl_->sessions.remove_session(id);
}

Result<RowCounts> Admin::remove_sessions_of(const Principal& principal) {
  return impl_->sessions.remove_sessions_of(principal);
}

Result<TokenHash> Admin::create_link(const Principal& principal, const StorePath& path,
                                     std::string_view token, const LinkTerms& terms) {
  return impl_->links.create_link(principal, path, token, terms);
}

Result<std::vector<Link>> Admin::links(const std::optional<Principal>& principal) {
  return impl_->links.links(principal);
}

Result<RowCounts> Admin::remove_link(std::string_view id) {
  return impl_->links.remove_link(id);
}

Result<std::optional<Principal>> Admin::nearest_owner(const StorePath& path) {
  return impl_->listing.nearest_owner(path);
}

Result<std::string> Admin::create_signing_key(const NewSigningKey& key) {
  return impl_->keys.create_signing_key(key);
}

Result<std::vector<SigningKey>> Admin::signing_keys() {
  return impl_->keys.signing_keys();
}

Result<UsableSigningKey> Admin::usable_signing_key(std::string_view id) {
  return impl_->keys.usable_signing_key(id);
}

Result<RowCounts> Admin::retire_signing_key(std::string_view id, Timestamp when) {
  return impl_->keys.retire_signing_key(id, when);
}

Result<RowCounts> Admin::remove_signing_key(std::string_view id) {
  return impl_->keys.remove_signing_key(id);
}

Result<RowCounts> Admin::prune() {
  return impl_->cleaning.prune();
}

Result<ImportCounts> Admin::import(const PolicyRowSource& next, const ImportOptions& options) {
  return impl_->importing.run(next, options);
}

Result<void> Admin::for_each_row(const std::function<Result<void>(const PolicyRow&)>& take) {
  return impl_->exporting.for_each_row(take);
}

Result<RulePresence> Admin::rules_about(const StorePath& path) {
  return impl_->listing.rules_about(path);
}

}  // namespace grantfs
