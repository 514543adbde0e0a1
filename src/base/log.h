#pragma once

#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/sync.h"

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
  struct State {
    std::chrono::steady_clock::time_point last_said;
    std::uint64_t unsaid = 0;
    bool said = false;
  };
  Sync<State> state_;
};

}  // namespace grantfs
