#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "grantctl/nginxconf/value.h"

namespace grantctl::nginxconf {

/// A folder that a server may serve only in the right way, or not at all.
struct Tree {
  enum class Kind {
    kMount,
    kStore,   ///< the private folder itself, past grantfs
    kPolicy,  ///< the folder of the policy database
  };
  Kind kind = Kind::kMount;
  std::string path;  ///< absolute, without a slash at its end
};

/// A component of a path that nginx looks up.
struct Component {
  std::vector<Piece> pieces;
  /// The last piece may go on with further components.
  bool spans = false;

  /// The component's text, if it is constant.
  std::optional<std::string> constant() const;
  Language language() const;
  Sources from() const;
  /// The first piece that is not constant; null: none.
  const Piece* varying() const;
};

/// The components of a path. Empty components, "." and constant ".." are resolved as the kernel
/// does.
std::vector<Component> components_of(const std::vector<Piece>& path);
/// The components of a constant path.
std::vector<std::string> split_path(std::string_view path);

/// A way by which a path may lead into a tree.
struct Reach {
  std::size_t below =
      0;  ///< the first component that is below the tree's top; may be past the last
  /// The index of a component that may stand for all missing components, including the tree's top;
  /// -1: none.
  int by = -1;
};
std::vector<Reach> ways_into(const Tree& tree, const std::vector<Component>& path);

/// The path with its constant beginning resolved as on this machine now (realpath(3)): symbolic
/// links, "." and "..". Components that do not exist stay as they are. A relative path lies in
/// `folder`, in the folder above it, or in one of nginx's folders, wherever it exists first.
std::vector<Piece> resolved(const std::vector<Piece>& path, const std::string& folder);

}  // namespace grantctl::nginxconf
