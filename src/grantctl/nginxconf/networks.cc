#include "grantctl/nginxconf/networks.h"

#include <cctype>

namespace grantctl::nginxconf {

bool is_wide(std::string_view network) {
  constexpr unsigned kNarrowV4 = 8;
  constexpr unsigned kNarrowV6 = 16;
  if (network == "all") return true;
  const auto slash = network.find('/');
  if (slash == network.npos || network.starts_with("unix:")) return false;
  unsigned bits = 0;
  for (const char c : network.substr(slash + 1)) {
    if (std::isdigit(static_cast<unsigned char>(c)) == 0) return true;  // a mask, or a variable
    bits = bits * 10 + static_cast<unsigned>(c - '0');
    if (bits > 128) return true;
  }
  return bits < (network.find(':') == network.npos ? kNarrowV4 : kNarrowV6);
}

bool is_local_listener(std::string_view address) {
  return address.starts_with("127.") || address.starts_with("[::1]") ||
         address.starts_with("unix:") || address.starts_with("localhost");
}

}  // namespace grantctl::nginxconf
