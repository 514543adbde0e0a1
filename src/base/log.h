#pragma once

#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace grantfs {

/// Where log lines go. No line ever holds a token, or a name from below by-session.
enum class LogSink { kStderr, kSyslog, kJournal };

/// Makes `sink` the destination of spdlog's default logger. Once, before threads start.
void set_up_log(LogSink sink, spdlog::level::level_enum level);

/// For what may happen thousands of times a second: says it once, and from then on at most once
/// every `interval`, with how often it happened meanwhile. Thread-safe.
class RepeatedWarning {
 public:
  explicit RepeatedWarning(std::chrono::seconds interval) : interval_(interval) {}

  void warn(std::string_view message);

 private:
  const std::chrono::seconds interval_;
  std::mutex mutex_;
  std::chrono::steady_clock::time_point last_said_;
  std::uint64_t unsaid_ = 0;
  bool said_ = false;
};

}  // namespace grantfs
