#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <unordered_map>

#include "base/sync.h"
#include "grantfs/policy.h"

namespace grantfs {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;
constexpr std::chrono::seconds kLongestMemory{1};
constexpr std::size_t kMostUidsRemembered = 4096;

/// Changes whenever the local group database does.
using Signature = std::array<std::int64_t, 8>;

Signature signature_of_local_database() {
  Signature signature{};
  std::size_t i = 0;
  for (const char* file : {"/etc/passwd", "/etc/group"}) {
    struct stat status = {};
    if (::stat(file, &status) != 0) status = {};
    for (const std::int64_t value :
         {static_cast<std::int64_t>(status.st_ino), static_cast<std::int64_t>(status.st_size),
          static_cast<std::int64_t>(status.st_ctim.tv_sec),
          static_cast<std::int64_t>(status.st_ctim.tv_nsec)}) {
      signature.at(i++) = value;
    }
  }
  return signature;
}

std::vector<gid_t> ask_system(uid_t uid) {
  std::vector<char> buffer(4096);
  passwd entry{};
  passwd* found = nullptr;
  int error = 0;
  while ((error = ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found)) == ERANGE) {
    buffer.resize(2 * buffer.size());
  }
  if (error != 0 || found == nullptr) return {};

  std::vector<gid_t> groups(64);
  int count = static_cast<int>(groups.size());
  while (::getgrouplist(entry.pw_name, entry.pw_gid, groups.data(), &count) < 0) {
    // `count` now says how many there are; a member added meanwhile makes it fall short again.
    groups.resize(std::max(static_cast<std::size_t>(count), 2 * groups.size()));
    count = static_cast<int>(groups.size());
  }
  groups.resize(static_cast<std::size_t>(count));
  return groups;
}

struct Memory {
  struct Answer {
    std::vector<gid_t> groups;
    SteadyTime asked;
  };
  Signature signature{};
  std::unordered_map<uid_t, Answer> answers;
};

}  // namespace

SystemGroups system_groups() {
  return [memory = std::make_shared<Sync<Memory>>()](uid_t uid) -> std::vector<gid_t> {
    const Signature signature = signature_of_local_database();
    const SteadyTime now = std::chrono::steady_clock::now();
    {
      auto known = memory->lock();
      if (known->signature != signature || known->answers.size() > kMostUidsRemembered) {
        known->answers.clear();
        known->signature = signature;
      }
      const auto answer = known->answers.find(uid);
      if (answer != known->answers.end() && now - answer->second.asked < kLongestMemory) {
        return answer->second.groups;
      }
    }
    auto groups = ask_system(uid);  // may wait for a directory service: not under the lock
    auto known = memory->lock();
    if (known->signature == signature) known->answers[uid] = {groups, now};
    return groups;
  };
}

}  // namespace grantfs
