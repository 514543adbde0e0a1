#include "fuse/libfuse_log.h"

#include <fuse_log.h>
#include <spdlog/spdlog.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string_view>

#include "fuse/uncancelled.h"

namespace grantfs {
namespace {

spdlog::level::level_enum level_of(fuse_log_level level, std::string_view message) {
  // A thread that had taken up a request when the mount went reads this (fuse_dev_do_read() in the
  // kernel's fs/fuse/dev.c).
  if (message.find(std::strerror(ECONNABORTED)) != std::string_view::npos) {
    return spdlog::level::debug;
  }
  if (level <= FUSE_LOG_ERR) return spdlog::level::err;
  if (level == FUSE_LOG_WARNING) return spdlog::level::warn;
  return level == FUSE_LOG_DEBUG ? spdlog::level::debug : spdlog::level::info;
}

void take(fuse_log_level level, const char* format, va_list arguments) {
  const Uncancelled uncancelled;
  std::array<char, 512> text{};
  if (std::vsnprintf(text.data(), text.size(), format, arguments) < 0) return;
  std::string_view message(text.data());
  while (message.ends_with('\n')) message.remove_suffix(1);
  try {
    spdlog::log(level_of(level, message), "libfuse: {}", message);
  } catch (const std::exception&) {
    return;  // no memory for it
  }
}

}  // namespace

void log_what_libfuse_says() {
  fuse_set_log_func(take);
}

}  // namespace grantfs
