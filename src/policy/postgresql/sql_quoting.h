#pragma once

#include <string>
#include <string_view>
#include <vector>

// Names and texts as PostgreSQL reads them in SQL, whatever is in them but a zero byte.
namespace grantfs {

/// In double quotes: upper case, spaces and quotes are part of the name.
std::string sql_name(std::string_view name);
/// In single quotes; the same under either standard_conforming_strings.
std::string sql_text(std::string_view text);
/// A function's body between dollars, with a tag that is not in it.
std::string sql_body(std::string_view body);

std::string joined(const std::vector<std::string>& texts, std::string_view between);

}  // namespace grantfs
