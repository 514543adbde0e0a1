#pragma once

#include <array>
#include <string_view>

namespace grantfs {

class Doors;

/// The names that other doors know.
/// @{
inline constexpr std::string_view kFromName = "from";
inline constexpr std::string_view kByUidName = "by-uid";
inline constexpr std::string_view kByProcessName = "by-process";
/// @}

/// Adds the doors of one kind of view, as a file of this folder has them: by_session.cc and so on.
/// @{
void add_me(Doors& doors, std::string_view name);
void add_by_uid(Doors& doors, std::string_view name);
void add_by_process(Doors& doors, std::string_view name);
void add_by_session(Doors& doors, std::string_view name);
void add_by_link(Doors& doors, std::string_view name);
void add_by_signature(Doors& doors, std::string_view name);
void add_by_md5(Doors& doors, std::string_view name);
void add_from(Doors& doors, std::string_view name);
void add_expired(Doors& doors, std::string_view name);
void add_by_user(Doors& doors, std::string_view name);
void add_public(Doors& doors, std::string_view name);
/// @}

/// A door that a mount's root can have.
struct DoorAtRoot {
  std::string_view name;
  void (*add)(Doors&, std::string_view name);
  /// Whether the door is there only if a group for it is named, whatever views the mount asks for.
  bool needs_group = false;
};
inline constexpr std::array kEveryDoor{
    DoorAtRoot{"me", add_me},
    DoorAtRoot{kByUidName, add_by_uid},
    DoorAtRoot{kByProcessName, add_by_process},
    DoorAtRoot{"by-session", add_by_session},
    DoorAtRoot{"by-link", add_by_link},
    DoorAtRoot{"by-signature", add_by_signature},
    DoorAtRoot{"by-md5", add_by_md5},
    DoorAtRoot{kFromName, add_from},
    DoorAtRoot{"expired", add_expired},
    DoorAtRoot{"by-user", add_by_user, true},
    DoorAtRoot{"public", add_public},
};

}  // namespace grantfs
