#include "grantfs/policy.h"

#include <array>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/sync.h"
#include "db/connection_pool.h"
#include "policy/decisions/file_history.h"
#include "policy/decisions/reader.h"
#include "policy/feed/feed.h"
#include "policy/schema/schema.h"

namespace grantfs {

/// The connections there are: Readers, which decide, and at most one Feed.
class Policy::Connections {
 public:
  explicit Connections(PolicyOptions options)
      : options_(std::move(options)),
        watch_(options_.database),
        pool_(FileHistory(options_.database, source_path(options_))) {
    if (options_.source) source_watch_.emplace(options_.source->database, DirectoryMay::kBeRead);
  }

  /// Runs `ask(reader)` on a reader of the file that is at the path now.
  template <class Ask>
  auto with_reader(Ask ask) {
    return with<Reader>(ask);
  }

  /// with_reader() for what gives access, or tells of it: an error if the database is not current.
  template <class Ask>
  auto with_decider(Ask ask) -> decltype(ask(std::declval<Reader&>())) {
    if (options_.check_current) {
      if (auto current = options_.check_current(); !current) return current.error();
    }
    return with<Reader>(ask);
  }

  /// with_reader() for the feed. One call at a time: a second feed would know no position.
  template <class Ask>
  auto with_feed(Ask ask) {
    const std::lock_guard turn(feed_turn_);
    return with<Feed>(ask);
  }

 private:
  using Look = FileHistory::Look;

  static std::optional<std::filesystem::path> source_path(const PolicyOptions& options) {
    if (!options.source) return std::nullopt;
    return options.source->database;
  }

  template <class Kind, class Ask>
  auto with(Ask ask) -> decltype(ask(std::declval<Kind&>())) {
    auto found = look();
    if (!found) {
      pool_.close_idle();
      return found.error();
    }
    return pool_.template with<Kind>(
        *found, [&] { return open<Kind>(*found); }, ask);
  }

  /// The files that are at the paths now.
  Result<Look> look() {
    auto files = watch_.look();
    if (!files) return files.error();
    Look found{*files, {}};
    if (source_watch_) {
      auto source = source_watch_->look();
      if (!source) return source.error();
      found.source = *source;
    }
    return found;
  }

  template <class Kind>
  Result<std::unique_ptr<Kind>> open(const Look& found) {
    auto connection = Kind::open(options_, found.database.database);
    if (!connection) return connection.error();
    if (found.source) {
      auto source = open_source(*found.source);
      if (!source) return source.error();
      (*connection)->use_source(std::move(*source));
    }
    note_journals(found);
    return connection;
  }

  Result<std::unique_ptr<Source>> open_source(const DatabaseFiles& files) {
    auto source = Source::open(*options_.source, options_.busy_timeout, files.database);
    if (!source) return source.error();
    auto shape = source_shape_.lock();
    if (!*shape) *shape = (*source)->shape();
    if (*shape != (*source)->shape()) {
      return damaged(options_.source->database, "a query has other columns than at the start");
    }
    return source;
  }

  /// Opening may have made a journal: a replacement before the next look must find it known.
  void note_journals(const Look& opened) {
    if (auto now = identify_database(options_.database)) {
      pool_.with_trust([&](FileHistory& history) { history.note_database(opened, *now); });
    }
    if (!opened.source) return;
    if (auto now = identify_database(options_.source->database, DirectoryMay::kBeRead)) {
      pool_.with_trust([&](FileHistory& history) { history.note_source(opened, *now); });
    }
  }

  const PolicyOptions options_;
  DatabaseWatch watch_;
  std::optional<DatabaseWatch> source_watch_;
  /// Guards no data: the feed itself is in the pool, which lets several be out at once.
  std::mutex feed_turn_;
  db::ConnectionPool<FileHistory, Reader, Feed> pool_;
  /// Of the source when it was first opened.
  Sync<std::optional<std::array<int, 3>>> source_shape_;
};

Policy::Policy(std::unique_ptr<Connections> connections) : connections_(std::move(connections)) {}
Policy::~Policy() = default;

Result<std::unique_ptr<Policy>> Policy::open(PolicyOptions options) {
  if (auto may = check_may_be_opened(options.database); !may) return may.error();
  std::unique_ptr<Policy> policy(new Policy(std::make_unique<Connections>(std::move(options))));
  auto answer = policy->connections_->with_reader(
      [](Reader& reader) { return reader.decide(Anyone{}, StorePath()); });
  if (!answer) return answer.error();
  return policy;
}

Result<Decision> Policy::decide(const Identity& identity, const StorePath& path) {
  return connections_->with_decider([&](Reader& reader) { return reader.decide(identity, path); });
}

Result<ViewRoot> Policy::view_root(const Identity& identity) {
  return connections_->with_decider([&](Reader& reader) { return reader.view_root(identity); });
}

Result<bool> Policy::has_expired(const TokenHash& token) {
  return connections_->with_decider([&](Reader& reader) { return reader.has_expired(token); });
}

Result<bool> Policy::has_expired(const Signature& signature) {
  return connections_->with_decider([&](Reader& reader) { return reader.has_expired(signature); });
}

Result<Decision> Policy::expired(const Md5Bearer& bearer, const StorePath& uri) {
  return connections_->with_decider([&](Reader& reader) { return reader.expired(bearer, uri); });
}

Result<bool> Policy::knows_link(const TokenHash& link) {
  return connections_->with_decider([&](Reader& reader) { return reader.knows_link(link); });
}

Result<std::vector<Principal>> Policy::count_as(const Principal& principal, std::size_t most) {
  return connections_->with_reader(
      [&](Reader& reader) { return reader.count_as(principal, most); });
}

Result<Listing> Policy::list(const Identity& identity, const StorePath& folder) {
  return connections_->with_decider([&](Reader& reader) { return reader.list(identity, folder); });
}

Result<Explanation> Policy::explain(const Identity& identity, const StorePath& path) {
  return connections_->with_decider([&](Reader& reader) { return reader.explain(identity, path); });
}

Result<Losses> Policy::losses() {
  return connections_->with_feed([](Feed& feed) { return feed.losses(); });
}

Result<std::array<unsigned char, 16>> Policy::inode_key() {
  return connections_->with_reader([](Reader& reader) { return reader.inode_key(); });
}

Result<std::string> Policy::copy_of() {
  return connections_->with_reader([](Reader& reader) { return reader.copy_of(); });
}

Result<std::vector<std::string>> Policy::source_advice() {
  return connections_->with_reader([](Reader& reader) { return reader.source_advice(); });
}

Result<std::vector<std::string>> Policy::query_plans() {
  return connections_->with_reader([](Reader& reader) { return reader.query_plans(); });
}

}  // namespace grantfs
