#include "grantctl/nginxconf/links.h"

#include <system_error>

namespace grantctl::nginxconf {

std::vector<Links::Way> Links::through(const std::vector<Piece>& path) {
  std::vector<Way> ways;
  if (path.size() < 2 || !path[0].is_literal || !path[0].literal.starts_with('/')) return ways;
  const Piece& rest = path.back();
  if (rest.is_literal || !rest.language.may_hold('/')) return ways;
  const std::string folder = path[0].literal.substr(0, path[0].literal.rfind('/') + 1);
  for (const Link& link : links_in(folder)) {
    Piece begin = path[0];
    begin.literal = link.target + '/';
    begin.language = exactly(begin.literal);
    ways.push_back({{std::move(begin), rest}, link.name});
  }
  return ways;
}

const std::vector<Links::Link>& Links::links_in(const std::string& folder) {
  const auto known = known_.find(folder);
  if (known != known_.end()) return known->second;
  std::vector<Link> found;
  look(folder, "", found);
  return known_[folder] = std::move(found);
}

void Links::look(const std::filesystem::path& folder, const std::string& below,
                 std::vector<Link>& found) {
  std::error_code failed;
  std::filesystem::directory_iterator entries(folder, failed);
  for (; !failed && entries != std::filesystem::directory_iterator(); entries.increment(failed)) {
    if (entries_left_ == 0) return;
    --entries_left_;
    std::error_code unknown;
    const std::string name = below + "/" + entries->path().filename().native();
    if (entries->is_symlink(unknown)) {
      const auto target = std::filesystem::canonical(entries->path(), unknown);
      if (!unknown) found.push_back({name, target.native()});
    } else if (below.empty() && entries->is_directory(unknown)) {
      look(entries->path(), name, found);
    }
  }
}

}  // namespace grantctl::nginxconf
