#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/errno.h"
#include "base/refusals.h"
#include "grantfs/address.h"
#include "grantfs/decision.h"
#include "grantfs/policy.h"
#include "grantfs/result.h"
#include "nodes/bound_processes.h"
#include "nodes/caller.h"
#include "nodes/view.h"
#include "policy/decisions/judge.h"
#include "store/store.h"

namespace grantfs {

/// How a name that exists in the store but is not for this view is refused inside it.
enum class Denial {
  kHide,    ///< ENOENT, as if it were missing
  kForbid,  ///< EACCES
};

/// The parts that the doors of a mount work with. All of them must outlive the doors.
struct DoorContext {
  Policy& policy;
  const Store& store;
  const Judge& judge;
  BoundProcesses& processes;
  Refusals& refusals;
  Denial denial = Denial::kHide;
  /// The group whose members alone may pass the doors for servers; none: anybody with a token may.
  std::optional<gid_t> server_group{};
  /// The group whose members alone may pass by-user. They are trusted to have authenticated the
  /// user.
  std::optional<gid_t> by_user_group{};
};

class Door;

/// A marker is an empty file of the mount's own for a token that has expired. It is not lent,
/// because the token's time may be extended, and that recalls nothing.
struct Marker {};

/// A view that a name leads to.
struct Entrance {
  View view;
  /// Whether the view's root is there for everybody who passed the door, whatever the policy says
  /// of it. Otherwise the policy says whether there is such a view, and where it begins.
  bool stands_open = false;
};

/// What a name at a door leads to: another door, a view, or a marker.
using Opening = std::variant<const Door*, Entrance, Marker>;

/// The names that lead to a door, outermost first. No token is among them.
using Way = std::vector<std::string>;

/// The address from which the visitor comes, as the server says: from/ADDRESS/...
std::optional<Address> address_in(const Way& way);

/// A lookup at a door.
struct Visit {
  std::string_view name;  ///< what is looked up: a token, maybe
  const Caller& caller;
  const Way& way;  ///< to the door

  std::optional<Address> from() const { return address_in(way); }
};

/// The thing at a path of a view.
struct Sight {
  enum class What : std::uint8_t {
    kOfStore,      ///< a file or folder of the store
    kEmptyFolder,  ///< a folder that is there whatever the store has
    kMarker,
  };
  What what = What::kOfStore;
  Decision decision{};               ///< what it may be lent by
  StorePath path{};                  ///< of kOfStore: where in the store
  std::optional<Located> located{};  ///< of kOfStore
};

/// A door is a folder of the mount's own in which views of one kind are looked up. It says how a
/// name becomes an identity, who may pass, and what such a view is like inside.
///
/// A new kind of view is a file in this folder that adds its doors to the table, and a row in
/// every_door.h. A door has no state of its own. Thread-safe.
class Door {
 public:
  /// The callers that the folder's mode bits let pass. Root always passes them.
  enum class Passers : std::uint8_t {
    kEveryone,   ///< may list it, too
    kAnyone,     ///< who knows a name in it; no one may list or watch it (inotify(7) needs read)
    kServers,    ///< members of DoorContext::server_group, if there is one; else as kAnyone
    kUserGroup,  ///< members of DoorContext::by_user_group
  };
  /// The folders in which the door's name leads to it.
  struct Places {
    bool at_root = false;
    bool below_address = false;  ///< in from/ADDRESS
    bool in_expired = false;
  };
  struct Traits {
    std::string_view name{};  ///< empty: another door says which names lead to it
    std::uint64_t inode = 0;  ///< st_ino, at most InodeNumbers::kLastFixed
    Passers passers = Passers::kAnyone;
    Places places{};
    /// Of the views behind it. Doors::add() fills in `door` and `shares_files`.
    ViewTraits views{};
  };

  Door(const DoorContext& context, const Traits& traits) : context_(context), traits_(traits) {}
  virtual ~Door() = default;
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;

  const Traits& traits() const { return traits_; }
  DoorNumber number() const { return traits_.views.door; }
  /// The group whose members alone pass, besides root; none: whoever knows a name in it.
  std::optional<gid_t> passing_group() const;

  /// What a name in this folder leads to. A refusal is EACCES, the same for every name that leads
  /// to no view of the caller's.
  virtual Result<Opening, Errno> open(const Visit& visit) const = 0;

  /// The label of the view that a name in this folder would lead to, for the record of a refusal.
  /// It holds a hash where the name may be a token. Empty if the name is not to be recorded.
  virtual std::string label_of(const Visit& /*visit*/) const { return {}; }

  /// What the door's own name leads to: as a rule, the door itself.
  virtual Opening at_its_name() const { return this; }
  /// Whether the door is a symbolic link, and no folder.
  virtual bool is_link() const { return false; }
  /// The link's target for this caller. EINVAL if the door is no link.
  virtual Result<std::string, Errno> read_link(const Caller& caller) const;

  /// The policy's decision on a path in a view behind this door. EACCES if the view is void, or if
  /// the decision failed.
  virtual Result<Decision, Errno> decide(const View& view, const StorePath& path) const;
  /// The thing at a path of a view behind this door. It costs one decision and one resolution in
  /// the store.
  virtual Result<Sight, Errno> look(const View& view, const StorePath& path, Waiting waiting) const;

 protected:
  const DoorContext& context() const { return context_; }
  Errno deny(int error) const { return context_.refusals.deny(error); }
  Errno fail(int error) const { return context_.refusals.fail(error); }
  /// A view behind this door that is read by servers, and its label.
  Entrance entrance(Identity identity, std::string label) const {
    return {.view = {.identity = std::move(identity),
                     .traits = traits_.views,
                     .label = std::move(label)}};
  }
  /// The end of the label of a view below from/ADDRESS.
  static std::string at(const std::optional<Address>& from) {
    return from ? '@' + from->text() : std::string();
  }

 private:
  friend class Doors;

  const DoorContext& context_;
  Traits traits_;
};

}  // namespace grantfs
