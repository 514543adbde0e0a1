#include "policy/changes/cleaning.h"

#include <initializer_list>

#include "values/expiry.h"

namespace grantfs {
namespace {

/// A DELETE, and the counter for its rows.
struct Deletion {
  std::int64_t RowCounts::*count;
  const char* sql;
};

/// Runs every deletion with the same argument. The caller must be in a transaction.
template <class Argument>
Result<RowCounts> change_each(ChangeConnection& connection,
                              std::initializer_list<Deletion> deletions, const Argument& argument) {
  RowCounts counts;
  for (const Deletion& deletion : deletions) {
    auto done = connection.count_change(counts.*deletion.count, deletion.sql, argument);
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
  // Each side of a membership has a statement of its own: so each statement is a seek in one index.
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
