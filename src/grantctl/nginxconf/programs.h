#pragma once

#include <string_view>
#include <vector>

#include "grantctl/nginxconf/audit.h"

namespace grantctl::nginxconf {

/// Whether the braces behind a directive hold a program in another language, as with
/// `..._by_lua_block`.
bool holds_program(std::string_view directive);

/// A note for each line with a program (Lua, Perl, JavaScript): programs are not judged.
std::vector<Note> notes_of_programs(const Directive& top);

/// The programs directly in a block that may have nginx go on to another URI.
std::vector<const Directive*> programs_that_go_on(const Directive& block);

}  // namespace grantctl::nginxconf
