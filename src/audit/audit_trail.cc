#include "audit/audit_trail.h"

#include <fmt/core.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <utility>

#include "audit/record_text.h"
#include "base/quiet_thread.h"

namespace grantfs {
namespace {

using SteadyClock = std::chrono::steady_clock;

/// How long events are gathered, to be written together.
constexpr std::chrono::milliseconds kGather{10};
/// After an error, how long until the next try; and how often a gap is told, and the disk is asked
/// to keep what was written.
constexpr std::chrono::milliseconds kPause{1000};
/// No more lines are made while so many bytes of them wait to be written.
constexpr std::size_t kMostWaiting = std::size_t{4} * 1024 * 1024;

}  // namespace

Result<std::unique_ptr<AuditTrail>> AuditTrail::start(std::unique_ptr<AuditDestination> destination,
                                                      AuditOptions options) {
  UniqueFd wakes(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wakes) {
    return Error{ErrorKind::kSystem,
                 fmt::format("cannot make an eventfd: {}", std::strerror(errno))};
  }
  std::unique_ptr<AuditTrail> trail(
      new AuditTrail(std::move(destination), options, std::move(wakes)));
  trail->thread_ = start_quiet_thread("grantfs audit", [made = trail.get()] { made->run(); });
  return trail;
}

AuditTrail::AuditTrail(std::unique_ptr<AuditDestination> destination, AuditOptions options,
                       UniqueFd wakes)
    : destination_(std::move(destination)),
      options_(options),
      queue_(options.queue_bytes),
      wakes_(std::move(wakes)) {}

AuditTrail::~AuditTrail() {
  ends_ = true;
  wake();
  if (thread_.joinable()) thread_.join();
}

bool AuditTrail::note(const AuditEvent& event) noexcept {
  const bool may_be_unrecorded = !options_.required || event.what == AuditEvent::What::kRefused;
  if (fails_.load(std::memory_order_relaxed) && !may_be_unrecorded) return false;
  switch (queue_.put(event)) {
    case EventQueue::Put::kFirst:
      wake();
      return true;
    case EventQueue::Put::kMore:
      return true;
    case EventQueue::Put::kNoRoom:
      break;
  }
  // What is refused for want of a record is no access that the record lacks.
  if (may_be_unrecorded) lost_.fetch_add(1, std::memory_order_relaxed);
  return may_be_unrecorded;
}

bool AuditTrail::admits_refusal(std::size_t source, AuditTime now) noexcept {
  constexpr AuditTime kSecond = 1'000'000'000;
  if (limit_.admits(source, static_cast<std::uint32_t>(now / kSecond))) return true;
  refusals_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

void AuditTrail::reopen() noexcept {
  reopens_ = true;
  wake();
}

AuditTrail::Report AuditTrail::report() {
  return {records_, lost_, refusals_, *trouble_.lock()};
}

void AuditTrail::wake() const noexcept {
  const std::uint64_t one = 1;
  (void)!::write(wakes_.get(), &one, sizeof one);  // it cannot fail but when it is woken already
}

void AuditTrail::sleep() {
  const auto until = SteadyClock::now() + kPause;
  pollfd woken{wakes_.get(), POLLIN, 0};
  // After an error the destination is asked once a second, whatever comes meanwhile.
  do {
    ::poll(&woken, 1, idle_ ? -1 : static_cast<int>(kPause.count()));
    std::uint64_t count = 0;
    (void)!::read(wakes_.get(), &count, sizeof count);
    if (woken.revents != 0 && !ends_) std::this_thread::sleep_for(kGather);
  } while (fails_ && !ends_ && !reopens_ && SteadyClock::now() < until);
}

void AuditTrail::run() noexcept {
  while (true) {
    const bool last = ends_;
    try {
      turn();
    } catch (const std::exception&) {
      fails_ = true;  // there is no memory; it is tried again
    }
    if (last) return;
    sleep();
  }
}

template <class Append>
bool AuditTrail::add_line(Append append) noexcept {
  const std::size_t whole = lines_.size();
  try {
    append();
  } catch (const std::exception&) {
    lines_.resize(whole);  // there is no memory for it
    return false;
  }
  ++waiting_;
  return true;
}

void AuditTrail::turn() {
  const bool reopened = reopens_.exchange(false);
  if (reopened) destination_->reopen();
  const std::uint64_t before = waiting_;
  if (lines_.size() < kMostWaiting) {
    queue_.drain([this](const AuditEvent& event) {
      if (!add_line([&] { append_record(lines_, event); })) ++lost_;
    });
  }
  const bool gap_waits = !tell_gap();
  const bool writes = !lines_.empty() || reopened || fails_;
  if (writes) write();
  if (is_dirty_ && (ends_ || SteadyClock::now() - synced_at_ >= kPause)) sync();
  idle_ = waiting_ == before && !writes && !is_dirty_ && !gap_waits;
}

bool AuditTrail::tell_gap() {
  const std::uint64_t lost = lost_;
  const std::uint64_t refusals = refusals_;
  if (lost == lost_told_ && refusals == refusals_told_) return true;
  const auto now = SteadyClock::now();
  if (now - told_at_ < kPause && !ends_) return false;
  const bool told = add_line(
      [&] { append_gap(lines_, audit_now(), lost - lost_told_, refusals - refusals_told_); });
  if (!told) return false;
  lost_told_ = lost;
  refusals_told_ = refusals;
  told_at_ = now;
  return true;
}

void AuditTrail::write() {
  auto written = destination_->write(lines_);
  if (!written) return set_trouble(written.error().message);
  if (waiting_ > 0) is_dirty_ = true;
  records_ += std::exchange(waiting_, 0);
  set_trouble({});
}

void AuditTrail::sync() {
  synced_at_ = SteadyClock::now();
  is_dirty_ = false;
  if (auto synced = destination_->sync(); !synced) set_trouble(synced.error().message);
}

void AuditTrail::set_trouble(const std::string& trouble) {
  const bool failed = fails_.exchange(!trouble.empty());
  *trouble_.lock() = trouble;
  if (!trouble.empty() && !failed) {
    spdlog::error("{}; {}", trouble,
                  options_.required ? "what must be recorded is refused until it can be"
                                    : "it is tried again each second");
  } else if (trouble.empty() && failed) {
    spdlog::info("the record of accesses is written again");
  }
}

}  // namespace grantfs
