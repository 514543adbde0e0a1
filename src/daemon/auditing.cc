#include "daemon/auditing.h"

#include <fmt/core.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigaction(2) is POSIX
#include <unistd.h>

#include <atomic>
#include <string>
#include <system_error>
#include <utility>

#include "audit/audit_file.h"
#include "audit/audit_journal.h"
#include "audit/record_text.h"
#include "base/quote.h"
#include "daemon/mount_table.h"
#include "version.h"

namespace grantfs {
namespace {

/// For the signal handler.
std::atomic<AuditTrail*> reopened_by_hangup{nullptr};

void on_hangup(int /*signal*/) {
  const int before = errno;
  if (AuditTrail* const trail = reopened_by_hangup) trail->reopen();
  errno = before;
}

void handle_hangups(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGHUP, &action, nullptr);
}

Result<std::unique_ptr<AuditDestination>> open_file(const MountPlan& plan,
                                                    const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::weakly_canonical(path.parent_path(), error);
  const MountTable table = MountTable::read();
  if (error || table.lies_inside(real, plan.store) || table.lies_inside(real, plan.mountpoint)) {
    return Error{
        ErrorKind::kInvalid,
        fmt::format("the record {} must lie neither in the store, where it might be served, nor "
                    "in the mount point; keep it elsewhere, as in /var/log/grantfs",
                    quoted(path.native()))};
  }
  auto file = AuditFile::open(path);
  if (!file) return file.error();
  return std::unique_ptr<AuditDestination>(std::move(*file));
}

}  // namespace

Result<std::unique_ptr<Auditing>> Auditing::start(const MountPlan& plan,
                                                  const MountOptions& options) {
  std::unique_ptr<Auditing> made(new Auditing(plan, options));
  if (!options.audit) return made;
  std::unique_ptr<AuditDestination> destination;
  if (options.audit->is_journal()) {
    destination = std::make_unique<AuditJournal>();
  } else {
    auto file = open_file(plan, options.audit->file);
    if (!file) return file.error();
    destination = std::move(*file);
  }
  auto trail = AuditTrail::start(std::move(destination), {.required = options.audit_required});
  if (!trail) return trail.error();
  made->trail_ = std::move(*trail);
  if (!options.audit->is_journal()) {
    reopened_by_hangup = made->trail_.get();
    handle_hangups(on_hangup);  // libfuse leaves a signal alone that has a handler
    made->hears_hangups_ = true;
  }
  return made;
}

Auditing::~Auditing() {
  if (hears_hangups_) {
    handle_hangups(SIG_IGN);  // it ends in any case
    reopened_by_hangup = nullptr;
  }
  if (!serves_) return;
  std::string details;
  append_member(details += '{', "mountpoint", plan_.mountpoint.native());
  (void)trail_->note({.what = AuditEvent::What::kStop,
                      .time = audit_now(),
                      .pid = ::getpid(),
                      .details = std::string_view(details).substr(1)});
}

void Auditing::serves(const char* enforcement) {
  if (trail_ == nullptr) return;
  serves_ = true;
  std::string details = "{";
  append_member(details, "mountpoint", plan_.mountpoint.native());
  append_member(details, "store", plan_.store.native());
  append_member(details, "database", plan_.database.native());
  append_member(details, "version", kVersion);
  append_member(details, "enforce", enforcement);
  details += fmt::format(R"(,"lease_seconds":{},"required":{})", options_.lease.count(),
                         options_.audit_required);
  (void)trail_->note({.what = AuditEvent::What::kStart,
                      .time = audit_now(),
                      .pid = ::getpid(),
                      .details = std::string_view(details).substr(1)});
}

}  // namespace grantfs
