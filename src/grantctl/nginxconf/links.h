#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "grantctl/nginxconf/value.h"

namespace grantctl::nginxconf {

/// Finds the symbolic links that a visitor may follow below the folders that are served. It looks
/// at the folder itself and at the folders in it, as many as there is time for. It remembers all
/// links that it has seen; not thread-safe.
class Links {
 public:
  struct Way {
    std::vector<Piece> path;
    std::string link;  ///< the link as the visitor writes it: "/folder/link"
  };
  /// The paths that a path may lead to by a link: the link's target replaces the constant
  /// beginning.
  std::vector<Way> through(const std::vector<Piece>& path);

 private:
  struct Link {
    std::string name;    ///< the name below the folder: "/folder/link"
    std::string target;  ///< the link's target, resolved
  };
  const std::vector<Link>& links_in(const std::string& folder);
  void look(const std::filesystem::path& folder, const std::string& below,
            std::vector<Link>& found);

  std::map<std::string, std::vector<Link>> known_;
  std::size_t entries_left_ = 20'000;
};

}  // namespace grantctl::nginxconf
