#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "grantfs/admin.h"
#include "grantfs/policy.h"

namespace grantctl {

using Json = nlohmann::ordered_json;

/// Writes a line to standard error, `grantctl: ...`.
void complain(std::string_view message);

/// Adds an error to a document that may have other fields: "error" is the message, "kind" is
/// "usage", "not_found", "conflict", "database" or "system".
void put_error(Json& document, const grantfs::Error& error);

/// Prints the document on standard output.
void print(const Json& document);
/// Prints the document on a line of its own.
void print_json_line(const Json& document);
/// Prints a text of whole lines on standard output.
void print_text(std::string_view text);
/// Prints a line on standard output.
void print_line(std::string_view line);

/// After this call, a write to a pipe that nobody reads does not end the program. It is an error,
/// which undelivered() is for.
void survive_broken_pipe();
/// The error after standard output failed to take the new token of a `what` ("session", "link"):
/// nobody knows the token, or that there is a new row. The error says whether the row was removed
/// again.
grantfs::Error undelivered(std::string_view what, const std::string& id,
                           const grantfs::Result<grantfs::RowCounts>& removed);

/// Prints columns on standard output, each as wide as its widest cell. Cells are escaped.
class Table {
 public:
  explicit Table(std::vector<std::string> headings) { rows_.push_back(std::move(headings)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  void print() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// Sets `key` to a text of any bytes. JSON holds Unicode only. If the text is not UTF-8, its wrong
/// bytes are replaced in `key`, and `key`_hex has all bytes.
void put_bytes(Json& object, const std::string& key, std::string_view bytes);
/// The expiry in seconds, or null for never.
Json to_json(const grantfs::Expiry& expires);
Json to_json(const grantfs::RowCounts& counts);
Json to_json(const grantfs::Rule& rule, grantfs::Timestamp now);

/// The path as a URL's path (RFC 3986, section 3.3): all bytes but unreserved characters and '/'
/// are encoded.
std::string percent_encoded(std::string_view path);

/// The path as a user may type it again: "." is the whole store. It is not escaped.
std::string shown(const grantfs::StorePath& path);
/// The beginning of a session's or link's id that fits a table; `rm` takes it.
std::string shown(const grantfs::TokenHash& id);
/// "never", or the time, with "(expired)" once it is past.
std::string shown(const grantfs::Expiry& expires, grantfs::Timestamp now);
/// "2 owners, 1 grant"; "nothing" if all are zero.
std::string shown(const grantfs::RowCounts& counts);
/// "the grant to group:staff on 'a/b'"
std::string shown(const grantfs::Rule& rule);

}  // namespace grantctl
