#include "lease/steady_files.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace grantfs {

SteadyFiles::Files::iterator SteadyFiles::erase(State& state, Files::iterator file) {
  state.entries -= file->second.entries.size();
  return state.files.erase(file);
}

bool SteadyFiles::keep(Use use) {
  auto state = state_.lock();
  if (use.seen < state->paused_until || state->entries >= kMostEntries) return false;
  if (state->files.empty()) state->seen = use.seen;
  auto known = state->files.find(use.node);
  if (known == state->files.end()) {
    if (state->full || state->files.size() >= kMostFiles) return false;
    File file{std::move(use.path), use.sighting, use.until, {}};
    known = state->files.emplace(use.node, std::move(file)).first;
  } else if (known->second.path != use.path) {
    return false;
  }
  File& file = known->second;
  file.until = std::max(file.until, use.until);
  if (std::ranges::find(file.entries, use.entry) == file.entries.end()) {
    file.entries.push_back(std::move(use.entry));
    ++state->entries;
  }
  return true;
}

void SteadyFiles::drop(NodeId node) {
  auto state = state_.lock();
  const auto known = state->files.find(node);
  if (known != state->files.end()) erase(*state, known);
}

std::optional<SteadyFiles::Time> SteadyFiles::until(NodeId node) {
  auto state = state_.lock();
  const auto known = state->files.find(node);
  if (known == state->files.end()) return std::nullopt;
  return known->second.until;
}

std::size_t SteadyFiles::size() {
  return state_.lock()->files.size();
}

std::vector<KernelEntry> SteadyFiles::entries() {
  std::vector<KernelEntry> entries;
  auto state = state_.lock();
  entries.reserve(state->entries);
  for (const auto& [node, file] : state->files)
    std::ranges::copy(file.entries, std::back_inserter(entries));
  return entries;
}

void SteadyFiles::pause(Time until) {
  auto state = state_.lock();
  state->paused_until = std::max(state->paused_until, until);
}

void SteadyFiles::clear() {
  auto state = state_.lock();
  state->files.clear();
  state->entries = 0;
}

std::optional<SteadyFiles::Time> SteadyFiles::seen(Time now) {
  auto state = state_.lock();
  // What is over is dropped by check(); until then, the first that is not over answers for all.
  const bool any =
      std::ranges::any_of(state->files, [&](const auto& file) { return file.second.until > now; });
  if (!any) return std::nullopt;
  return state->seen;
}

StoreChanges SteadyFiles::check(const Store& store, Time now) {
  struct Look {
    NodeId node;
    StorePath path;
    Sighting expected;
  };
  std::vector<Look> looks;
  {
    auto state = state_.lock();
    looks.reserve(state->files.size());
    for (auto file = state->files.begin(); file != state->files.end();) {
      if (file->second.until <= now) {
        file = erase(*state, file);
      } else {
        looks.push_back({file->first, file->second.path, file->second.sighting});
        ++file;
      }
    }
  }
  std::ranges::sort(looks, {}, &Look::path);
  StoreChanges changes;
  StorePath parent;
  auto folder = store.locate(parent);
  for (const Look& look : looks) {
    if (StorePath above = look.path.parent(); above != parent) {
      parent = std::move(above);
      folder = store.locate(parent);
    }
    const std::string name(look.path.name());
    if (folder && Store::sight(folder->fd, name.c_str()) == look.expected) continue;
    auto state = state_.lock();
    const auto file = state->files.find(look.node);
    if (file == state->files.end()) continue;
    changes.nodes.push_back(look.node);
    std::ranges::copy(file->second.entries, std::back_inserter(changes.entries));
    erase(*state, file);
  }
  return changes;
}

void SteadyFiles::limit(bool full) {
  state_.lock()->full = full;
}

void SteadyFiles::seen_again(Time then) {
  auto state = state_.lock();
  state->seen = std::max(state->seen, then);
}

}  // namespace grantfs
