#include "grantctl/nginxconf/programs.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace grantctl::nginxconf {

namespace {

bool is_program(const Directive& directive) {
  const std::string_view name = directive.name;
  return name.find("_by_lua") != name.npos || name == "perl" || name == "perl_set" ||
         name.starts_with("js_");
}

}  // namespace

bool holds_program(std::string_view directive) {
  return directive.ends_with("_by_lua_block");
}

std::vector<Note> notes_of_programs(const Directive& top) {
  std::vector<Note> notes;
  for (const Directive& directive : top.block) {
    if (is_program(directive)) {
      notes.push_back(
          {directive.place, fmt::format("{} is a program, which is not judged: look at it yourself",
                                        directive.name)});
    }
    for (Note& note : notes_of_programs(directive)) notes.push_back(std::move(note));
  }
  return notes;
}

std::vector<const Directive*> programs_that_go_on(const Directive& block) {
  static constexpr std::array<std::string_view, 4> kCalls = {"ngx.exec", "location.capture",
                                                             "set_uri", "internal_redirect"};
  std::vector<const Directive*> found;
  for (const Directive& directive : block.block) {
    if (!is_program(directive) || directive.name.find("_set") != std::string::npos) continue;
    // The text of a program in a file of its own is not seen here.
    const bool is_elsewhere = directive.name == "js_content" || directive.name == "perl" ||
                              directive.name.ends_with("_file");
    const bool calls = std::ranges::any_of(directive.arguments, [](const std::string& text) {
      return std::ranges::any_of(kCalls, [&](auto call) { return text.find(call) != text.npos; });
    });
    if (is_elsewhere || calls) found.push_back(&directive);
  }
  return found;
}

}  // namespace grantctl::nginxconf
