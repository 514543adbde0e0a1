#pragma once

#include <cstdint>
#include <iterator>
#include <list>
#include <memory>
#include <unordered_map>
#include <utility>

#include "base/sync.h"
#include "nodes/node_table.h"

namespace grantfs {

/// A thing that all users of a node share, as long as one of them holds it. Thread-safe.
template <class T>
class NodeShare {
 public:
  /// Null if nobody holds it.
  std::shared_ptr<T> find(NodeId node) {
    auto shared = shared_.lock();
    const auto found = shared->find(node);
    return found == shared->end() ? nullptr : found->second.lock();
  }
  /// `made`, unless another thread was quicker.
  std::shared_ptr<T> share(NodeId node, std::shared_ptr<T> made) {
    auto shared = shared_.lock();
    std::weak_ptr<T>& there = (*shared)[node];
    if (auto theirs = there.lock()) return theirs;
    there = made;
    return made;
  }
  /// Puts `made` in the place of the shared thing.
  void replace(NodeId node, const std::shared_ptr<T>& made) { (*shared_.lock())[node] = made; }
  /// Drops what there is of a node that has gone.
  void drop(NodeId node) { shared_.lock()->erase(node); }

 private:
  Sync<std::unordered_map<NodeId, std::weak_ptr<T>>> shared_;
};

/// A cache of things that are expensive to make, one for each of the nodes used last. Thread-safe.
template <class T>
class NodeCache {
 public:
  explicit NodeCache(std::size_t most) : most_(most) {}

  /// Null if it is not there.
  std::shared_ptr<T> find(NodeId node) {
    auto kept = kept_.lock();
    const auto found = kept->by_node.find(node);
    if (found == kept->by_node.end()) return nullptr;
    kept->newest_first.splice(kept->newest_first.begin(), kept->newest_first, found->second);
    return found->second->second;
  }

  /// Keeps `made`, unless another thread was quicker, and returns the one that is kept. The one
  /// used longest ago makes room.
  std::shared_ptr<T> keep(NodeId node, std::shared_ptr<T> made) {
    return keep_made(node, [&made] { return std::move(made); });
  }

  /// The same, of what `make()` returns, which is called only if the node has none yet. It is
  /// called under the lock.
  template <class Make>
  std::shared_ptr<T> keep_made(NodeId node, Make make) {
    std::shared_ptr<T> gone;  // declared first: what makes room goes last, outside the lock
    auto kept = kept_.lock();
    const auto found = kept->by_node.find(node);
    if (found != kept->by_node.end()) {
      kept->newest_first.splice(kept->newest_first.begin(), kept->newest_first, found->second);
      return found->second->second;
    }
    std::shared_ptr<T> made = make();
    if (kept->by_node.size() < most_) {
      std::list<Item> newest;  // what can fail comes first
      newest.emplace_front(node, made);
      kept->by_node.emplace(node, newest.begin());
      kept->newest_first.splice(kept->newest_first.begin(), newest);
      return made;
    }
    // The place of the one that goes is used again.
    const auto oldest = std::prev(kept->newest_first.end());
    auto place = kept->by_node.extract(oldest->first);
    place.key() = node;
    kept->by_node.insert(std::move(place));
    kept->newest_first.splice(kept->newest_first.begin(), kept->newest_first, oldest);
    oldest->first = node;
    gone = std::exchange(oldest->second, made);
    return made;
  }

  void drop(NodeId node) {
    Item gone;
    auto kept = kept_.lock();
    const auto found = kept->by_node.find(node);
    if (found == kept->by_node.end()) return;
    gone = std::move(*found->second);
    kept->newest_first.erase(found->second);
    kept->by_node.erase(found);
  }

  void clear() {
    Kept gone;  // outside the lock
    auto kept = kept_.lock();
    std::swap(*kept, gone);
  }

 private:
  using Item = std::pair<NodeId, std::shared_ptr<T>>;
  struct Kept {
    std::list<Item> newest_first;
    std::unordered_map<NodeId, typename std::list<Item>::iterator> by_node;
  };

  const std::size_t most_;
  Sync<Kept, BriefMutex> kept_;
};

}  // namespace grantfs
