#include "policy/decisions/system_groups.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace grantfs {
namespace {

using Signature = GroupSources::Signature;
using SteadyTime = GroupSources::SteadyTime;

constexpr std::size_t kMostUidsRemembered = 4096;

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

/// Thread-safe. A plain mutex, since a condition variable waits on it.
class GroupMemory {
 public:
  explicit GroupMemory(GroupSources sources) : sources_(std::move(sources)) {}

  std::vector<gid_t> groups(uid_t uid) {
    const Signature signature = sources_.signature();
    const SteadyTime arrived = sources_.now();
    std::unique_lock lock(mutex_);
    while (true) {
      const Entry& entry = entries_[uid];
      if (entry.known && entry.signature == signature) {
        // What was answered since we came is new enough, however long we then waited for a lock.
        if (entry.answered >= arrived) return entry.groups;
        const auto age = sources_.now() - entry.answered;
        if (age < kGroupsRemembered) return entry.groups;
        if (!entry.asking && asking_ >= kMostGroupQuestions && age < kGroupsRememberedWhenBusy) {
          return entry.groups;
        }
      }
      if (!entry.asking && asking_ < kMostGroupQuestions) break;
      changed_.wait(lock);
    }
    if (entries_.size() > kMostUidsRemembered) forget_idle(uid);
    return ask(uid, signature, lock);
  }

 private:
  struct Entry {
    bool asking = false;
    bool known = false;  ///< the rest is set
    Signature signature{};
    SteadyTime answered;
    std::vector<gid_t> groups;
  };

  /// Holds uid's question while it lives; ends with the lock held, also if look_up throws.
  class Question {
   public:
    Question(GroupMemory& memory, uid_t uid, std::unique_lock<std::mutex>& lock)
        : memory_(memory), uid_(uid), lock_(lock) {
      memory_.entries_[uid_].asking = true;
      ++memory_.asking_;
      lock_.unlock();
    }
    ~Question() {
      if (!lock_.owns_lock()) lock_.lock();
      memory_.entries_[uid_].asking = false;
      --memory_.asking_;
      memory_.changed_.notify_all();
    }
    Question(const Question&) = delete;
    Question& operator=(const Question&) = delete;

   private:
    GroupMemory& memory_;
    const uid_t uid_;
    std::unique_lock<std::mutex>& lock_;
  };

  /// `signature` was taken before asking: should the files have changed since, nobody who saw the
  /// change takes this answer.
  std::vector<gid_t> ask(uid_t uid, const Signature& signature,
                         std::unique_lock<std::mutex>& lock) {
    const Question question(*this, uid, lock);
    std::vector<gid_t> groups = sources_.look_up(uid);
    lock.lock();
    Entry& entry = entries_[uid];
    entry.groups = groups;
    entry.signature = signature;
    entry.answered = sources_.now();
    entry.known = true;
    return groups;
  }

  void forget_idle(uid_t but) {
    std::erase_if(entries_,
                  [&](const auto& entry) { return entry.first != but && !entry.second.asking; });
  }

  const GroupSources sources_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_map<uid_t, Entry> entries_;
  unsigned asking_ = 0;
};

}  // namespace

SystemGroups remembered_groups(GroupSources sources) {
  return [memory = std::make_shared<GroupMemory>(std::move(sources))](uid_t uid) {
    return memory->groups(uid);
  };
}

SystemGroups system_groups() {
  return remembered_groups({.look_up = ask_system, .signature = signature_of_local_database});
}

}  // namespace grantfs
