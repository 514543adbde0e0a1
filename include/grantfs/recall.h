#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace grantfs {

/// A daemon that may still have lent what a commit took away.
struct UnacknowledgedRecall {
  std::string name;  ///< "the daemon of the mount at '/srv/view'"
  std::chrono::duration<double> lease{};
  std::string trouble;  ///< why it did not acknowledge; a sentence without a full stop
};

/// How the daemons on a database took a recall.
struct RecallOutcome {
  std::size_t acknowledged = 0;
  /// Did not acknowledge, but lend nothing: every open of theirs is decided anew.
  std::size_t lending_nothing = 0;
  std::vector<UnacknowledgedRecall> unacknowledged;

  /// Whether there was any daemon.
  bool any() const { return acknowledged + lending_nothing + unacknowledged.size() > 0; }
  /// When nothing that was lent before a commit made at `committed` stands any more, a margin
  /// included; `committed` itself if every daemon has acknowledged.
  std::chrono::steady_clock::time_point leases_end(
      std::chrono::steady_clock::time_point committed) const;
};

/// Asks the daemons that decide by `database`, by whatever path that is named, to recall what they
/// have lent and commits up to now have taken away. Those are the daemons that have a record at the
/// database, wherever their sockets and namespaces are. All are asked at the same time;
/// each is waited for until its own lease has run out since `committed`, when no answer matters any
/// more, and for two seconds at most. What a daemon that was killed has lent stands until its lease
/// is over: that is waited for in here, and its record is removed then.
///
/// With one daemon, this costs a look into the folder of records, a small file read, and one
/// exchange over its socket. Safe to call from any thread.
RecallOutcome recall(const std::filesystem::path& database,
                     std::chrono::steady_clock::time_point committed);

/// recall(), and then waits until nothing stands any more of what daemons that did not acknowledge
/// have lent. When it returns, all that was committed before the call counts everywhere, as when
/// `grantctl revoke` returns. Call it without a transaction of one's own open on the database: the
/// daemons see what is committed. For a policy in PostgreSQL there is await_node_recall().
RecallOutcome recall_and_wait(const std::filesystem::path& database);

}  // namespace grantfs
