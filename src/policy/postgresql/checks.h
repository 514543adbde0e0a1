#pragma once

// The conditions that paths and principals in PostgreSQL meet, as SQL about a column or another
// value. They take what SQLite's take (src/policy/schema/columns.h); a test feeds the same rows to
// both.

#define PG_IS_PATH(path)                                       \
  "(" path " = '.' OR (" path " <> '' AND strpos('/' || " path \
  " || '/', '//') = 0 AND"                                     \
  " strpos('/' || " path " || '/', '/./') = 0 AND strpos('/' || " path " || '/', '/../') = 0))"

// An entry of an index is 2,704 bytes at most: two texts, the other one a principal.
#define PG_MAX_PATH_BYTES "2400"

#define PG_IS_NAMED(column, prefix, longest)                                         \
  "(starts_with(" column ", '" prefix ":') AND octet_length(" column ") <= " longest \
  " AND " column " ~ '^" prefix ":[^/\\u0001-\\u001f\\u007f]+$')"

#define PG_IS_USER(column) PG_IS_NAMED(column, "user", "260")
#define PG_IS_GROUP(column) PG_IS_NAMED(column, "group", "261")

// Of ten digits, the order of texts is that of numbers.
#define PG_IS_NUMBERED(column, prefix)                                                             \
  "(" column " ~ '^" prefix ":(0|[1-9][0-9]{0,9})$' AND (octet_length(" column ") < 14 OR " column \
  " <= '" prefix ":4294967294'))"

#define PG_IS_PRINCIPAL(column)                                                                 \
  column " = 'public' OR " PG_IS_USER(column) " OR " PG_IS_GROUP(column) " OR " PG_IS_NUMBERED( \
      column, "uid") " OR " PG_IS_NUMBERED(column, "gid")
