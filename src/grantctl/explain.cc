#include "grantctl/explain.h"

#include <fmt/core.h>

#include "base/quote.h"

namespace grantctl {

std::string shown_membership(const std::vector<grantfs::Principal>& membership) {
  if (membership.size() < 2) return {};
  std::string text;
  for (const grantfs::Principal& principal : membership) {
    text += fmt::format("{}{}", text.empty() ? "" : ", of ", grantfs::escaped(principal.text()));
  }
  return text;
}

std::string shown_with_membership(const grantfs::Explanation& explanation) {
  std::string text = shown(*explanation.rule);
  const std::string via = shown_membership(explanation.membership);
  if (!via.empty()) text += fmt::format(" ({})", via);
  return text;
}

Json to_json(const std::vector<grantfs::Principal>& membership) {
  Json array = Json::array();
  for (const grantfs::Principal& principal : membership) array.push_back(principal.text());
  return array;
}

}  // namespace grantctl
