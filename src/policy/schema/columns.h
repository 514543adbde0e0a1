#pragma once

// The columns of the schema and their CHECK constraints, as macros: a migration is one text. Only
// the sources of migrations include this. Every one of these is part of a released migration, which
// is never edited: a migration that needs another constraint writes another macro.
//
// The CHECK constraints keep other writers honest: what passes here is what Principal::parse,
// StorePath::parse and TokenHash::parse take. They use instr() where a zero byte would end a GLOB
// early. A time as text, or in milliseconds, would compare as never expiring.
#define PATH_IS_CANONICAL                                               \
  "length(CAST(path AS BLOB)) <= 4095 AND instr(path, char(0)) = 0 AND" \
  " (path = '' OR (instr('/' || path || '/', '//') = 0 AND"             \
  " instr('/' || path || '/', '/./') = 0 AND"                           \
  " instr('/' || path || '/', '/../') = 0))"

#define IS_NAMED(column, prefix, start)               \
  "(" column " GLOB '" prefix                         \
  ":?*' AND"                                          \
  " length(CAST(substr(" column ", " start            \
  ") AS BLOB)) <= 255 AND"                            \
  " instr(" column ", char(0)) = 0 AND instr(" column \
  ", '/') = 0 AND"                                    \
  " " column " NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*')"

#define IS_NUMBERED(column, prefix)                               \
  "(" column " GLOB '" prefix ":[0-9]*' AND instr(" column        \
  ", char(0)) = 0 AND"                                            \
  " substr(" column ", 5) NOT GLOB '*[^0-9]*' AND length(" column \
  ") <= 14 AND"                                                   \
  " (" column " = '" prefix ":0' OR substr(" column               \
  ", 5, 1) <> '0') AND"                                           \
  " CAST(substr(" column ", 5) AS INTEGER) <= 4294967294)"

#define IS_PRINCIPAL(column)                                                             \
  "(" column " = 'public' OR " IS_NAMED(column, "user", "6") " OR " IS_NAMED(            \
      column, "group", "7") " OR " IS_NUMBERED(column, "uid") " OR " IS_NUMBERED(column, \
                                                                                 "gid") ")"

#define EXPIRES                               \
  "expires INTEGER CHECK (expires IS NULL OR" \
  " (typeof(expires) = 'integer' AND expires BETWEEN 0 AND 99999999999))"

#define CREATED "created INTEGER NOT NULL DEFAULT (unixepoch())"

#define IS_TOKEN_HASH                                                                \
  "length(CAST(id AS BLOB)) = 64 AND length(id) = 64 AND instr(id, char(0)) = 0 AND" \
  " id NOT GLOB '*[^0-9a-f]*'"

#define LINK_ADDRESS                                                               \
  "address   TEXT CHECK (address IS NULL OR (length(address) BETWEEN 2 AND 64 AND" \
  "              instr(address, char(0)) = 0 AND address NOT GLOB '*[^0-9a-f.:/]*'))"
#define LINK_USES                            \
  "uses      INTEGER CHECK (uses IS NULL OR" \
  "              (typeof(uses) = 'integer' AND uses BETWEEN 1 AND 1000000000))"
#define KEY_ID                                                                         \
  "id         TEXT NOT NULL PRIMARY KEY CHECK (length(CAST(id AS BLOB)) BETWEEN 1 AND" \
  " 32 AND"                                                                            \
  "               instr(id, char(0)) = 0 AND id NOT GLOB '*[^A-Za-z0-9]*')"
#define KEY_FORMAT                                                                      \
  "format     TEXT NOT NULL CHECK (format = 'hmac-sha256' OR (format GLOB 'md5:?*' AND" \
  "               length(CAST(format AS BLOB)) <= 4096 AND instr(format, char(0)) = 0))"
#define KEY_URI_PREFIX                                                     \
  "uri_prefix TEXT CHECK (uri_prefix IS NULL OR (uri_prefix GLOB '/*' AND" \
  "               length(CAST(uri_prefix AS BLOB)) <= 4096 AND"            \
  "               instr(uri_prefix, char(0)) = 0))"
#define KEY_SECRET                                                                     \
  "secret     BLOB NOT NULL CHECK (typeof(secret) = 'blob' AND length(secret) <= 1024" \
  " AND"                                                                               \
  "               length(secret) >= iif(format = 'hmac-sha256', 32, 1))"
#define KEY_RETIRED                              \
  "retired    INTEGER CHECK (retired IS NULL OR" \
  "               (typeof(retired) = 'integer' AND retired BETWEEN 0 AND 99999999999))"
#define LINK_LABEL                                                                    \
  "label TEXT CONSTRAINT label_is_a_line CHECK (label IS NULL OR"                     \
  " (length(CAST(label AS BLOB)) BETWEEN 1 AND 200 AND instr(label, char(0)) = 0 AND" \
  " label NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*'))"
