#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace grantctl::nginxconf {

/// The server whose configuration the text is, if it plainly is not nginx's: "Apache", "Caddy" or
/// "lighttpd". Empty if it may be nginx's.
std::string other_server(std::string_view text);

/// The server whose configuration is in the folder, by the folder's main file. Empty as above.
std::string other_server_in(const std::filesystem::path& folder);

}  // namespace grantctl::nginxconf
