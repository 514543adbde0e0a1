#pragma once

#include <string_view>

#include "base/keyed_hash.h"
#include "nodes/node_graph.h"

namespace grantfs {

/// How SlotIndex reads the items of the two indexes; see slot_index.h.
struct NodeGraph::ByName {
  NodeGraph& graph;

  Slot& link(Slot slot) const { return graph.entries[slot].next_by_name; }
  std::size_t hash(Slot slot) const {
    return hash_of(graph.entries[slot].parent, graph.entries[slot].name.view());
  }
  static std::size_t hash_of(Slot parent, std::string_view name) {
    constexpr std::size_t kGoldenRatio = 0x9e3779b97f4a7c15;
    return keyed_hash(name) ^ (parent * kGoldenRatio);
  }
};

struct NodeGraph::ByFile {
  NodeGraph& graph;

  Slot& link(Slot slot) const { return graph.nodes[slot].next_by_file; }
  std::size_t hash(Slot slot) const { return hash_of(graph.nodes[slot].last.id); }
  static std::size_t hash_of(const FileId& id) { return id.low; }
};

}  // namespace grantfs
