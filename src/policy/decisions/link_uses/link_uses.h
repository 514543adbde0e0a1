#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>

#include "base/sync.h"
#include "grantfs/result.h"
#include "grantfs/timestamp.h"
#include "policy/decisions/link_uses/use_counter.h"

namespace grantfs {

/// The uses under way of the links whose uses are limited (links.uses), for each client.
///
/// A use begins at the link's door and lasts for a window. All requests within the window belong to
/// that use, so that a player's ranges or a preview do not count one by one. A use is counted
/// before it begins.
///
/// Thread-safe. Uses under way are kept in memory, under a lock of their own that is never held
/// over a system call. Only a new use waits for its counter, or for another new use that does.
class LinkUses {
 public:
  LinkUses(std::unique_ptr<UseCounter> counter, std::chrono::seconds window,
           Clock clock = system_now);

  /// Has a use counted, if the client has none under way. Returns the end of the use; none if the
  /// client has used the link `most` times. The counter's error if the use cannot be counted: deny.
  /// Any number of simultaneous calls for one client are one use. May wait, for a disk or another
  /// machine.
  Result<Expiry> begin(const LinkClient& who, std::int64_t most);

  /// The end of the use that the client at the door has under way, if any. Counts nothing, and
  /// waits for nothing.
  Expiry at_door(const LinkClient& who, std::int64_t most) { return known_end(who, most, {}); }
  /// The same of a client behind the door. The end is still returned for kGrace after it has
  /// passed, for a client that passed the door at the last moment.
  static constexpr std::chrono::seconds kGrace{1};
  Expiry current(const LinkClient& who, std::int64_t most) { return known_end(who, most, kGrace); }

 private:
  /// When the use ends that is under way, as far as memory knows.
  Expiry known_end(const LinkClient& who, std::int64_t most, std::chrono::seconds grace);
  /// What is to be kept in memory of a use that was counted, by this or another daemon.
  void keep(const LinkClient& who, const LinkUse& use);

  const std::chrono::seconds window_;
  const Clock clock_;
  Sync<std::map<LinkClient, LinkUse>> under_way_;
  /// Its lock is taken before that of `under_way_`, never after it.
  Sync<std::unique_ptr<UseCounter>> counter_;
};

}  // namespace grantfs
