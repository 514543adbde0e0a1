#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/sinks/systemd_sink.h>
#include <syslog.h>

#include <memory>
#include <utility>

namespace grantfs {

void set_up_log(LogSink sink, spdlog::level::level_enum level) {
  std::shared_ptr<spdlog::logger> logger;
  switch (sink) {
    case LogSink::kStderr: {
      auto target = std::make_shared<spdlog::sinks::stderr_sink_mt>();
      logger = std::make_shared<spdlog::logger>("grantfs", std::move(target));
      logger->set_pattern("%Y-%m-%dT%H:%M:%S%z grantfs[%P] %l: %v");
      break;
    }
    case LogSink::kSyslog: {
      auto target = std::make_shared<spdlog::sinks::syslog_sink_mt>("grantfs", LOG_PID, LOG_DAEMON,
                                                                    /*enable_formatting=*/false);
      logger = std::make_shared<spdlog::logger>("grantfs", std::move(target));
      break;
    }
    case LogSink::kJournal: {
      auto target = std::make_shared<spdlog::sinks::systemd_sink_mt>("grantfs");
      logger = std::make_shared<spdlog::logger>("grantfs", std::move(target));
      break;
    }
  }
  logger->set_level(level);
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

void RepeatedWarning::warn(std::string_view message) {
  const auto now = std::chrono::steady_clock::now();
  std::uint64_t unsaid = 0;
  {
    auto state = state_.lock();
    if (state->said && now - state->last_said < interval_) {
      ++state->unsaid;
      return;
    }
    state->said = true;
    state->last_said = now;
    unsaid = std::exchange(state->unsaid, 0);
  }
  if (unsaid > 0) {
    spdlog::warn("{} (and {} times since last said)", message, unsaid);
  } else {
    spdlog::warn("{}", message);
  }
}

}  // namespace grantfs
