#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/quote.h"
#include "grantctl/arguments.h"

namespace grantctl {

using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::quoted;
using grantfs::Result;
using grantfs::StorePath;

namespace {

using Components = std::vector<std::string_view>;

/// Whether entries of this folder of a mount are tokens, or carry tokens.
bool is_token_folder(std::string_view name) {
  constexpr std::array<std::string_view, 6> kNames{"by-session", "by-link", "by-signature",
                                                   "by-md5",     "expired", "from"};
  return std::ranges::find(kNames, name) != kNames.end();
}

/// The components of a path, without empty ones and ".".
Components split(std::string_view text) {
  Components components;
  while (!text.empty()) {
    const auto slash = std::min(text.find('/'), text.size());
    const auto component = text.substr(0, slash);
    if (!component.empty() && component != ".") components.push_back(component);
    text.remove_prefix(std::min(slash + 1, text.size()));
  }
  return components;
}

/// The argument's name in a message. A text that may have a token in it is not repeated.
std::string called(std::string_view text) {
  const Components components = split(text);
  const auto folder = std::ranges::find_if(components, is_token_folder);
  if (folder != components.end() && folder + 1 != components.end()) {
    return "the path (not repeated here, since it may have a token in it)";
  }
  return quoted(text);
}

Error refusal(std::string_view text, std::string_view why) {
  return {ErrorKind::kInvalid, fmt::format("{} {}", called(text), why)};
}

Result<StorePath> to_store_path(std::string_view text, Components::const_iterator begin,
                                Components::const_iterator end) {
  std::string joined;
  for (auto component = begin; component != end; ++component) {
    if (!joined.empty()) joined += '/';
    joined += *component;
  }
  if (joined.empty()) return StorePath();  // "." and "./" (the store itself), or the top of a view
  auto path = StorePath::parse(joined);
  if (!path) {
    if (joined.size() <= StorePath::kMaxBytes) {
      return refusal(text, "is not a path in the store: it has a component '..'");
    }
    return refusal(text, fmt::format("is not a path in the store: it is longer than {} bytes",
                                     StorePath::kMaxBytes));
  }
  return path;
}

bool is_same_directory(const std::string& a, const std::string& b) {
  struct stat first = {};
  struct stat second = {};
  return ::stat(a.c_str(), &first) == 0 && ::stat(b.c_str(), &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

/// The number of components that lead to `directory`, compared by name; none if the path does not
/// lie below it.
std::optional<std::size_t> below_by_name(const Components& path,
                                         const std::filesystem::path& directory) {
  if (directory.empty()) return std::nullopt;  // the daemon did not name a directory
  const Components prefix = split(directory.native());
  const bool is_below = prefix.size() <= path.size() &&
                        std::equal(prefix.begin(), prefix.end(), path.begin(),
                                   path.begin() + static_cast<std::ptrdiff_t>(prefix.size()));
  return is_below ? std::optional(prefix.size()) : std::nullopt;
}

/// The number of components that lead to `directory`, compared by the directory's identity: a
/// symbolic link above the store may lead there too. Looks at every folder on the way, and so may
/// wait for a store that hangs.
std::optional<std::size_t> below_by_look(const Components& path,
                                         const std::filesystem::path& directory) {
  if (directory.empty()) return std::nullopt;
  std::string leading;
  for (std::size_t i = 0; i < path.size(); ++i) {
    leading += '/';
    leading += path[i];
    if (is_same_directory(leading, directory.native())) return i + 1;
  }
  return std::nullopt;
}

/// `rest` is the part behind the mount point.
Result<StorePath> path_in_view(std::string_view text, Components rest) {
  const std::string_view door = rest.empty() ? std::string_view() : rest.front();
  if (is_token_folder(door)) {
    return Error{ErrorKind::kInvalid,
                 "a path through a token is refused, since a token is never an argument; write it "
                 "relative to the store"};
  }
  std::size_t view = 0;
  if (door == "public" || door == "me") view = 1;
  if ((door == "by-uid" || door == "by-process") && rest.size() > 1) view = 2;
  if (view == 0) return refusal(text, "is in the mount, but not in the view of anyone");
  return to_store_path(text, rest.begin() + static_cast<std::ptrdiff_t>(view), rest.end());
}

}  // namespace

Result<StorePath> parse_path(Context& context, const std::string& text) {
  if (text.empty()) {
    return Error{ErrorKind::kInvalid, "a path is empty; the whole store is written ."};
  }
  const Components components = split(text);
  if (text.front() != '/') {
    // The user may have typed the path in the mount. Other names like `by-...` are likely to be the
    // store's own.
    if (components.size() > 1 && components.front().starts_with("by-") &&
        is_token_folder(components.front())) {
      return refusal(text,
                     "begins like a path through a token, and a token is never an argument; "
                     "if the store has a folder of that name, write the absolute path");
    }
    return to_store_path(text, components.begin(), components.end());
  }

  auto daemons = context.daemons();
  if (!daemons) return daemons.error();
  for (const auto& below : {below_by_name, below_by_look}) {
    for (const grantfs::DaemonStatus& daemon : daemons->found) {
      if (const auto depth = below(components, daemon.mountpoint)) {
        return path_in_view(
            text,
            Components(components.begin() + static_cast<std::ptrdiff_t>(*depth), components.end()));
      }
      if (const auto depth = below(components, daemon.store)) {
        return to_store_path(text, components.begin() + static_cast<std::ptrdiff_t>(*depth),
                             components.end());
      }
    }
  }
  if (daemons->found.empty()) {
    return refusal(text,
                   "is absolute, and no daemon answers that could say where the store is; "
                   "write it relative to the store");
  }
  return refusal(text,
                 "lies neither in the store nor in the mount; write it relative to the "
                 "store");
}

}  // namespace grantctl
