#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "follow/applier.h"
#include "follow/daemons.h"
#include "follow/options.h"
#include "follow/upstream.h"
#include "grantfs/result.h"
#include "postgres/replication_stream.h"
#include "postgres/statement_under_way.h"

namespace grantfs::follow {

/// What the copy and the upstream say of each other while both are connected.
///
/// The stream brings transactions, which are applied. Once a second another connection is asked how
/// far the upstream's log reaches. When everything up to there has been applied, the copy is
/// current as of the moment before the question. The stream's own keepalives do not tell that: they
/// say how far the server has read its log, which may be less than what others have committed.
class Session {
 public:
  /// `stop` is an eventfd; the session ends when it is readable. All must outlive the session.
  Session(const Options& options, Applier& applier, Daemons& daemons, UpstreamState upstream,
          postgres::ReplicationStream stream, postgres::Connection ordinary,
          std::int64_t registered, int stop);

  /// Runs until the stop, or an error: kConflict if the copy must be made anew.
  Result<void> run();
  /// Whether the copy was current at any time.
  bool was_current() const { return was_current_; }

 private:
  using Lsn = postgres::Lsn;
  using SteadyClock = std::chrono::steady_clock;

  /// A question of how far the log reaches, and its answer.
  struct Question {
    std::chrono::nanoseconds asked{};  ///< CLOCK_BOOTTIME, before it was sent
    Lsn end = 0;
  };
  enum class Asking { kNothing, kEnd, kFlush, kRegistration };

  Result<bool> wait();
  Result<void> take_stream();
  Result<void> take(const postgres::ReplicationStream::Event& event);
  Result<void> take_message(std::string_view bytes);
  Result<void> ask();
  Result<void> take_answer();
  Result<void> take_end(const postgres::Answer& answer);
  /// Tells the daemons that the copy is current, if it is as of a later moment than before.
  Result<void> tell();
  Result<void> report(bool wants_reply);
  Result<void> note_position();
  std::chrono::milliseconds interval() const;

  const Options& options_;
  Applier& applier_;
  Daemons& daemons_;
  const UpstreamState upstream_;
  postgres::ReplicationStream stream_;
  postgres::StatementUnderWay statement_;
  std::int64_t registered_;  ///< seconds
  std::int64_t registering_ = 0;
  const int stop_;

  Asking asking_ = Asking::kNothing;
  Question question_;
  std::deque<Question> open_;  ///< answered, and not everything up to there has been applied
  SteadyClock::time_point next_question_ = SteadyClock::now();
  SteadyClock::time_point answered_by_;
  SteadyClock::time_point next_note_;
  Lsn received_ = 0;  ///< everything up to here has been applied
  Lsn end_ = 0;       ///< of the upstream's log, as last known
  Lsn to_recall_ = 0;
  postgres::ReplicationStream::Progress reported_;
  bool was_current_ = false;
};

}  // namespace grantfs::follow
