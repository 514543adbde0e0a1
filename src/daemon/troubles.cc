#include "daemon/troubles.h"

#include <spdlog/spdlog.h>

namespace grantfs {

void Troubles::decision_failed(const Error& error) {
  warning_.warn("access is denied: " + error.message);
  *failed_.lock() = {error.message, system_now()};
}

void Troubles::set_unknown(const std::string& why) {
  *unknown_.lock() = why;
  if (why.empty()) return;
  spdlog::warn(
      "whoever takes access away cannot know of this daemon, so nothing is lent to the "
      "kernel, and each open is slower: {}",
      why);
}

}  // namespace grantfs
