#pragma once

#include <chrono>
#include <ratio>

/// Every span of leasing, and how they relate. Much rests on the relations: change none alone.
namespace grantfs::spans {

/// A part of the lease (the mount option lease=).
template <class Share>
constexpr std::chrono::nanoseconds share_of(std::chrono::seconds lease) {
  return std::chrono::nanoseconds(lease) * Share::num / Share::den;
}

/// The longest lease that a daemon may have.
inline constexpr std::chrono::seconds kLongestLease{60};

/// The time by which the kernel may end a lease late. It counts in clock ticks, of which there may
/// be only a hundred a second (CONFIG_HZ), and rounds up; and it counts from when it takes the
/// reply. The things that a lease rests on end so much later than the lease.
inline constexpr std::chrono::milliseconds kTickMargin{50};
inline constexpr std::chrono::milliseconds kLongestTick{10};

/// How long after the lease in it was worked out a reply may be out. The kernel is told to forget
/// what a later one has lent: see Tree::sent().
inline constexpr std::chrono::milliseconds kLatestReply{30};
static_assert(kTickMargin >= 2 * kLongestTick + kLatestReply);

/// A daemon whose recalling thread wakes so much later than it should has stood still, in the
/// middle of replies maybe.
inline constexpr std::chrono::milliseconds kStandstill{500};

/// By how much a lease may begin late, at least, before we take it for ended: it begins when the
/// kernel gets to the reply.
inline constexpr std::chrono::seconds kLateness{10};

/// The time for which a file in steady use is lent.
inline constexpr std::chrono::seconds kSteadyLease{30};
/// With a lease longer than this there is nothing to gain from longer ones.
inline constexpr std::chrono::seconds kLongestLeaseToExtend{10};
static_assert(kLongestLeaseToExtend < kSteadyLease && kSteadyLease < kLongestLease);

/// A name that is looked up again within so many leases, and again, is in steady use.
inline constexpr int kLeasesBetweenUses = 2;

/// The folder of a file in steady use is lent for this part of a lease, and only if the database
/// and the store were both checked within the other part: together they make a lease.
using FolderShare = std::ratio<2, 5>;
using CheckedShare = std::ratio<3, 5>;
static_assert(std::ratio_equal_v<std::ratio_add<FolderShare, CheckedShare>, std::ratio<1>>);

/// How often the files in steady use are looked at in the store: one look may come late and the
/// next one is still in time.
using StoreLookShare = std::ratio<3, 10>;
static_assert(
    std::ratio_less_equal_v<std::ratio_multiply<StoreLookShare, std::ratio<2>>, CheckedShare>);

/// The time after a late check during which nothing is lent for longer than a lease. By its end,
/// all that was lent before is over.
inline constexpr std::chrono::seconds kPauseOfSteadyUse{60};
static_assert(kPauseOfSteadyUse > kSteadyLease + kLateness);

}  // namespace grantfs::spans
