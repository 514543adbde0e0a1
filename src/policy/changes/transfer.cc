#include "policy/changes/transfer.h"

#include <array>

#include "base/quote.h"

namespace grantfs {
namespace {

/// A statement with `?1` for the principal that loses its rows and `?2` for the one that gets them,
/// and the counter of rows that it takes from the first.
struct Step {
  std::int64_t RowCounts::*count;  ///< none: it changes rows of the second
  const char* sql;
};

// Where both have a grant on a path, or belong to the same group, one row has to do for both: it
// ends with the later of the two, never with NULL.
#define LATER_END(table)                                               \
  "(SELECT CASE WHEN old.expires IS NULL OR " table                    \
  ".expires IS NULL THEN NULL"                                         \
  " WHEN old.expires > " table ".expires THEN old.expires ELSE " table \
  ".expires END"                                                       \
  " FROM " table " AS old"
#define STRONGER_RIGHTS                                                       \
  "(SELECT CASE WHEN 'own' IN (old.rights, grants.rights) THEN 'own'"         \
  " WHEN 'write' IN (old.rights, grants.rights) THEN 'write' ELSE 'read' END" \
  " FROM grants AS old"
#define SAME_PATH " WHERE old.principal = ?1 AND old.path = grants.path)"
#define SAME_GROUP " WHERE old.member = ?1 AND old.parent = members.parent)"
#define SAME_MEMBER " WHERE old.parent = ?1 AND old.member = members.member)"

constexpr std::array kSteps{
    Step{&RowCounts::owners, "UPDATE owners SET principal = ?2 WHERE principal = ?1"},

    Step{nullptr, "UPDATE grants SET expires = " LATER_END("grants") SAME_PATH
         ", rights = " STRONGER_RIGHTS SAME_PATH
         " WHERE principal = ?2 AND EXISTS (SELECT 1 FROM grants AS old" SAME_PATH},
    Step{&RowCounts::grants,
         "DELETE FROM grants WHERE principal = ?1 AND EXISTS (SELECT 1 FROM grants AS new"
         " WHERE new.principal = ?2 AND new.path = grants.path)"},
    Step{&RowCounts::grants, "UPDATE grants SET principal = ?2 WHERE principal = ?1"},

    // Neither becomes a member of itself.
    Step{
        &RowCounts::members,
        "DELETE FROM members WHERE (member = ?1 AND parent = ?2) OR (member = ?2 AND parent = ?1)"},

    Step{nullptr, "UPDATE members SET expires = " LATER_END("members") SAME_GROUP
         " WHERE member = ?2 AND EXISTS (SELECT 1 FROM members AS old" SAME_GROUP},
    Step{&RowCounts::members,
         "DELETE FROM members WHERE member = ?1 AND EXISTS (SELECT 1 FROM members AS new"
         " WHERE new.member = ?2 AND new.parent = members.parent)"},
    Step{&RowCounts::members, "UPDATE members SET member = ?2 WHERE member = ?1"},

    Step{nullptr, "UPDATE members SET expires = " LATER_END("members") SAME_MEMBER
         " WHERE parent = ?2 AND EXISTS (SELECT 1 FROM members AS old" SAME_MEMBER},
    Step{&RowCounts::members,
         "DELETE FROM members WHERE parent = ?1 AND EXISTS (SELECT 1 FROM members AS new"
         " WHERE new.parent = ?2 AND new.member = members.member)"},
    Step{&RowCounts::members, "UPDATE members SET parent = ?2 WHERE parent = ?1"},
};

constexpr Step kTransferOfLinks{&RowCounts::links,
                                "UPDATE links SET principal = ?2 WHERE principal = ?1"};

}  // namespace

Result<void> Transfer::check(const Principal& from, const Principal& to) {
  if (to.kind() == Principal::Kind::kGroup) return {};
  bool has_members = false;
  auto looked = connection_.for_each(
      "SELECT 1 FROM members WHERE parent = ?1 LIMIT 1",
      [&](const ChangeRow&) -> Result<void> {
        has_members = true;
        return {};
      },
      from.text());
  if (!looked || !has_members) return looked;
  return Error{ErrorKind::kInvalid,
               fmt::format("{} has members, and {} is no group of the application that could have "
                           "them; take them out first, or name a group",
                           quoted(from.text()), quoted(to.text()))};
}

Result<RowCounts> Transfer::run(const Principal& from, const Principal& to, TransferLinks links) {
  if (from == to) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("{} has what it has already; name another principal to get it",
                             quoted(to.text()))};
  }
  return connection_.write([&]() -> Result<RowCounts> {
    if (auto fit = check(from, to); !fit) return fit.error();
    RowCounts counts;
    const auto run = [&](const Step& step) -> Result<void> {
      auto changed = connection_.change(step.sql, from.text(), to.text());
      if (!changed) return changed.error();
      if (step.count != nullptr) counts.*step.count += *changed;
      return {};
    };
    for (const Step& step : kSteps) {
      if (auto done = run(step); !done) return done.error();
    }
    if (links == TransferLinks::kYes) {
      if (auto done = run(kTransferOfLinks); !done) return done.error();
    }
    return counts;
  });
}

}  // namespace grantfs
