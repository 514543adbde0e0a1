#include "policy/changes/cleaning.h"

#include "values/expiry.h"

namespace grantfs {

Result<RowCounts> Cleaning::prune() {
  return connection_.write([&]() -> Result<RowCounts> {
    RowCounts counts;
    const std::int64_t now = unix_seconds(connection_.now());
    if (auto done =
            connection_.count_change(counts.grants, "DELETE FROM grants WHERE expires <= ?1", now);
        !done) {
      return done.error();
    }
    if (auto done = connection_.count_change(counts.members,
                                             "DELETE FROM members WHERE expires <= ?1", now);
        !done) {
      return done.error();
    }
    if (auto done = connection_.count_change(counts.sessions,
                                             "DELETE FROM sessions WHERE expires <= ?1", now);
        !done) {
      return done.error();
    }
    if (auto done =
            connection_.count_change(counts.links, "DELETE FROM links WHERE expires <= ?1", now);
        !done) {
      return done.error();
    }
    return counts;
  });
}

Result<RowCounts> Cleaning::forget(const Principal& principal) {
  return connection_.write([&]() -> Result<RowCounts> {
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
      auto done = connection_.count_change(step.count, step.sql, principal.text());
      if (!done) return done.error();
    }
    return counts;
  });
}

}  // namespace grantfs
