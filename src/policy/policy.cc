#include "grantfs/policy.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "base/sync.h"
#include "db/shm_guard.h"
#include "policy/reader.h"
#include "policy/schema.h"

namespace grantfs {

/// The readers there are. A call takes an idle one, or opens one, and puts it back unless it
/// failed: a reader that met an error, or whose file is no longer the one at the path, is closed
/// and never used again.
class Policy::Readers {
 public:
  explicit Readers(PolicyOptions options) : options_(std::move(options)) {}

  /// Runs `ask(reader)` on a reader of the file that is at the path now.
  template <class Ask>
  auto with_reader(Ask ask) -> decltype(ask(std::declval<Reader&>())) {
    auto files = identify_database(options_.database);
    if (!files) {
      close_idle();
      return files.error();
    }
    auto reader = take(*files);
    if (!reader) return reader.error();
    auto answer = ask(**reader);
    if (auto kept = put_back(std::move(*reader), answer.ok()); !kept) return kept.error();
    return answer;
  }

 private:
  using ReaderPointer = std::unique_ptr<Reader>;

  struct State {
    std::vector<ReaderPointer> idle;
    std::size_t in_use = 0;
    std::uint64_t faults_survived = db::shm_faults();
    std::optional<DatabaseFiles> last;  ///< as of the last call that took a reader
  };

  Error truncated() const {
    return {ErrorKind::kDatabase,
            fmt::format("{}-shm was truncated under us", options_.database.string())};
  }

  void close_idle() {
    std::vector<ReaderPointer> closing;  // outside the lock
    closing.swap(state_.lock()->idle);
  }

  /// While any reader lives that saw its -shm file torn away, its damaged mapping would be shared
  /// with every new one (SQLite keeps one a file and process): none is opened until all are gone.
  Result<ReaderPointer> take(const DatabaseFiles& files) {
    std::vector<ReaderPointer> closing;
    {
      auto state = state_.lock();
      // SQLite would replay the journal of the old database into the new one, and with it the
      // grants that the old one had.
      const bool replaced = state->last && state->last->database != files.database;
      if (replaced && files.wal && files.wal == state->last->wal) {
        closing.swap(state->idle);
        return Error{ErrorKind::kDatabase,
                     fmt::format("{0} was replaced, but {0}-wal is still the old one's; "
                                 "remove {0}-wal and {0}-shm",
                                 options_.database.string())};
      }
      state->last = files;
      if (state->faults_survived != db::shm_faults()) {
        state->idle.clear();
        if (state->in_use > 0) return truncated();
        state->faults_survived = db::shm_faults();
      }
      ++state->in_use;
      while (!state->idle.empty()) {
        ReaderPointer reader = std::move(state->idle.back());
        state->idle.pop_back();
        if (reader->file() == files.database) return reader;
        closing.push_back(std::move(reader));
      }
    }
    closing.clear();
    auto reader = Reader::open(options_, files.database);
    if (!reader) --state_.lock()->in_use;
    return reader;
  }

  /// An error if what the reader answered must not be believed.
  Result<void> put_back(ReaderPointer reader, bool usable) {
    auto state = state_.lock();
    const bool torn = state->faults_survived != db::shm_faults();
    if (usable && !torn) {
      state->idle.push_back(std::move(reader));
    } else {
      reader.reset();  // under the lock: when in_use falls to zero, it is closed
    }
    --state->in_use;
    if (torn) return truncated();
    return {};
  }

  PolicyOptions options_;
  Sync<State> state_;
};

Policy::Policy(std::unique_ptr<Readers> readers) : readers_(std::move(readers)) {}
Policy::~Policy() = default;

Result<std::unique_ptr<Policy>> Policy::open(PolicyOptions options) {
  if (auto secure = check_database_is_private(options.database); !secure) return secure.error();
  std::unique_ptr<Policy> policy(new Policy(std::make_unique<Readers>(std::move(options))));
  auto answer = policy->decide(Anyone{}, StorePath());
  if (!answer) return answer.error();
  return policy;
}

Result<Access> Policy::decide(const Identity& identity, const StorePath& path) {
  return readers_->with_reader([&](Reader& reader) { return reader.decide(identity, path); });
}

Result<Listing> Policy::list(const Identity& identity, const StorePath& folder) {
  return readers_->with_reader([&](Reader& reader) { return reader.list(identity, folder); });
}

Result<Explanation> Policy::explain(const Identity& identity, const StorePath& path) {
  return readers_->with_reader([&](Reader& reader) { return reader.explain(identity, path); });
}

Result<std::array<unsigned char, 16>> Policy::inode_key() {
  return readers_->with_reader([](Reader& reader) { return reader.inode_key(); });
}

Result<std::vector<std::string>> Policy::query_plans() {
  return readers_->with_reader([](Reader& reader) { return reader.query_plans(); });
}

}  // namespace grantfs
