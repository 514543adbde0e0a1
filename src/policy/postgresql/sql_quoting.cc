#include "policy/postgresql/sql_quoting.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

namespace grantfs {
namespace {

std::string doubled(std::string_view text, std::string_view characters) {
  std::string result;
  for (const char c : text) {
    if (characters.find(c) != std::string_view::npos) result += c;
    result += c;
  }
  return result;
}

}  // namespace

std::string sql_name(std::string_view name) {
  return '"' + doubled(name, "\"") + '"';
}

std::string sql_text(std::string_view text) {
  if (text.find('\\') == std::string_view::npos) return '\'' + doubled(text, "'") + '\'';
  return "E'" + doubled(text, "'\\") + '\'';
}

std::string sql_body(std::string_view body) {
  std::string tag = "$grantfs$";
  for (int n = 2; body.find(tag) != std::string_view::npos; ++n)
    tag = fmt::format("$grantfs{}$", n);
  return fmt::format("{}\n{}{}", tag, body, tag);
}

std::string joined(const std::vector<std::string>& texts, std::string_view between) {
  return fmt::format("{}", fmt::join(texts, between));
}

}  // namespace grantfs
