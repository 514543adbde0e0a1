#include "nginxconf/exposure.h"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <string_view>

namespace grantctl::nginxconf {

namespace {

struct ChosenView {
  std::string_view name;
  std::string_view chooses;
  std::string_view instead;
};
constexpr std::array<ChosenView, 5> kChosenViews = {
    ChosenView{"by-user/", "the user", "by-user/$checked/, checked against $remote_user by a map"},
    ChosenView{"by-uid/", "the system user", "public/; by-uid is for no web server"},
    ChosenView{"by-process/", "the processes", "public/; by-process is for no web server"},
    ChosenView{"from/", "the address that he comes from", "from/$remote_addr/, which nginx knows"},
    ChosenView{"by-session/", "the session by his URL",
               "by-session/$checked/ with a checked token out of a cookie"}};

bool is_of_the_url(const std::string& name) {
  return name == "uri" || name == "document_uri" || name == "request_uri" ||
         (name.size() == 1 && std::isdigit(static_cast<unsigned char>(name[0])) != 0);
}

/// `rest` is the path below the mount.
std::optional<Exposure> exposure_below(std::string_view rest, const std::string& mount,
                                       const FindChosen& find_chosen) {
  const auto first_of = [&](std::string_view text) {
    return find_chosen(std::string(text.substr(0, text.find('/'))));
  };
  if (const auto name = first_of(rest)) {
    return Exposure{*name, "any view, by-session/ and all",
                    fmt::format("serve {}public/, or the view that is meant, by name", mount)};
  }
  for (const ChosenView& view : kChosenViews) {
    if (!rest.starts_with(view.name)) continue;
    const auto name = first_of(rest.substr(view.name.size()));
    if (name && (view.name != "by-session/" || is_of_the_url(*name))) {
      return Exposure{*name, std::string(view.chooses),
                      fmt::format("serve {}{}", mount, view.instead)};
    }
  }
  if (!rest.starts_with("from/")) return std::nullopt;
  rest.remove_prefix(std::string_view("from/").size());
  const auto slash = rest.find('/');
  if (slash == rest.npos) return std::nullopt;
  return exposure_below(rest.substr(slash + 1), mount, find_chosen);
}

}  // namespace

std::optional<Exposure> exposure_in(const std::string& path, const std::set<std::string>& mounts,
                                    const FindChosen& find_chosen) {
  for (const std::string& mount : mounts) {
    if (path.starts_with(mount)) {
      const auto below = std::string_view(path).substr(mount.size());
      if (auto found = exposure_below(below, mount, find_chosen)) return found;
      continue;
    }
    // Above the mount, where what he chooses may lead into it.
    const std::string fixed = path.substr(0, path.find('$'));
    if (fixed == path || !fixed.ends_with('/') || !mount.starts_with(fixed)) continue;
    const auto component = path.substr(fixed.size(), path.find('/', fixed.size()) - fixed.size());
    if (const auto name = find_chosen(component)) {
      return Exposure{*name, "any folder, the mount's top too",
                      fmt::format("serve {}public/, or the view that is meant, by name", mount)};
    }
  }
  return std::nullopt;
}

}  // namespace grantctl::nginxconf
