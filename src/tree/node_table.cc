#include "tree/node_table.h"

#include <algorithm>
#include <functional>

namespace grantfs {

NodeTable::NodeTable() {
  auto tables = tables_.lock();
  auto root = std::make_unique<Node>();
  root->id = kRootNode;
  root->kind = NodeKind::kRoot;
  root->lookups = 1;  // the kernel's own, never forgotten (FUSE_ROOT_ID)
  tables->by_id.emplace(kRootNode, std::move(root));
}

NodeTable::~NodeTable() = default;

NodeTable::Key NodeTable::key_of(const Node& node) {
  return {node.parent == nullptr ? 0 : node.parent->id, node.name, node.kind,
          node.kind == NodeKind::kFile ? node.last.id : FileId{}};
}

std::size_t NodeTable::Hash::operator()(const Key& key) const {
  std::size_t hash = std::hash<std::string_view>()(key.name);
  for (const std::uint64_t part :
       {key.parent, static_cast<std::uint64_t>(key.kind), key.file.low}) {
    constexpr std::uint64_t kGoldenRatio = 0x9e3779b97f4a7c15;
    hash ^= part + kGoldenRatio + (hash << 6U) + (hash >> 2U);
  }
  return hash;
}

StorePath NodeTable::path_of(const Node& node) {
  // The node that carries the view is the view's root; names above it are not of the store.
  std::vector<std::string_view> names;
  for (const Node* step = &node; step->parent != nullptr && step->parent->view != nullptr;
       step = step->parent) {
    names.push_back(step->name);
  }
  return StorePath::join(names.rbegin(), names.rend());
}

std::optional<Place> NodeTable::find(NodeId id) {
  auto tables = tables_.lock();
  const auto found = tables->by_id.find(id);
  if (found == tables->by_id.end()) return std::nullopt;
  const Node& node = *found->second;
  return Place{id, node.kind, node.view, path_of(node), node.last, node.open.lock()};
}

std::optional<NodeId> NodeTable::remember_door(NodeId parent, std::string_view name, NodeKind kind,
                                               ViewPointer view) {
  return remember(parent, name, kind, Found{}, std::move(view));
}

std::optional<NodeId> NodeTable::remember(NodeId parent, std::string_view name,
                                          const Found& found) {
  const bool is_file = found.type == Found::Type::kFile;
  return remember(parent, name, is_file ? NodeKind::kFile : NodeKind::kFolder, found, nullptr);
}

std::optional<NodeId> NodeTable::remember(NodeId parent_id, std::string_view name, NodeKind kind,
                                          const Found& found, ViewPointer view) {
  auto tables = tables_.lock();
  const auto parent = tables->by_id.find(parent_id);
  if (parent == tables->by_id.end()) return std::nullopt;
  const FileId file = kind == NodeKind::kFile ? found.id : FileId{};
  const auto known = tables->by_key.find(Key{parent_id, name, kind, file});
  if (known != tables->by_key.end()) {
    ++(*known)->lookups;
    (*known)->last = found;
    return (*known)->id;
  }
  auto node = std::make_unique<Node>();
  node->id = ++tables->last_id;
  node->kind = kind;
  node->lookups = 1;
  node->parent = parent->second.get();
  node->name = name;
  node->last = found;
  node->view = view != nullptr ? std::move(view) : node->parent->view;
  ++node->parent->children;
  const NodeId id = node->id;
  tables->by_key.insert(node.get());
  tables->by_id.emplace(id, std::move(node));
  return id;
}

void NodeTable::forget(NodeId id, std::uint64_t count) {
  if (id == kRootNode) return;
  auto tables = tables_.lock();
  const auto found = tables->by_id.find(id);
  if (found == tables->by_id.end()) return;
  Node& node = *found->second;
  node.lookups -= std::min(node.lookups, count);
  release(*tables, &node);
}

void NodeTable::release(Tables& tables, Node* node) {
  while (node != nullptr && node->lookups == 0 && node->children == 0) {
    Node* parent = node->parent;
    tables.by_key.erase(node);
    tables.by_id.erase(node->id);
    if (parent != nullptr) --parent->children;
    node = parent;
  }
}

std::shared_ptr<OpenFile> NodeTable::share_open(NodeId id, OpenedFile opened) {
  auto mine = std::make_shared<OpenFile>(OpenFile{std::move(opened)});
  auto tables = tables_.lock();
  const auto found = tables->by_id.find(id);
  if (found == tables->by_id.end()) return mine;
  if (auto theirs = found->second->open.lock()) return theirs;
  found->second->open = mine;
  return mine;
}

std::size_t NodeTable::size() {
  return tables_.lock()->by_id.size();
}

}  // namespace grantfs
