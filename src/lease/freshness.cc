#include "lease/freshness.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace grantfs {

using std::chrono::nanoseconds;

Result<bool> Freshness::take(Report report) {
  auto last = last_.lock();
  // Of the clock under the lock: a report is never of a later moment than its taking.
  if (report.as_of < nanoseconds(0) || report.as_of > clock_()) {
    return Error{ErrorKind::kInvalid,
                 "the report is of another moment than the past, by CLOCK_BOOTTIME; does the "
                 "follower run in another time namespace (time_namespaces(7))?"};
  }
  if (report.as_of.count() < as_of_) return false;
  const bool was_over = is_over();
  as_of_ = report.as_of.count();
  *last = std::move(report);
  return was_over && !is_over();
}

nanoseconds Freshness::left() const {
  constexpr std::chrono::hours kLong{24};
  if (!is_bounded()) return kLong;
  const std::int64_t as_of = as_of_;
  if (as_of == kNever) return nanoseconds(0);
  return std::max(nanoseconds(as_of) + bound_ - clock_(), nanoseconds(0));
}

Result<void> Freshness::check() const {
  if (!is_over()) return {};
  if (as_of_ == kNever) {
    return Error{ErrorKind::kDatabase,
                 fmt::format("nobody has said yet that the database, a copy, is current "
                             "(follow={}); everything is refused until grantfs-follow says so",
                             bound_.count())};
  }
  return Error{
      ErrorKind::kDatabase,
      fmt::format("the database is a copy that was current {} s ago for the last time "
                  "(follow={}); everything is refused until grantfs-follow says that it "
                  "is current again",
                  std::chrono::duration_cast<std::chrono::seconds>(age()).count(), bound_.count())};
}

nanoseconds Freshness::age() const {
  const std::int64_t as_of = as_of_;
  return as_of == kNever ? nanoseconds(-1) : clock_() - nanoseconds(as_of);
}

}  // namespace grantfs
