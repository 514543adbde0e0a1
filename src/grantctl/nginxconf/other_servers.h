#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace grantctl::nginxconf {

/// The server whose configuration a text is, if it is plainly not nginx's: "Apache", "Caddy" or
/// "lighttpd"; empty: nginx's, or nobody's.
std::string other_server(std::string_view text);

/// The same of a folder, by the main file in it.
std::string other_server_in(const std::filesystem::path& folder);

}  // namespace grantctl::nginxconf
