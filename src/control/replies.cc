#include "control/replies.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <exception>
#include <utility>

#include "control/document.h"
#include "control/protocol.h"

namespace grantfs::control {
namespace {

using nlohmann::json;

/// Serializes an answer, and never throws because of the answer's bytes: those that are not UTF-8
/// are replaced.
std::string dump(json answer) {
  const Emptied emptied(answer);
  return answer.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
}

}  // namespace

std::string to_line(json answer) {
  const Emptied emptied(answer);
  if (!answer.is_object()) return dump(control_error("the daemon has no answer to that"));
  if (!answer.contains("ok")) answer["ok"] = true;
  std::string line = dump(std::move(answer));
  return line.size() <= kMaxLineBytes ? line : dump(control_error("the answer is too long"));
}

/// The state that all copies of one reply share.
class ReplyQueue::Pending {
 public:
  Pending(std::shared_ptr<ReplyQueue> queue, std::uint64_t client)
      : queue_(std::move(queue)), client_(client) {}
  ~Pending() {
    // The last copy of the reply goes, so no answer can come any more. Tell the client so instead
    // of letting it wait, if there is memory for the message.
    try {
      if (!answered_) answer(control_error("the daemon has no answer to that now"));
    } catch (const std::exception&) {
      return;
    }
  }
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;

  void answer(json answer) {
    const Emptied emptied(answer);
    if (answered_.exchange(true)) return;
    queue_->add({client_, to_line(std::move(answer))});
  }

 private:
  const std::shared_ptr<ReplyQueue> queue_;
  const std::uint64_t client_;
  std::atomic<bool> answered_ = false;
};

ControlReply ReplyQueue::reply_to(std::uint64_t client) {
  return [pending = std::make_shared<Pending>(shared_from_this(), client)](json answer) {
    pending->answer(std::move(answer));
  };
}

std::vector<FinishedReply> ReplyQueue::take() {
  std::uint64_t count = 0;
  while (::read(wake_.get(), &count, sizeof count) < 0 && errno == EINTR) {
  }
  return std::exchange(state_.lock()->finished, {});
}

void ReplyQueue::add(FinishedReply reply) {
  {
    auto state = state_.lock();
    if (state->closed) return;
    state->finished.push_back(std::move(reply));
  }
  wake();
}

void ReplyQueue::close() {
  {
    auto state = state_.lock();
    state->closed = true;
    state->finished.clear();
  }
  wake();
}

bool ReplyQueue::closed() {
  return state_.lock()->closed;
}

void ReplyQueue::wake() const {
  const std::uint64_t one = 1;
  while (::write(wake_.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
}

}  // namespace grantfs::control
