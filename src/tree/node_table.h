#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/sync.h"
#include "grantfs/store_path.h"
#include "store/store.h"
#include "tree/view.h"

namespace grantfs {

/// How the kernel names an inode. Never used twice.
using NodeId = std::uint64_t;

/// FUSE_ROOT_ID in linux/fuse.h.
inline constexpr NodeId kRootNode = 1;

enum class NodeKind : std::uint8_t {
  kRoot,       ///< the mount point
  kMe,         ///< the symbolic link to the caller's own view
  kByUid,      ///< the folder of the views of system users
  kBySession,  ///< the folder of the views of sessions
  kFolder,     ///< a folder of the store in a view; a view's own root is one
  kFile,       ///< a file of the store in a view
};

/// A file that is open, shared by all who have it open through one node, so that a node costs one
/// descriptor at most and, once the kernel reads the store's file itself, one backing id.
struct OpenFile {
  OpenedFile file;
};

/// What a node stands for, copied out of the table.
struct Place {
  NodeId id = 0;
  NodeKind kind = NodeKind::kRoot;
  ViewPointer view;  ///< none outside the views
  StorePath path;    ///< in the view
  Found last;        ///< what the last lookup found there; meaningless outside the views
  /// The file, if it is open through this node now.
  std::shared_ptr<OpenFile> open;
};

/// The nodes that the kernel knows, with its lookup counts: a node lives until the kernel has
/// forgotten every lookup of it and of everything below it. Nodes belong to one view. A folder is
/// known by its path, a file by its path and which file it is: one that takes the place of
/// another is another node, and old handles keep theirs.
///
/// No node holds a descriptor. Thread-safe.
class NodeTable {
 public:
  NodeTable();
  ~NodeTable();

  /// What the node stands for; none if the kernel does not know such a node.
  std::optional<Place> find(NodeId id);

  /// The door or view `name` below `parent`, with one more lookup. A view's root (`view` given)
  /// starts a store path of its own. None if `parent` is gone.
  std::optional<NodeId> remember_door(NodeId parent, std::string_view name, NodeKind kind,
                                      ViewPointer view);

  /// What a lookup found by the name `name` in `parent`, in the same view, with one more lookup.
  /// None if `parent` is gone.
  std::optional<NodeId> remember(NodeId parent, std::string_view name, const Found& found);

  /// Takes back `count` lookups (FUSE_FORGET).
  void forget(NodeId id, std::uint64_t count);

  /// The file as open through this node: `opened`, unless another thread was quicker.
  std::shared_ptr<OpenFile> share_open(NodeId id, OpenedFile opened);

  /// Nodes now, the root and other fixed ones included.
  std::size_t size();

 private:
  struct Node {
    NodeId id;
    NodeKind kind;
    std::uint32_t children = 0;
    std::uint64_t lookups = 0;
    Node* parent = nullptr;
    std::string name;
    Found last{};
    ViewPointer view;
    std::weak_ptr<OpenFile> open;
  };

  /// What makes a node the one looked for.
  struct Key {
    NodeId parent;
    std::string_view name;
    NodeKind kind;
    FileId file;
    friend bool operator==(const Key&, const Key&) = default;
  };
  static Key key_of(const Node& node);
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const Key& key) const;
    std::size_t operator()(const Node* node) const { return (*this)(key_of(*node)); }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const Node* a, const Node* b) const { return a == b; }
    bool operator()(const Key& a, const Node* b) const { return a == key_of(*b); }
    bool operator()(const Node* a, const Key& b) const { return key_of(*a) == b; }
  };
  struct Tables {
    std::unordered_map<NodeId, std::unique_ptr<Node>> by_id;
    std::unordered_set<Node*, Hash, Equal> by_key;
    NodeId last_id = kRootNode;
  };

  std::optional<NodeId> remember(NodeId parent, std::string_view name, NodeKind kind,
                                 const Found& found, ViewPointer view);
  static StorePath path_of(const Node& node);
  /// Removes the node, and then its parents, as far as nothing holds them any more.
  static void release(Tables& tables, Node* node);

  Sync<Tables> tables_;
};

}  // namespace grantfs
