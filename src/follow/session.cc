#include "follow/session.h"

#include <fmt/core.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/boot_time.h"
#include "sandbox/call_filter.h"

namespace grantfs::follow {
namespace {

using std::chrono::milliseconds;
namespace pgoutput = postgres::pgoutput;

constexpr milliseconds kLongestInterval{1000};
/// A daemon is told so many times within its bound.
constexpr int kReportsWithinBound = 4;
/// A question that has no answer by then means that the connection is of no use.
constexpr std::chrono::seconds kAnswerTime{30};
/// How often the position is noted while there is nothing to apply, so that the server need not
/// keep its log for us.
constexpr std::chrono::seconds kNoteEvery{60};
/// How long messages are taken before the daemons and the server have their turn.
constexpr milliseconds kTurn{100};
/// So many questions may be open. While there are more, the oldest but one is forgotten.
constexpr std::size_t kMostOpen = 128;

}  // namespace

Session::Session(const Options& options, Applier& applier, Daemons& daemons, UpstreamState upstream,
                 postgres::ReplicationStream stream, postgres::Connection ordinary,
                 std::int64_t registered, int stop)
    : options_(options),
      applier_(applier),
      daemons_(daemons),
      upstream_(std::move(upstream)),
      stream_(std::move(stream)),
      statement_(std::move(ordinary)),
      registered_(registered),
      stop_(stop),
      next_note_(SteadyClock::now() + kNoteEvery),
      received_(applier.position()),
      end_(upstream_.end),
      to_recall_(applier.position()) {
  // What was applied just before a crash may not have been recalled.
  daemons_.begin_log();
  daemons_.recall(to_recall_);
}

milliseconds Session::interval() const {
  const milliseconds share = std::chrono::seconds(registered_) / kReportsWithinBound;
  return std::min(share, kLongestInterval);
}

Result<void> Session::run() {
  while (true) {
    auto goes_on = wait();
    if (!goes_on) return goes_on.error();
    if (!*goes_on) return {};
    if (auto taken = take_stream(); !taken) return taken;
    if (auto asked = ask(); !asked) return asked;
    if (auto told = tell(); !told) return told;
    if (auto noted = note_position(); !noted) return noted;
    if (auto sent = report(false); !sent) return sent;
    log_refused_calls();
  }
}

Result<bool> Session::wait() {
  const auto now = SteadyClock::now();
  const auto until = asking_ == Asking::kNothing ? next_question_ : answered_by_;
  const auto left = std::chrono::ceil<milliseconds>(until - now);
  std::array<pollfd, 4> polled{
      {{stop_, POLLIN, 0},
       {stream_.fd(), static_cast<short>(stream_.wants_to_write() ? POLLIN | POLLOUT : POLLIN), 0},
       {asking_ == Asking::kNothing ? -1 : statement_.fd(), POLLIN, 0},
       {daemons_.fd(), POLLIN, 0}}};
  const auto patience = std::clamp<milliseconds>(left, milliseconds(0), kLongestInterval);
  if (::poll(polled.data(), polled.size(), static_cast<int>(patience.count())) < 0 &&
      errno != EINTR) {
    return Error{ErrorKind::kSystem, fmt::format("cannot wait: {}", std::strerror(errno))};
  }
  if (polled[0].revents != 0) return false;
  if (polled[2].revents != 0) {
    if (auto taken = take_answer(); !taken) return taken.error();
  }
  if (polled[3].revents != 0) daemons_.clear();
  if (asking_ != Asking::kNothing && SteadyClock::now() > answered_by_) {
    return Error{ErrorKind::kDatabase, fmt::format("{}: it does not answer", stream_.name())};
  }
  return true;
}

Result<void> Session::take_stream() {
  if (auto received = stream_.receive(); !received) return received;
  const auto until = SteadyClock::now() + kTurn;
  while (SteadyClock::now() < until) {
    auto event = stream_.next();
    if (!event) return event.error();
    if (!*event) return {};
    if (auto taken = take(**event); !taken) return taken;
  }
  next_question_ = std::min(next_question_, SteadyClock::now());  // there is more: do not wait
  return {};
}

Result<void> Session::take(const postgres::ReplicationStream::Event& event) {
  if (const auto* data = std::get_if<postgres::ReplicationStream::Data>(&event)) {
    return take_message(data->message);
  }
  const auto& alive = std::get<postgres::ReplicationStream::Keepalive>(event);
  if (!applier_.is_in_transaction()) received_ = std::max(received_, alive.end);
  return alive.wants_reply ? report(true) : Result<void>();
}

Result<void> Session::take_message(std::string_view bytes) {
  auto message = pgoutput::decode(bytes);
  if (!message) return message.error();
  const Lsn before = applier_.position();
  auto ended = applier_.apply(*message);
  if (!ended) return ended.error();
  if (!*ended) return {};
  received_ = std::max(received_, **ended);
  end_ = std::max(end_, received_);
  if (applier_.position() != before) {
    to_recall_ = applier_.position();
    daemons_.recall(to_recall_);
  }
  return report(false);
}

Result<void> Session::ask() {
  const auto now = SteadyClock::now();
  if (asking_ != Asking::kNothing || now < next_question_) return {};
  std::string sql;
  if (daemons_.bound() > registered_ && options_.follow_seconds == 0) {
    asking_ = Asking::kRegistration;
    registering_ = daemons_.bound();
    sql = fmt::format("SELECT grantfs.register_node('{}', {})", options_.node, registering_);
  } else {
    asking_ = Asking::kEnd;
    question_ = {boot_time(), 0};
    sql = "SELECT pg_current_wal_insert_lsn(), pg_current_wal_flush_lsn(), " + publication_sql();
    // The keepalive that it is answered with says how far the server has read its log.
    if (auto sent = report(true); !sent) return sent;
  }
  answered_by_ = now + kAnswerTime;
  next_question_ = now + interval();
  return statement_.send(sql);
}

Result<void> Session::take_answer() {
  auto answer = statement_.receive();
  if (!answer) return answer.error();
  if (!*answer) return {};
  const Asking asked = std::exchange(asking_, Asking::kNothing);
  if (asked == Asking::kEnd) return take_end(**answer);
  if (asked == Asking::kRegistration) {
    registered_ = registering_;
    next_question_ = SteadyClock::now();
  }
  return {};
}

Result<void> Session::take_end(const postgres::Answer& answer) {
  constexpr int kColumns = 3;
  if (answer.rows() != 1 || answer.columns() != kColumns) {
    return Error{ErrorKind::kDatabase, "the upstream does not say how far its log reaches"};
  }
  const auto end = postgres::parse_lsn(answer.text(0, 0));
  const auto flushed = postgres::parse_lsn(answer.text(0, 1));
  if (!end || !flushed) {
    return Error{ErrorKind::kDatabase, "the upstream does not say how far its log reaches"};
  }
  if (answer.text(0, 2) != upstream_.publication) {
    return Error{ErrorKind::kConflict, "the upstream has changed what it publishes"};
  }
  question_.end = postgres::before_page_header(*end, upstream_.log);
  end_ = std::max(end_, question_.end);
  const bool waits = !open_.empty() && *flushed < open_.front().end;
  if (open_.size() >= kMostOpen) open_.erase(open_.begin() + 1);
  open_.push_back(question_);
  if (!waits) return {};
  // The server sends what it has on its disk, and may leave the end of its log in memory while
  // transactions are open. A commit that is waited for puts it on the disk.
  asking_ = Asking::kFlush;
  answered_by_ = SteadyClock::now() + kAnswerTime;
  return statement_.send("SELECT pg_logical_emit_message(true, 'grantfs', '')");
}

Result<void> Session::tell() {
  std::optional<Question> reached;
  while (!open_.empty() && open_.front().end <= received_) {
    reached = open_.front();
    open_.pop_front();
  }
  if (!reached) return {};
  if (auto untouched = applier_.check_untouched(); !untouched) return untouched;
  const auto behind = static_cast<std::int64_t>(end_ - std::min(end_, received_));
  daemons_.tell({.as_of = reached->asked,
                 .behind_bytes = behind,
                 .follow_at_most = registered_,
                 .upstream = stream_.name()});
  if (!std::exchange(was_current_, true)) {
    spdlog::info("the copy is current, at {}", postgres::lsn_text(received_));
    ::sd_notify(0, "READY=1");
  }
  ::sd_notify(0, fmt::format("STATUS=The copy is current, {} bytes behind.", behind).c_str());
  return {};
}

Result<void> Session::report(bool wants_reply) {
  const Lsn recalled = daemons_.recalled();
  postgres::ReplicationStream::Progress progress;
  progress.written = received_;
  progress.flushed = applier_.position();
  // Where a page begins the server counts from behind its header.
  progress.applied =
      recalled >= to_recall_ ? postgres::after_page_header(received_, upstream_.log) : recalled;
  progress.applied = std::max(progress.applied, reported_.applied);
  if (progress == reported_ && !wants_reply) return {};
  reported_ = progress;
  return stream_.report(progress, wants_reply);
}

Result<void> Session::note_position() {
  const auto now = SteadyClock::now();
  if (now < next_note_ || applier_.is_in_transaction()) return {};
  next_note_ = now + kNoteEvery;
  return applier_.advance(received_);
}

}  // namespace grantfs::follow
