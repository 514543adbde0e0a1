#include <fmt/core.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/quote.h"
#include "grantfs/source.h"

namespace grantfs {
namespace {

constexpr std::array<std::string_view, 6> kMembersOfConfig{
    "database", "who", "allow", "list", "path_prefix", "principal_prefix"};

Error wrong(const std::filesystem::path& file, std::string_view what) {
  return {ErrorKind::kInvalid, fmt::format("{}: {}", file.string(), what)};
}

Result<void> check_file(const std::filesystem::path& file) {
  struct stat status = {};
  if (::stat(file.c_str(), &status) != 0) {
    return Error{ErrorKind::kSystem,
                 fmt::format("cannot look at {}: {}", file.string(), std::strerror(errno))};
  }
  if (!S_ISREG(status.st_mode)) return wrong(file, "not a regular file");
  if ((status.st_mode & S_IWOTH) != 0) {
    return wrong(file, "anyone may write it, and so decide who may read what");
  }
  return {};
}

/// A text, or the lines of a list; none if it is neither, or holds a zero byte.
std::optional<std::string> text_of(const nlohmann::json& value) {
  std::string text;
  for (const nlohmann::json& line : value.is_array() ? value : nlohmann::json::array({value})) {
    if (!line.is_string()) return std::nullopt;
    text += (text.empty() ? "" : "\n") + line.get<std::string>();
  }
  if (text.find('\0') != std::string::npos) return std::nullopt;
  return text;
}

/// Without the slashes at its end but one; empty stays empty.
std::string as_prefix(std::string folder) {
  if (folder.empty()) return folder;
  while (folder.ends_with('/')) folder.pop_back();
  return folder + '/';
}

}  // namespace

Result<SourceConfig> read_source_config(const std::filesystem::path& file) {
  if (auto fit = check_file(file); !fit) return fit.error();
  std::ifstream stream(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (!stream) return Error{ErrorKind::kSystem, fmt::format("cannot read {}", file.string())};

  const auto document = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false,
                                              /*ignore_comments=*/true);
  if (!document.is_object()) {
    return wrong(file, fmt::format("write a JSON object with the members {}",
                                   fmt::join(kMembersOfConfig, ", ")));
  }
  for (const auto& [name, value] : document.items()) {
    if (std::ranges::find(kMembersOfConfig, name) == kMembersOfConfig.end()) {
      return wrong(file, fmt::format("no member {} is known; there are: {}", grantfs::quoted(name),
                                     fmt::join(kMembersOfConfig, ", ")));
    }
    if (!text_of(value)) {
      return wrong(file, fmt::format("member {} must be a text, or a list of lines", name));
    }
  }
  SourceConfig config;
  const auto take = [&](const char* name, std::string& value) {
    if (document.contains(name)) value = *text_of(document[name]);
  };
  std::string database;
  take("database", database);
  take("who", config.who);
  take("allow", config.allow);
  take("list", config.list);
  take("path_prefix", config.path_prefix);
  take("principal_prefix", config.principal_prefix);
  config.path_prefix = as_prefix(config.path_prefix);
  if (database.empty() || config.allow.empty() || config.list.empty()) {
    return wrong(file, "the members database, allow and list are needed");
  }
  config.database = (std::filesystem::absolute(file).parent_path() / database).lexically_normal();
  return config;
}

}  // namespace grantfs
