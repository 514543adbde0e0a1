// Paths of the store: none that is taken leads out of it, and both databases take the same.
#include "fuzz.h"
#include "grantfs/store_path.h"
#include "policy/postgresql/checks.h"
#include "postgresql_text.h"
#include "schema_rows.h"
#include "values/path_range.h"

namespace grantfs::fuzz {
namespace {

/// Whether each component is a name: said once more, in another way.
bool stays_below(std::string_view text) {
  if (text.empty() || text.find('\0') != std::string_view::npos) return false;
  for (bool more = true; more;) {
    more = text.find('/') != std::string_view::npos;
    const auto name = take_until(text, '/');
    if (name.empty() || name == "." || name == "..") return false;
  }
  return true;
}

bool is_in(const std::vector<PathRange>& ranges, std::string_view text) {
  for (const PathRange& range : ranges) {
    if (text >= range.begin && text < range.end) return true;
  }
  return false;
}

void try_path(const StorePath& path, std::string_view text) {
  require(path.spelling() == text, "a path has one spelling");
  require(path.covers(path) && path.parent().covers(path), "a folder covers what lies in it");
  require(StorePath::parse(path.parent().spelling()).ok(), "a path's folder is a path");
  require(path.is_root() || path.parent().below(StorePath()) == path.parent(),
          "nothing changes below the root");
  for (const auto above : path.self_and_ancestors()) {
    const auto folder = StorePath::parse(StorePath::spelling_of(above));
    require(folder.ok() && folder->covers(path), "each folder above covers the path");
    require(is_in(subtree_ranges(*folder), text), "the ranges of a folder hold all below");
  }
  const auto beside = StorePath::parse(std::string(text) + "x");
  require(!beside || path.is_root() ||
              (!path.covers(*beside) && !is_in(subtree_ranges(path), beside->spelling())),
          "a longer name is no path below");
}

}  // namespace

void try_input(std::string_view input) {
  static SchemaRows rows;
  static PostgresqlCheck postgresql(PG_IS_PATH("v"));
  const auto path = StorePath::parse(input);
  const bool expected =
      input == "." || (input.size() <= StorePath::kMaxBytes && stays_below(input));
  require(path.ok() == expected, "a path is taken if each component is a name");
  require(rows.take("INSERT INTO owners (path, principal) VALUES (?, 'user:a')", input) == expected,
          "SQLite's CHECK takes the paths that the parser takes");
  if (const auto taken = postgresql.holds(input); taken && input.size() <= StorePath::kMaxBytes) {
    require(*taken == expected, "PostgreSQL's CHECK takes the paths that the parser takes");
  }
  if (path) {
    try_path(*path, input);
  } else {
    require(is_one_line(path.error().message), "a refusal is one line");
  }
}

}  // namespace grantfs::fuzz
