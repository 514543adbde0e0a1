#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "grantctl/nginxconf/value.h"

namespace grantctl::nginxconf {

/// The symbolic links that a visitor may follow below the folders that are served: those in a
/// folder itself and in the folders in it, as many as there is time to look at. Remembers what it
/// has seen; not thread-safe.
class Links {
 public:
  struct Way {
    std::vector<Piece> path;
    std::string link;  ///< what a visitor has to write for it: "/folder/link"
  };
  /// Where a path may lead by them: its constant beginning replaced by the target of a link.
  std::vector<Way> through(const std::vector<Piece>& path);

 private:
  struct Link {
    std::string name;    ///< below the folder: "/folder/link"
    std::string target;  ///< resolved
  };
  const std::vector<Link>& links_in(const std::string& folder);
  void look(const std::filesystem::path& folder, const std::string& below,
            std::vector<Link>& found);

  std::map<std::string, std::vector<Link>> known_;
  std::size_t entries_left_ = 20'000;
};

}  // namespace grantctl::nginxconf
