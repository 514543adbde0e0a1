#include "grantfs/admin.h"

#include "policy/changes/admin_impl.h"
#include "policy/feed/journal.h"
#include "policy/schema/database_file.h"
#include "policy/schema/schema.h"

namespace grantfs {

Admin::Admin(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Admin::~Admin() = default;

Result<std::unique_ptr<Admin>> Admin::open(const std::filesystem::path& database, Clock clock) {
  if (auto secure = check_database_is_private(database); !secure) return secure.error();
  if (auto one = check_has_one_name(database); !one) return one.error();
  if (auto fits = check_journal_fits(database); !fits) return fits.error();
  auto connection = db::Connection::open(database, db::Mode::kWrite);
  if (!connection) return connection.error();
  connection->set_busy_timeout(kAdminBusyTimeoutMilliseconds);
  if (auto fit = check_schema(*connection, database); !fit) return fit.error();
  if (auto fit = check_tables(*connection, database); !fit) return fit.error();
  return std::unique_ptr<Admin>(
      new Admin(std::make_unique<Impl>(database, std::move(*connection), std::move(clock))));
}

Result<RowCounts> Admin::prune() {
  return impl_->write([&]() -> Result<RowCounts> {
    RowCounts counts;
    const std::int64_t now = to_column(impl_->now());
    if (auto done =
            impl_->count_change(counts.grants, "DELETE FROM grants WHERE expires <= ?1", now);
        !done) {
      return done.error();
    }
    if (auto done =
            impl_->count_change(counts.members, "DELETE FROM members WHERE expires <= ?1", now);
        !done) {
      return done.error();
    }
    if (auto done =
            impl_->count_change(counts.sessions, "DELETE FROM sessions WHERE expires <= ?1", now);
        !done) {
      return done.error();
    }
    if (auto done = impl_->count_change(counts.links, "DELETE FROM links WHERE expires <= ?1", now);
        !done) {
      return done.error();
    }
    return counts;
  });
}

Result<RowCounts> Admin::forget(const Principal& principal) {
  return impl_->write([&]() -> Result<RowCounts> {
    RowCounts counts;
    struct Step {
      std::int64_t& count;
      const char* sql;
    };
    // Two statements for the two sides of a membership: each is a seek in an index of its own.
    for (const Step& step : {Step{counts.owners, "DELETE FROM owners WHERE principal = ?1"},
                             Step{counts.grants, "DELETE FROM grants WHERE principal = ?1"},
                             Step{counts.sessions, "DELETE FROM sessions WHERE principal = ?1"},
                             Step{counts.links, "DELETE FROM links WHERE principal = ?1"},
                             Step{counts.members, "DELETE FROM members WHERE member = ?1"},
                             Step{counts.members, "DELETE FROM members WHERE parent = ?1"}}) {
      auto done = impl_->count_change(step.count, step.sql, principal.text());
      if (!done) return done.error();
    }
    return counts;
  });
}

Result<Principal> principal_column(const db::Rows& rows, int column) {
  auto principal = Principal::parse(rows.text(column));
  if (!principal) return Error{ErrorKind::kDatabase, principal.error().message};
  return principal;
}

Result<StorePath> path_column(const db::Rows& rows, int column) {
  auto path = StorePath::parse(rows.text(column));
  if (!path) return Error{ErrorKind::kDatabase, path.error().message};
  return path;
}

Expiry expiry_column(const db::Rows& rows, int column) {
  const auto seconds = rows.maybe_integer(column);
  if (!seconds) return std::nullopt;
  return Timestamp{std::chrono::seconds{*seconds}};
}

std::optional<std::int64_t> to_column(const Expiry& expires) {
  if (!expires) return std::nullopt;
  return to_column(*expires);
}

std::int64_t to_column(Timestamp time) {
  return time.time_since_epoch().count();
}

}  // namespace grantfs
