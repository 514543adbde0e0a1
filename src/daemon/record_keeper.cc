#include "daemon/record_keeper.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/quiet_thread.h"
#include "control/record.h"
#include "sandbox/call_filter.h"

namespace grantfs {
namespace {

constexpr std::chrono::milliseconds kCheckEvery{1000};

}  // namespace

Result<std::unique_ptr<RecordKeeper>> RecordKeeper::make(Options options) {
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) {
    return Error{ErrorKind::kSystem,
                 fmt::format("cannot make an eventfd for the record at the database: {}",
                             std::strerror(errno))};
  }
  return std::unique_ptr<RecordKeeper>(new RecordKeeper(std::move(options), std::move(wake)));
}

RecordKeeper::RecordKeeper(Options options, UniqueFd wake)
    : options_(std::move(options)),
      events_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)),
      wake_(std::move(wake)) {}

RecordKeeper::~RecordKeeper() {
  stop();
}

std::string RecordKeeper::publish(bool linked) {
  linked_ = linked;
  trouble_ = try_to_publish();
  return trouble_;
}

std::string RecordKeeper::try_to_publish() {
  auto published =
      Publication::publish(options_.database, control::administrators(options_.database),
                           options_.record, options_.handler);
  renew_watches();
  if (!published) return published.error().message;
  publication_ = std::move(*published);
  if (linked_) publication_->link_from_control();
  return {};
}

void RecordKeeper::watch(Lending& lending) {
  thread_ = start_quiet_thread("grantfs record", [this, &lending] { run(lending); });
}

void RecordKeeper::stop() {
  if (thread_.joinable()) {
    ends_ = true;
    wake();
    thread_.join();
  }
  if (publication_ != nullptr) publication_->stop_answering();
}

void RecordKeeper::link() {
  linked_ = true;
  wake();
}

void RecordKeeper::wake() const {
  const std::uint64_t one = 1;
  while (::write(wake_.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void RecordKeeper::leave_behind() {
  if (publication_ != nullptr) publication_->leave_behind();
}

void RecordKeeper::run(Lending& lending) {
  for (bool goes_on = true; goes_on;) {
    try {
      goes_on = wait();
      if (!goes_on) continue;
      log_refused_calls();
      keep(lending);
      lending.trim_if_idle();
    } catch (const std::exception&) {
      continue;  // out of memory: the next look finds the step undone
    }
  }
}

void RecordKeeper::keep(Lending& lending) {
  if (publication_ != nullptr && publication_->stands()) {
    if (linked_ && !publication_->is_linked()) publication_->link_from_control();
    if (trouble_.empty()) return;
    lending.set_known({});  // this call has thrown before, for lack of memory
    trouble_.clear();
    return;
  }
  if (publication_ != nullptr) {
    // Lending ends before the record, and with it the record's lock, goes.
    trouble_ = "its record was taken away";
    lending.set_known(trouble_);
    publication_.reset();
  }
  // Another daemon may have taken the place of this one, and the link with it.
  if (linked_ && !lending.is_at_mountpoint()) linked_ = false;
  const std::string trouble = try_to_publish();
  if (trouble.empty() || trouble != trouble_) lending.set_known(trouble);
  trouble_ = trouble;
}

bool RecordKeeper::wait() {
  std::array<pollfd, 2> polled{{{wake_.get(), POLLIN, 0}, {events_.get(), POLLIN, 0}}};
  ::poll(polled.data(), polled.size(), static_cast<int>(kCheckEvery.count()));
  alignas(inotify_event) std::array<char, 4096> buffer{};
  while (events_ && ::read(events_.get(), buffer.data(), buffer.size()) > 0) {
  }
  std::uint64_t woken = 0;
  (void)!::read(wake_.get(), &woken, sizeof woken);
  if (ends_) return false;
  renew_watches();
  return true;
}

void RecordKeeper::renew_watches() {
  if (!events_) return;
  constexpr std::uint32_t kGoes = IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF;
  // inotify watches the same folders again, unless other folders are at these paths by now.
  const auto folder = control::record_folder(options_.database);
  ::inotify_add_watch(events_.get(), folder.c_str(), kGoes | IN_ONLYDIR);
  ::inotify_add_watch(events_.get(), folder.parent_path().c_str(), kGoes | IN_ONLYDIR);
}

}  // namespace grantfs
