#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "grantfs/admin.h"
#include "grantfs/decision.h"
#include "grantfs/identity.h"
#include "grantfs/result.h"
#include "grantfs/store_path.h"

// A policy whose home is a PostgreSQL database (14 or newer), which nodes follow: machines with an
// SQLite copy of it, by which their daemons decide. Admin::open_postgresql() changes it.
//
// `where` is a URI of libpq's: postgresql://USER@HOST:PORT/DATABASE, or
// postgresql:///?service=NAME. What it leaves out comes from the environment and ~/.pgpass, as with
// psql(1). Errors name the database and never a password. Any thread may call these; each makes a
// connection of its own.
namespace grantfs {

/// Whether the text names a policy in PostgreSQL, and not a file: it begins with postgresql:// or
/// postgres://.
bool is_postgresql(std::string_view where);

/// kInvalid if there is a password in the URI, or it is none: what is typed on a command line is
/// seen in the list of processes.
Result<void> check_names_no_password(const std::string& where);

struct PostgresqlInitialized {
  InitOutcome outcome;
  std::string database;            ///< for people: without password
  std::vector<std::string> notes;  ///< what followers still lack, and what to do about it
};

/// Creates the schema `grantfs` with its tables, functions, roles and publication, or brings what
/// is not data to this program's version, in one transaction; harmless if all is current. kDatabase
/// for a schema `grantfs` that is foreign or newer, which is left as it was, for a database whose
/// encoding is not UTF8, for a standby, and for a role that may not create these.
Result<PostgresqlInitialized> init_postgresql(const std::string& where);

/// Policy::explain() on the policy in PostgreSQL: the rows that could matter to this identity and
/// path are copied, by one snapshot, to a policy database that nobody else can read and that is
/// gone on return; that one explains. Cost: a few statements, and a row for each membership, and
/// for each principal's rules on the way to the path.
Result<Explanation> explain_in_postgresql(const std::string& where, const Identity& identity,
                                          const StorePath& path);

/// A machine that follows the policy.
struct Node {
  std::string name;
  /// How long its daemons serve what they know without news.
  std::int64_t follow_seconds = 0;
  bool has_slot = false;          ///< it can go on where it stopped
  bool connected = false;         ///< its follower is at the other end now
  std::int64_t behind_bytes = 0;  ///< of the log, from what its kernels have forgotten; with a slot
};
/// Every node that ever registered, by name.
Result<std::vector<Node>> nodes(const std::string& where);

/// Removes a node that will not come back: drops its slot, which keeps the log back, waits until it
/// refuses everything for want of news, and forgets it. False if there is none of that name.
/// kDatabase if its follower is connected.
Result<bool> remove_node(const std::string& where, const std::string& name);

/// What a node has done about all that was committed before the call.
struct NodeRecall {
  std::string node;
  bool acknowledged = false;  ///< its kernels have forgotten what they had to
  std::string why;            ///< else: why it did not answer
};
/// Returns when every node has forgotten what commits before the call took away, or refuses
/// everything because it had no news for so long as it says. By name.
Result<std::vector<NodeRecall>> await_node_recall(const std::string& where);

}  // namespace grantfs
