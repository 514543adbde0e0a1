#include "values/path_range.h"

#include <utility>

namespace grantfs {
namespace {

/// A text that sorts after every path: one byte longer than any path (StorePath::kMaxBytes), and
/// every byte is the highest.
std::string after_every_path() {
  // Braces would make a text of two characters.
  // NOLINTNEXTLINE(modernize-return-braced-init-list)
  return std::string(StorePath::kMaxBytes + 1, '\xff');
}

}  // namespace

PathRange PathRange::only(std::string_view spelling) {
  return {std::string(spelling), after_path(spelling)};
}

PathRange PathRange::below(const StorePath& folder) {
  if (folder.is_root()) return {std::string(1, '\x01'), after_every_path()};
  return beginning_with(folder.text() + '/');
}

PathRange PathRange::beginning_with(std::string prefix) {
  std::string end = prefix.empty()
                        ? after_every_path()
                        : after_subtree(std::string_view(prefix).substr(0, prefix.size() - 1));
  return {std::move(prefix), std::move(end)};
}

std::vector<PathRange> subtree_ranges(const StorePath& path) {
  if (path.is_root()) return {PathRange::beginning_with({})};
  return {PathRange::only(path.text()), PathRange::below(path)};
}

std::string after_path(std::string_view path) {
  return std::string(path) + '\0';
}

std::string after_subtree(std::string_view folder) {
  return std::string(folder) + '0';  // '0' follows '/' in ASCII
}

}  // namespace grantfs
