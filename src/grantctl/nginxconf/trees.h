#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "grantctl/nginxconf/value.h"

namespace grantctl::nginxconf {

/// What a server must not serve but as it should.
struct Tree {
  enum class Kind {
    kMount,
    kStore,   ///< the private folder itself, where nobody asks grantfs
    kPolicy,  ///< the folder of the policy database
  };
  Kind kind = Kind::kMount;
  std::string path;  ///< absolute, without a slash at its end
};

/// A component of a path that is looked up.
struct Component {
  std::vector<Piece> pieces;
  /// Its last piece may go on with further components.
  bool spans = false;

  /// Its text, if it is constant.
  std::optional<std::string> constant() const;
  Language language() const;
  Sources from() const;
  /// The first piece that is no constant; null: none.
  const Piece* varying() const;
};

/// The components of a path; "", "." and constant ".." are taken as the kernel takes them.
std::vector<Component> components_of(const std::vector<Piece>& path);
/// Of a constant path.
std::vector<std::string> split_path(std::string_view path);

/// A way in which a path may lead into a tree.
struct Reach {
  std::size_t below =
      0;  ///< the first component that is below the tree's top; may be past the last
  /// The component that may stand for all that is missing, and the tree's top within; -1: none.
  int by = -1;
};
std::vector<Reach> ways_into(const Tree& tree, const std::vector<Component>& path);

/// The same path, its constant beginning as the machine resolves it now (realpath(3)): symbolic
/// links, and "." and "..". What is not there stays as it is. Relative ones are
/// in `folder`, or in one of the folders above it or of nginx's, where they are there.
std::vector<Piece> resolved(const std::vector<Piece>& path, const std::string& folder);

}  // namespace grantctl::nginxconf
