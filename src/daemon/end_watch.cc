#include "daemon/end_watch.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <exception>

#include "base/quiet_thread.h"

namespace grantfs {
namespace {

constexpr std::chrono::seconds kLongestEnd{5};

}  // namespace

EndWatch::~EndWatch() {
  if (!thread_.joinable()) return;
  ended_.set_value();
  thread_.join();
}

void EndWatch::begin() {
  try {
    thread_ = start_quiet_thread("grantfs end", [this] {
      if (ended_.get_future().wait_for(kLongestEnd) == std::future_status::ready) return;
      spdlog::critical(
          "a disk, of the store or of the record of accesses, does not answer: the daemon ends "
          "without waiting for it");
      spdlog::shutdown();
      ::_exit(EXIT_FAILURE);
    });
  } catch (const std::exception&) {
    return;
  }
}

}  // namespace grantfs
