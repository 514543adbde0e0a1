#include "lease/recall/recaller.h"

#include <fmt/core.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/lease_spans.h"
#include "base/quiet_thread.h"
#include "base/urgent_thread.h"

namespace grantfs {
namespace {

/// The time between two warnings that rounds break off.
constexpr std::chrono::seconds kSayTroubleEvery{10};

/// The pause between two slices of a review, so that other threads get on whatever this thread's
/// priority is.
constexpr int kBetweenSlicesMs = 1;

template <class Counts>
void count(Counts& counts, RecallOfEverything why) {
  ++counts.at(static_cast<std::size_t>(why));
}

/// The kernel had nothing of that name or number, and so nothing to forget.
bool knows_none(const Result<void, Errno>& forgotten) {
  return !forgotten && forgotten.error().value == ENOENT;
}

/// How often to look around when nothing is lent.
constexpr std::chrono::milliseconds kIdlePoll{10'000};

}  // namespace

Result<std::unique_ptr<Recaller>> Recaller::start(Withdrawal& withdrawal, Policy& policy,
                                                  Kernel& kernel, Options options) {
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  UniqueFd timer(::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!wake || !timer) {
    return Error{ErrorKind::kSystem,
                 fmt::format("cannot make the descriptors for recalls: {}", std::strerror(errno))};
  }
  // Takes the feed's position: nothing is lent yet, so nothing before it matters.
  (void)policy.losses().ok();
  return std::unique_ptr<Recaller>(new Recaller(withdrawal, policy, kernel, std::move(options),
                                                std::move(wake), std::move(timer)));
}

Recaller::Recaller(Withdrawal& withdrawal, Policy& policy, Kernel& kernel, Options options,
                   UniqueFd wake, UniqueFd timer)
    : withdrawal_(withdrawal),
      policy_(policy),
      kernel_(kernel),
      options_(std::move(options)),
      wake_(std::move(wake)),
      timer_(std::move(timer)) {
  thread_ = start_quiet_thread("grantfs recall", [this] { run(); });
}

void Recaller::stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  wake();
  thread_.join();
}

void Recaller::wake() {
  const std::uint64_t one = 1;
  while (::write(wake_.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void Recaller::lent(std::chrono::seconds longest) {
  const auto now = SteadyClock::now().time_since_epoch();
  const SteadyClock::rep until = (now + longest + spans::kLateness).count();
  SteadyClock::rep known = lent_until_;
  while (known < until && !lent_until_.compare_exchange_weak(known, until)) {
  }
  // The other half of this pair is in wait(): either it sees the time, or we see it asleep.
  last_lent_ = now.count();
  SteadyClock::rep asleep = kAsleep;
  if (woken_at_ == kAsleep && woken_at_.compare_exchange_strong(asleep, now.count())) wake();
}

void Recaller::vouch() {
  const auto now = SteadyClock::now();
  const auto seen = withdrawal_.steady_files().seen(now);
  if (!seen) return;
  const SteadyClock::time_point kept_up{SteadyClock::duration(kept_up_at_.load())};
  const bool is_current = withdrawal_.is_current();
  if (is_current && now - std::min(*seen, kept_up) <= withdrawal_.checked_within()) return;
  begin_afresh(is_current ? RecallOfEverything::kNotVouched : RecallOfEverything::kNotCurrent);
}

void Recaller::begin_afresh(RecallOfEverything why) {
  // The order matters: names that are looked up from here on are not lent for longer, and names
  // from before the kernel looks up again.
  withdrawal_.steady_files().pause(SteadyClock::now() + spans::kPauseOfSteadyUse);
  count(counters_.everything, why);
  must(kernel_.forget_everything());
  withdrawal_.steady_files().clear();
}

void Recaller::catch_up(std::function<void()> done) {
  waiting_.lock()->push_back({{}, std::move(done), Waiting::For::kCommits});
  wake();
}

void Recaller::forget(std::vector<KernelEntry> entries, std::function<void()> done) {
  waiting_.lock()->push_back({std::move(entries), std::move(done), Waiting::For::kEntries});
  wake();
}

void Recaller::forget_late(std::vector<KernelEntry> entries, NodeId folder) {
  waiting_.lock()->push_back(
      {std::move(entries), [] {}, Waiting::For::kEntries, SteadyClock::now(), folder});
  wake();
}

void Recaller::forget_blindly_soon() noexcept {
  forgets_blindly_ = true;
  wake();
}

void Recaller::forget_everything(std::function<void()> done) {
  waiting_.lock()->push_back({{}, std::move(done), Waiting::For::kEverything});
  wake();
}

bool Recaller::anything_lent() const {
  return SteadyClock::now().time_since_epoch().count() < lent_until_;
}

void Recaller::run() {
  make_this_thread_urgent();
  std::vector<Waiting> served;
  for (bool goes_on = true; goes_on;) {
    try {
      goes_on = wait();
      if (goes_on && forgets_blindly_.exchange(false)) forget_blindly("memory does not suffice");
      if (goes_on) keep_up(served);
    } catch (const std::exception& error) {
      forget_blindly(error.what());
    }
  }
}

void Recaller::keep_up(std::vector<Waiting>& served) {
  // Requests that trouble left over are served first.
  if (served.empty()) served.swap(*waiting_.lock());
  const auto looked = SteadyClock::now();
  follow_database();
  // A decision that ends later than a lease is not listed as expiring. By another clock it may be
  // over.
  if (std::exchange(clock_was_set_, false)) recall_everything(RecallOfEverything::kClockSet);
  // What was lent ends by itself before this moment, but for a reply that came late, and for a
  // machine that was suspended: the kernel's timeouts stand still meanwhile.
  const bool is_current = withdrawal_.is_current();
  if (std::exchange(was_current_, is_current) && !is_current) {
    recall_everything(RecallOfEverything::kNotCurrent);
  }
  const auto is_of_everything = [](const Waiting& each) {
    return each.what == Waiting::For::kEverything;
  };
  if (std::ranges::any_of(served, is_of_everything)) recall_everything(RecallOfEverything::kStore);
  const Timestamp now = options_.clock();
  if (const Expiry next = withdrawal_.next_expiry(); next && *next <= now) {
    recall(withdrawal_.of_expired(now));
  }
  while (!served.empty()) {
    const Waiting& next = served.front();
    forget_attributes(next.folder);
    recall(next.entries);
    const bool waits = next.what == Waiting::For::kCommits;
    waiting_for_reviews_.push_back(
        {waits ? last_review_that_matters() : 0, next.done, next.what, next.since});
    served.erase(served.begin());
  }
  go_on_reviewing(looked);
  if (has_kept_up()) kept_up_at_ = looked.time_since_epoch().count();
  answer_waiting();
}

void Recaller::forget_blindly(const char* why) {
  withdrawal_.begin_recall();
  count(counters_.everything, RecallOfEverything::kTrouble);
  if (kernel_.forgets_everything()) {
    must(kernel_.forget_everything());
  } else {
    try {
      recall(withdrawal_.of_everything());
    } catch (const std::exception& error) {
      kernel_.abort(fmt::format("what was lent cannot be recalled: {}", error.what()));
    }
  }
  end_all_reviews();
  const auto now = SteadyClock::now();
  if (now - said_trouble_at_ < kSayTroubleEvery) return;
  said_trouble_at_ = now;
  try {  // last: it takes memory too
    spdlog::error("everything was recalled: {}", why);
  } catch (const std::exception&) {
    said_trouble_at_ = {};
  }
}

std::uint64_t Recaller::last_review_that_matters() const {
  if (demand_ && demand_->of == Review::Of::kEverything) return reviews_begun_ + 1;
  return review_ && review_->of == Review::Of::kEverything ? reviews_begun_ : 0;
}

void Recaller::answer_waiting() {
  const std::uint64_t ended = review_ ? reviews_begun_ - 1 : reviews_begun_;
  for (auto waiting = waiting_for_reviews_.begin(); waiting != waiting_for_reviews_.end();) {
    if (waiting->review > ended) {
      ++waiting;
      continue;
    }
    const auto done = std::move(waiting->done);  // asked once, whatever comes of it
    if (waiting->what == Waiting::For::kCommits) {
      counters_.times.add(SteadyClock::now() - waiting->since);
    }
    waiting = waiting_for_reviews_.erase(waiting);
    done();
  }
}

void Recaller::demand_review(Review::Of of, std::size_t why) {
  if (!anything_lent()) return;
  if (of == Review::Of::kSteadyFiles && withdrawal_.steady_files().size() == 0) return;
  ++counters_.reviews.at(why);
  if (!demand_) demand_ = {of, SteadyClock::now()};
  demand_->of = std::max(demand_->of, of);
}

void Recaller::go_on_reviewing(SteadyClock::time_point looked) {
  if (!review_ && demand_) begin_review(looked);
  if (!review_) return;
  const auto begun = SteadyClock::now();
  recall(withdrawal_.go_on(review_->review, begun + options_.review_slice));
  if (review_->review.is_done()) return end_review();
  // What is lent for longer than a lease is vouched for, or not, by itself.
  if (review_->of == Review::Of::kEverything && begun - review_->begun >= options_.longest_review) {
    recall_everything(RecallOfEverything::kTooMuch);
  }
}

void Recaller::begin_review(SteadyClock::time_point looked) {
  const auto now = SteadyClock::now();
  // Files in steady use are reviewed several times within a lease, which is enough. A review of
  // everything does not wait, unless reviews come one after the other; then it is soon enough, too.
  const auto soon_enough = demand_->since + withdrawal_.checked_within() / 3;
  const bool is_waited_for = !waiting_for_reviews_.empty();
  const auto at =
      demand_->of == Review::Of::kSteadyFiles ? soon_enough : std::min(next_review_, soon_enough);
  if (now < at && !is_waited_for) return;
  review_ = {withdrawal_.review(demand_->of), demand_->of, looked, now};
  ++reviews_begun_;
  demand_.reset();
}

void Recaller::end_review() {
  constexpr int kLeastIdle = 4;  // times as long as a review takes
  const auto now = SteadyClock::now();
  next_review_ = now + kLeastIdle * (now - review_->begun);
  const auto looked = review_->looked.time_since_epoch().count();
  kept_up_at_ = std::max(kept_up_at_.load(), looked);
  review_.reset();
}

void Recaller::end_all_reviews() {
  demand_.reset();
  if (review_) end_review();
}

bool Recaller::wait() {
  int milliseconds = review_ ? kBetweenSlicesMs : static_cast<int>(options_.poll.count());
  if (!anything_lent()) {
    woken_at_ = kAsleep;
    if (anything_lent()) {
      woken_at_ = kAwake;
    } else {
      end_all_reviews();
      milliseconds = static_cast<int>(kIdlePoll.count());
    }
  }
  arm_timer();
  std::array<pollfd, 2> polled{{{wake_.get(), POLLIN, 0}, {timer_.get(), POLLIN, 0}}};
  const auto due = SteadyClock::now() + std::chrono::milliseconds(milliseconds);
  ::poll(polled.data(), polled.size(), milliseconds);
  const SteadyClock::rep woken_at = woken_at_.exchange(kAwake);
  note_standstill(woken_at > 0 ? SteadyClock::time_point(SteadyClock::duration(woken_at)) : due);
  std::uint64_t count = 0;
  if (polled[0].revents != 0) (void)!::read(wake_.get(), &count, sizeof count);
  if (polled[1].revents != 0) {
    armed_for_.reset();
    if (::read(timer_.get(), &count, sizeof count) < 0 && errno == ECANCELED) clock_was_set_ = true;
  }
  return !stopping_;
}

void Recaller::note_standstill(SteadyClock::time_point due) {
  const bool lent = lent_until_ > due.time_since_epoch().count();
  if (!lent || SteadyClock::now() - due <= spans::kStandstill) return;
  if (kernel_.forgets_everything()) begin_afresh(RecallOfEverything::kStoodStill);
}

void Recaller::arm_timer() {
  // The clock being set wakes us only while the timer runs (TFD_TIMER_CANCEL_ON_SET in
  // timerfd_create(2)): it always does.
  const Timestamp next = withdrawal_.next_expiry().value_or(kLastTimestamp);
  if (next == armed_for_) return;
  armed_for_ = next;
  itimerspec when{};
  when.it_value.tv_sec = static_cast<time_t>(next.time_since_epoch().count());
  // If the clock was set since it was last armed, this alone says so (timerfd_create(2), NOTES).
  if (::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when,
                        nullptr) != 0 &&
      errno == ECANCELED) {
    clock_was_set_ = true;
  }
}

void Recaller::follow_database() {
  auto losses = policy_.losses();
  if (losses && losses->empty() && !losses->committed) return;
  // This comes before anything else, also before the question whether anything is lent: a decision
  // that is being made at this moment must not be lent any more.
  withdrawal_.begin_recall();
  if (!losses) {
    // Again only for what was lent since: the readers that decide may have no trouble.
    const auto last = last_lent_.load();
    if (std::exchange(recalled_for_, last) != last) {
      recall_everything(RecallOfEverything::kTrouble);
    }
  } else if (losses->unexplained) {
    demand_review(Review::Of::kEverything, static_cast<std::size_t>(losses->why));
  } else if (anything_lent()) {
    const std::size_t most =
        kernel_.forgets_everything() ? options_.most_touched : LentEntries::kAll;
    if (const auto entries = withdrawal_.of(*losses, most)) {
      recall(*entries);
    } else {
      recall_everything(RecallOfEverything::kTooMuch);
    }
    demand_review(Review::Of::kSteadyFiles, kReviewNames.size() - 1);
  }
}

void Recaller::recall(const std::vector<KernelEntry>& entries) {
  if (entries.empty()) return;
  ++counters_.recalls;
  for (const KernelEntry& entry : entries) {
    auto forgotten = kernel_.forget_entry(entry);
    if (!knows_none(forgotten)) must(forgotten);
    if (forgotten) ++counters_.entries;
  }
}

void Recaller::forget_attributes(NodeId folder) {
  if (folder == 0) return;
  const auto forgotten = kernel_.forget_attributes(folder);
  if (!knows_none(forgotten)) must(forgotten);
}

void Recaller::must(const Result<void, Errno>& forgotten) {
  if (forgotten) return;
  kernel_.abort(fmt::format("the kernel does not forget what was lent to it: {}",
                            std::strerror(forgotten.error().value)));
}

void Recaller::recall_everything(RecallOfEverything why) {
  withdrawal_.begin_recall();
  if (anything_lent()) {
    count(counters_.everything, why);
    if (kernel_.forgets_everything()) {
      must(kernel_.forget_everything());
    } else {
      recall(withdrawal_.of_everything());
    }
  }
  end_all_reviews();
}

}  // namespace grantfs
