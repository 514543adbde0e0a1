#include "grantfs/policy.h"

#include <fmt/format.h>

#include <array>
#include <mutex>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "base/sync.h"
#include "db/shm_guard.h"
#include "policy/decisions/reader.h"
#include "policy/feed/feed.h"
#include "policy/feed/journal.h"
#include "policy/schema/schema.h"

namespace grantfs {

/// The connections there are: Readers, which decide, and at most one Feed. A call takes an idle
/// one, or opens one, and puts it back unless it failed: a connection that met an error, or whose
/// file is no longer the one at the path, is closed and never used again.
class Policy::Readers {
 public:
  explicit Readers(PolicyOptions options)
      : options_(std::move(options)), watch_(options_.database) {
    if (options_.source) source_watch_.emplace(options_.source->database, DirectoryMay::kBeRead);
  }

  /// Runs `ask(reader)` on a reader of the file that is at the path now.
  template <class Ask>
  auto with_reader(Ask ask) {
    return with<Reader>(ask);
  }

  /// with_reader() for the feed. One call at a time: a second feed would know no position.
  template <class Ask>
  auto with_feed(Ask ask) {
    const std::lock_guard turn(feed_turn_);
    return with<Feed>(ask);
  }

 private:
  template <class Kind>
  using Pointers = std::vector<std::unique_ptr<Kind>>;
  using Idle = std::tuple<Pointers<Reader>, Pointers<Feed>>;

  struct State {
    Idle idle;
    std::size_t in_use = 0;
    std::uint64_t faults_survived = db::shm_faults();
    std::optional<DatabaseFiles> last;               ///< as of the last call that took a connection
    std::optional<DatabaseFiles> last_source;        ///< the same of the source's database
    std::optional<std::array<int, 3>> source_shape;  ///< of the source when it was first opened
    bool cut_off =
        false;  ///< connections in use may have journals that are no longer the database's
  };

  /// Whether a journal that connections may have open is no longer at its path.
  static bool cuts_off(const DatabaseFiles& before, const DatabaseFiles& now) {
    return (before.wal && before.wal != now.wal) || (before.shm && before.shm != now.shm);
  }

  /// Whether SQLite would replay the journal of the old database into the new one, and with it the
  /// grants that the old one had. It may have been empty when we last saw it: what counts is
  /// whether it is now.
  static bool keeps_old_journal(const DatabaseFiles& before, const DatabaseFiles& now) {
    return before.database != now.database && now.wal && !now.wal_empty && now.wal == before.wal;
  }
  static Error old_journal(const std::filesystem::path& database) {
    return {ErrorKind::kDatabase,
            fmt::format("{0} was replaced, but {0}-wal is still the old one's; remove {0}-wal and "
                        "{0}-shm",
                        database.string())};
  }

  template <class Kind, class Ask>
  auto with(Ask ask) -> decltype(ask(std::declval<Kind&>())) {
    auto files = watch_.look();
    if (!files) {
      close_idle();
      return files.error();
    }
    std::optional<DatabaseFiles> source;
    if (source_watch_) {
      auto looked = source_watch_->look();
      if (!looked) {
        close_idle();
        return looked.error();
      }
      source = *looked;
    }
    auto turn = take<Kind>(*files, source);
    if (!turn) return turn.error();
    auto answer = ask(turn->connection());
    if (auto kept = turn->end(answer.ok()); !kept) return kept.error();
    return answer;
  }

  /// A connection in use. However it ends, by an exception too, it is counted out again.
  template <class Kind>
  class Turn {
   public:
    explicit Turn(Readers& readers) : readers_(&readers) {}
    Turn(Turn&& other) noexcept
        : readers_(std::exchange(other.readers_, nullptr)),
          connection_(std::move(other.connection_)) {}
    Turn& operator=(Turn&&) = delete;
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
      if (readers_ != nullptr) readers_->put_back(std::move(connection_), /*usable=*/false);
    }

    void use(std::unique_ptr<Kind> connection) { connection_ = std::move(connection); }
    Kind& connection() { return *connection_; }
    /// An error if what the connection answered must not be believed.
    Result<void> end(bool usable) {
      Readers& readers = *std::exchange(readers_, nullptr);
      if (!readers.put_back(std::move(connection_), usable)) return readers.truncated();
      return {};
    }

   private:
    Readers* readers_;  ///< null: ended
    std::unique_ptr<Kind> connection_;
  };

  Error truncated() const {
    return {ErrorKind::kDatabase,
            fmt::format("{}-shm was truncated, or a journal taken away, under us",
                        options_.database.string())};
  }

  void close_idle() {
    Idle closing;  // outside the lock
    closing.swap(state_.lock()->idle);
  }

  /// While any connection lives that saw its -shm file torn away, its damaged mapping would be
  /// shared with every new one (SQLite keeps one a file and process): none is opened until all
  /// are gone. So too when a journal is another file than the one they opened: they would never
  /// hear of what others commit through the new one.
  template <class Kind>
  Result<Turn<Kind>> take(const DatabaseFiles& files, const std::optional<DatabaseFiles>& source) {
    Idle closing;
    std::optional<Turn<Kind>> turn;  // declared out here: it ends with the lock free
    {
      auto state = state_.lock();
      // All of them, the feed too: what another file in between allowed, it would never know.
      const bool replaced = state->last && state->last->database != files.database;
      if (replaced) closing.swap(state->idle);
      if (state->last && keeps_old_journal(*state->last, files)) {
        return old_journal(options_.database);
      }
      if (state->last_source && source && keeps_old_journal(*state->last_source, *source)) {
        return old_journal(options_.source->database);
      }
      state->cut_off |= state->last && !replaced && cuts_off(*state->last, files);
      state->cut_off |= state->last_source && source &&
                        (state->last_source->database != source->database ||
                         cuts_off(*state->last_source, *source));
      state->last = files;
      state->last_source = source;
      if (state->cut_off || state->faults_survived != db::shm_faults()) {
        state->idle = Idle();
        if (state->in_use > 0) return truncated();
        state->faults_survived = db::shm_faults();
        state->cut_off = false;
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
    auto connection = Kind::open(options_, files.database);
    if (connection && source) {
      auto opened = Source::open(*options_.source, options_.busy_timeout, source->database);
      if (!opened) return opened.error();
      auto state = state_.lock();
      if (!state->source_shape) state->source_shape = (*opened)->shape();
      if (state->source_shape != (*opened)->shape()) {
        return damaged(options_.source->database, "a query has other columns than at the start");
      }
      (*connection)->use_source(std::move(*opened));
    }
    if (!connection) return connection.error();
    turn->use(std::move(*connection));
    // Opening may have made the journal: a replacement before the next look must find it known.
    if (auto now = identify_database(options_.database); now && now->database == files.database) {
      auto state = state_.lock();
      if (state->last->database == files.database) state->last = *now;
    }
    if (source) {
      auto now = identify_database(options_.source->database, DirectoryMay::kBeRead);
      auto state = state_.lock();
      if (now && now->database == source->database &&
          state->last_source->database == source->database) {
        state->last_source = *now;
      }
    }
    return std::move(*turn);
  }

  /// False if what the connection answered must not be believed. It may be null: none was opened.
  template <class Kind>
  bool put_back(std::unique_ptr<Kind> connection, bool usable) {
    auto state = state_.lock();
    const bool torn = state->cut_off || state->faults_survived != db::shm_faults();
    --state->in_use;  // first: what follows may be short of memory
    const bool current =
        connection != nullptr && state->last && state->last->database == connection->file();
    if (usable && current && !torn) {
      std::get<Pointers<Kind>>(state->idle).push_back(std::move(connection));
    }
    connection.reset();  // under the lock: when in_use is seen to be zero, it is closed
    return !torn;
  }

  const PolicyOptions options_;
  DatabaseWatch watch_;
  std::optional<DatabaseWatch> source_watch_;
  std::mutex feed_turn_;
  Sync<State> state_;
};

Policy::Policy(std::unique_ptr<Readers> readers) : readers_(std::move(readers)) {}
Policy::~Policy() = default;

Result<std::unique_ptr<Policy>> Policy::open(PolicyOptions options) {
  if (auto secure = check_database_is_private(options.database); !secure) return secure.error();
  if (auto one = check_has_one_name(options.database); !one) return one.error();
  if (auto fits = check_journal_fits(options.database); !fits) return fits.error();
  std::unique_ptr<Policy> policy(new Policy(std::make_unique<Readers>(std::move(options))));
  auto answer = policy->decide(Anyone{}, StorePath());
  if (!answer) return answer.error();
  return policy;
}

Result<Decision> Policy::decide(const Identity& identity, const StorePath& path) {
  return readers_->with_reader([&](Reader& reader) { return reader.decide(identity, path); });
}

Result<Door> Policy::door(const Identity& identity) {
  return readers_->with_reader([&](Reader& reader) { return reader.door(identity); });
}

Result<bool> Policy::has_expired(const TokenHash& token) {
  return readers_->with_reader([&](Reader& reader) { return reader.has_expired(token); });
}

Result<bool> Policy::has_expired(const Signature& signature) {
  return readers_->with_reader([&](Reader& reader) { return reader.has_expired(signature); });
}

Result<Decision> Policy::expired(const Md5Bearer& bearer, const StorePath& uri) {
  return readers_->with_reader([&](Reader& reader) { return reader.expired(bearer, uri); });
}

Result<bool> Policy::knows_link(const TokenHash& link) {
  return readers_->with_reader([&](Reader& reader) { return reader.knows_link(link); });
}

Result<std::vector<Principal>> Policy::principals(const Identity& identity) {
  return readers_->with_reader([&](Reader& reader) { return reader.principals(identity); });
}

Result<Listing> Policy::list(const Identity& identity, const StorePath& folder) {
  return readers_->with_reader([&](Reader& reader) { return reader.list(identity, folder); });
}

Result<Explanation> Policy::explain(const Identity& identity, const StorePath& path) {
  return readers_->with_reader([&](Reader& reader) { return reader.explain(identity, path); });
}

Result<Losses> Policy::losses() {
  return readers_->with_feed([](Feed& feed) { return feed.losses(); });
}

Result<std::array<unsigned char, 16>> Policy::inode_key() {
  return readers_->with_reader([](Reader& reader) { return reader.inode_key(); });
}

Result<std::vector<std::string>> Policy::source_advice() {
  return readers_->with_reader([](Reader& reader) { return reader.source_advice(); });
}

Result<std::vector<std::string>> Policy::query_plans() {
  return readers_->with_reader([](Reader& reader) { return reader.query_plans(); });
}

}  // namespace grantfs
