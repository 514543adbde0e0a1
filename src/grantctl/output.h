#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "grantfs/admin.h"
#include "grantfs/policy.h"

namespace grantctl {

using Json = nlohmann::ordered_json;

/// A line on standard error, `grantctl: ...`.
void complain(std::string_view message);

/// What a program reads of a failure, in a document that may have other fields: "error", the
/// message, and "kind", "usage", "not_found", "conflict", "database" or "system".
void put_error(Json& document, const grantfs::Error& error);

/// The document on standard output.
void print(const Json& document);
/// A text of whole lines on standard output.
void print_text(std::string_view text);
/// A line on standard output.
void print_line(std::string_view line);

/// From now on a write to a pipe that nobody reads is an error, which undelivered() is for, and
/// does not end the program.
void survive_broken_pipe();
/// What was printed has not reached standard output, so nobody knows the token of the new `what`
/// ("session", "link"), or that there is one: the error, by what came of removing it again.
grantfs::Error undelivered(std::string_view what, const std::string& id,
                           const grantfs::Result<grantfs::RowCounts>& removed);

/// Columns as wide as their widest cell, on standard output. Cells are escaped.
class Table {
 public:
  explicit Table(std::vector<std::string> headings) { rows_.push_back(std::move(headings)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  void print() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// Sets `key` to a text of any bytes. JSON holds Unicode only: where the text is not UTF-8, what
/// is wrong in it is replaced, and `key`_hex has the bytes.
void put_bytes(Json& object, const std::string& key, std::string_view bytes);
/// Seconds, or null for never.
Json to_json(const grantfs::Expiry& expires);
Json to_json(const grantfs::RowCounts& counts);
Json to_json(const grantfs::Rule& rule, grantfs::Timestamp now);

/// As a URL's path has it (RFC 3986, section 3.3): all but unreserved characters and '/' encoded.
std::string percent_encoded(std::string_view path);

/// As it may be typed again: "." for the whole store. Not escaped.
std::string shown(const grantfs::StorePath& path);
/// As much of the id of a session or link as a table has room for; `rm` takes it.
std::string shown(const grantfs::TokenHash& id);
/// "never", or the time, with "(expired)" once it is past.
std::string shown(const grantfs::Expiry& expires, grantfs::Timestamp now);
/// "2 owners, 1 grant"; "nothing" if all are zero.
std::string shown(const grantfs::RowCounts& counts);
/// "the grant to group:staff on 'a/b'"
std::string shown(const grantfs::Rule& rule);

}  // namespace grantctl
