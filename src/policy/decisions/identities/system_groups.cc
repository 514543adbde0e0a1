#include "policy/decisions/identities/system_groups.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/sync.h"

namespace grantfs {
namespace {

using StateOfFiles = GroupSources::Signature;
using SteadyTime = GroupSources::SteadyTime;

constexpr std::size_t kMostUidsRemembered = 4096;

StateOfFiles signature_of_local_database() {
  StateOfFiles signature{};
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

/// Thread-safe.
class GroupMemory {
 public:
  explicit GroupMemory(GroupSources sources) : sources_(std::move(sources)) {}

  std::vector<gid_t> groups(uid_t uid) {
    const StateOfFiles signature = sources_.signature();
    const SteadyTime arrived = sources_.now();
    auto state = state_.lock();
    std::optional<std::vector<gid_t>> known;
    // An answer that is good enough, or the turn to ask.
    state.wait(state->changed, [&] {
      known = remembered(*state, uid, signature, arrived);
      return known || (!state->entries[uid].asking && state->asking < kMostGroupQuestions);
    });
    if (known) return std::move(*known);
    if (state->entries.size() > kMostUidsRemembered) forget_idle(*state, uid);
    return ask(state, uid, signature);
  }

 private:
  struct Entry {
    bool asking = false;
    bool known = false;  ///< the rest is set
    StateOfFiles signature{};
    SteadyTime answered;
    std::vector<gid_t> groups;
  };
  struct State {
    std::unordered_map<uid_t, Entry> entries;
    unsigned asking = 0;
    std::condition_variable changed;
  };

  std::optional<std::vector<gid_t>> remembered(State& state, uid_t uid,
                                               const StateOfFiles& signature,
                                               SteadyTime arrived) const {
    const Entry& entry = state.entries[uid];
    if (!entry.known || entry.signature != signature) return std::nullopt;
    // What was answered since we came is new enough, however long we then waited for a lock.
    if (entry.answered >= arrived) return entry.groups;
    const auto age = sources_.now() - entry.answered;
    const bool busy = !entry.asking && state.asking >= kMostGroupQuestions;
    const bool good = age < kGroupsRemembered || (busy && age < kGroupsRememberedWhenBusy);
    return good ? std::optional(entry.groups) : std::nullopt;
  }

  /// Holds uid's question while it lives. The lock is held where it begins and ends.
  class Question {
   public:
    Question(State& state, uid_t uid) : state_(state), uid_(uid) {
      state_.entries[uid_].asking = true;
      ++state_.asking;
    }
    ~Question() {
      state_.entries[uid_].asking = false;
      --state_.asking;
      state_.changed.notify_all();
    }
    Question(const Question&) = delete;
    Question& operator=(const Question&) = delete;

   private:
    State& state_;
    const uid_t uid_;
  };

  /// `signature` was taken before asking: should the files have changed since, nobody who saw the
  /// change takes this answer.
  std::vector<gid_t> ask(Sync<State>::Lock& state, uid_t uid, const StateOfFiles& signature) {
    const Question question(*state, uid);
    std::vector<gid_t> groups = state.unlocked([&] { return sources_.look_up(uid); });
    Entry& entry = state->entries[uid];
    entry.groups = groups;
    entry.signature = signature;
    entry.answered = sources_.now();
    entry.known = true;
    return groups;
  }

  static void forget_idle(State& state, uid_t but) {
    std::erase_if(state.entries,
                  [&](const auto& entry) { return entry.first != but && !entry.second.asking; });
  }

  const GroupSources sources_;
  Sync<State> state_;
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
