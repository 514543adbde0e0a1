#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "base/sync.h"
#include "grantfs/result.h"

namespace grantfs::db {

/// Connections of some kinds, kept between calls. A call takes an idle one, or opens one, and puts
/// it back unless it failed: a connection that met an error is closed and never used again.
///
/// `Trust` knows whether connections may be believed. The pool reaches it under its lock alone:
///
///     using Look = ...;                    // what a caller has just seen of the files
///     bool is_replaced(const Look&) const; // idle connections are of other files than these
///     Result<void> follow(const Look&);    // these count from now on; an error: take none
///     bool is_torn() const;                // no connection there is may be believed
///     void mend();                         // … and now there is none
///     Error torn() const;                  // the answer to whoever asks meanwhile
///     bool is_current(const Kind&) const;  // the connection is of the files that count
///
/// SQLite shares mappings among all connections of a process to a file. So once torn, none is
/// opened until all are gone.
///
/// Thread-safe. No connection is opened under the lock, and none is asked under it.
template <class Trust, class... Kinds>
class ConnectionPool {
 public:
  using Look = typename Trust::Look;

  explicit ConnectionPool(Trust trust) : state_(State(std::move(trust))) {}

  /// ask(connection), which returns a Result, on a connection of the files that `look` is of.
  /// `open()` opens one: Result<std::unique_ptr<Kind>>. An error in the place of the answer if it
  /// must not be believed.
  template <class Kind, class Open, class Ask>
  auto with(const Look& look, Open open, Ask ask) -> decltype(ask(std::declval<Kind&>())) {
    auto turn = take<Kind>(look, open);
    if (!turn) return turn.error();
    auto answer = ask(turn->connection());
    if (auto kept = turn->end(answer.ok()); !kept) return kept.error();
    return answer;
  }

  /// act(trust), under the lock.
  template <class Act>
  auto with_trust(Act act) {
    auto state = state_.lock();
    return act(state->trust);
  }

  void close_idle() {
    Idle closing;  // outside the lock
    closing.swap(state_.lock()->idle);
  }

 private:
  template <class Kind>
  using Pointers = std::vector<std::unique_ptr<Kind>>;
  using Idle = std::tuple<Pointers<Kinds>...>;

  struct State {
    explicit State(Trust known) : trust(std::move(known)) {}
    Trust trust;
    Idle idle;
    std::size_t in_use = 0;
  };

  /// A connection in use. However it ends, by an exception too, it is counted out again.
  template <class Kind>
  class Turn {
   public:
    explicit Turn(ConnectionPool& pool) : pool_(&pool) {}
    Turn(Turn&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)), connection_(std::move(other.connection_)) {}
    Turn& operator=(Turn&&) = delete;
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
      if (pool_ != nullptr) (void)pool_->put_back(std::move(connection_), /*usable=*/false).ok();
    }

    void use(std::unique_ptr<Kind> connection) { connection_ = std::move(connection); }
    Kind& connection() { return *connection_; }
    /// An error if what the connection answered must not be believed.
    Result<void> end(bool usable) {
      return std::exchange(pool_, nullptr)->put_back(std::move(connection_), usable);
    }

   private:
    ConnectionPool* pool_;  ///< null: ended
    std::unique_ptr<Kind> connection_;
  };

  template <class Kind, class Open>
  Result<Turn<Kind>> take(const Look& look, Open& open) {
    Idle closing;
    std::optional<Turn<Kind>> turn;  // declared out here: it ends with the lock free
    {
      auto state = state_.lock();
      // Those of every kind: what other files in between allowed, they would never know.
      if (state->trust.is_replaced(look)) closing.swap(state->idle);
      if (auto followed = state->trust.follow(look); !followed) return followed.error();
      if (state->trust.is_torn()) {
        state->idle = Idle();
        if (state->in_use > 0) return state->trust.torn();
        state->trust.mend();
      }
      ++state->in_use;
      turn.emplace(*this);
      auto& idle = std::get<Pointers<Kind>>(state->idle);
      if (!idle.empty()) {
        turn->use(std::move(idle.back()));
        idle.pop_back();
        return std::move(*turn);
      }
    }
    auto connection = open();
    if (!connection) return connection.error();
    turn->use(std::move(*connection));
    return std::move(*turn);
  }

  /// An error if what the connection answered must not be believed. It may be null: none was
  /// opened.
  template <class Kind>
  Result<void> put_back(std::unique_ptr<Kind> connection, bool usable) {
    auto state = state_.lock();
    --state->in_use;  // first: what follows may be short of memory
    const bool torn = state->trust.is_torn();
    if (usable && !torn && connection != nullptr && state->trust.is_current(*connection)) {
      std::get<Pointers<Kind>>(state->idle).push_back(std::move(connection));
    }
    connection.reset();  // under the lock: when in_use is seen to be zero, it is closed
    if (torn) return state->trust.torn();
    return {};
  }

  Sync<State, BriefMutex> state_;
};

}  // namespace grantfs::db
