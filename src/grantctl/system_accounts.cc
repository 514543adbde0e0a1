#include "grantctl/system_accounts.h"

#include <array>
#include <set>

namespace grantctl {
namespace {

void add_named_members(gid_t gid, std::set<uid_t>& uids) {
  std::vector<char> buffer;
  const auto found = look_up<::group>(
      "the group", buffer, [&](auto* entry, char* bytes, std::size_t size, auto** result) {
        return ::getgrgid_r(gid, entry, bytes, size, result);
      });
  if (!found || !*found) return;
  for (char** name = (*found)->gr_mem; *name != nullptr; ++name) {
    const auto account = account_named(*name);
    if (account && *account) uids.insert((*account)->pw_uid);
  }
}

void add_those_whose_first_group_it_is(gid_t gid, std::set<uid_t>& uids) {
  constexpr std::size_t kLongestEntry = 65536;
  std::vector<char> buffer(kLongestEntry);
  passwd entry = {};
  passwd* found = nullptr;
  ::setpwent();
  while (::getpwent_r(&entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
    if (entry.pw_gid == gid) uids.insert(entry.pw_uid);
  }
  ::endpwent();
}

}  // namespace

std::vector<grantfs::Principal> system_members(gid_t gid) {
  std::set<uid_t> uids;
  add_named_members(gid, uids);
  add_those_whose_first_group_it_is(gid, uids);
  std::vector<grantfs::Principal> members;
  members.reserve(uids.size());
  for (const uid_t uid : uids) members.push_back(grantfs::Principal::uid(uid));
  return members;
}

std::string system_name(uid_t uid) {
  std::vector<char> buffer;
  const auto account = look_up<passwd>(
      "the user", buffer, [&](auto* entry, char* bytes, std::size_t size, auto** found) {
        return ::getpwuid_r(uid, entry, bytes, size, found);
      });
  return account && *account ? std::string((*account)->pw_name) : std::string();
}

}  // namespace grantctl
