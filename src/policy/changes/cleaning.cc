#include "policy/changes/cleaning.h"

#include <initializer_list>

#include "values/expiry.h"

namespace grantfs {
namespace {

/// A DELETE, and where its rows are counted.
struct Step {
  std::int64_t RowCounts::*count;
  const char* sql;
};

/// Every step with the same argument; to be called within a transaction.
template <class Argument>
Result<RowCounts> change_each(ChangeConnection& connection, std::initializer_list<Step> steps,
                              const Argument& argument) {
  RowCounts counts;
  for (const Step& step : steps) {
    auto done = connection.count_change(counts.*step.count, step.sql, argument);
    if (!done) return done.error();
  }
  return counts;
}

}  // namespace

Result<RowCounts> Cleaning::prune() {
  return connection_.write([&] {
    return change_each(connection_,
                       {{&RowCounts::grants, "DELETE FROM grants WHERE expires <= ?1"},
                        {&RowCounts::members, "DELETE FROM members WHERE expires <= ?1"},
                        {&RowCounts::sessions, "DELETE FROM sessions WHERE expires <= ?1"},
                        {&RowCounts::links, "DELETE FROM links WHERE expires <= ?1"}},
                       unix_seconds(connection_.now()));
  });
}

Result<RowCounts> Cleaning::forget(const Principal& principal) {
  // Two statements for the two sides of a membership: each is a seek in an index of its own.
  return connection_.write([&] {
    return change_each(connection_,
                       {{&RowCounts::owners, "DELETE FROM owners WHERE principal = ?1"},
                        {&RowCounts::grants, "DELETE FROM grants WHERE principal = ?1"},
                        {&RowCounts::sessions, "DELETE FROM sessions WHERE principal = ?1"},
                        {&RowCounts::links, "DELETE FROM links WHERE principal = ?1"},
                        {&RowCounts::members, "DELETE FROM members WHERE member = ?1"},
                        {&RowCounts::members, "DELETE FROM members WHERE parent = ?1"}},
                       principal.text());
  });
}

}  // namespace grantfs
