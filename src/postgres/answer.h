#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "grantfs/secret.h"

// A type of libpq's own. Nothing outside this folder includes libpq.
struct pg_result;  // NOLINT(readability-identifier-naming)

namespace grantfs::postgres {

/// The rows that a statement returned, all in memory. Movable. Values are views into it.
class Answer {
 public:
  /// Takes over a result of libpq's; a null pointer is an answer without rows.
  explicit Answer(pg_result* result) : result_(result) {}

  int rows() const;
  int columns() const;
  bool is_null(int row, int column) const;
  /// As the server writes it; empty for NULL.
  std::string_view text(int row, int column) const;
  /// A smallint, integer or bigint; 0 for NULL.
  std::int64_t integer(int row, int column) const;
  /// How many rows an INSERT, UPDATE, DELETE or COPY changed; 0 for other statements.
  std::int64_t changed() const;

  /// For this folder's other files.
  const pg_result* get() const { return result_.get(); }

 private:
  struct Clear {
    void operator()(pg_result* result) const;
  };

  std::unique_ptr<pg_result, Clear> result_;
};

/// A bytea as a parameter, and as COPY's text format takes it after escaping of the backslash:
/// `\x` and hexadecimal digits.
Secret bytea_text(std::string_view bytes);
/// The bytes of a bytea's text as the server writes it, which begins with `\x`; none if malformed.
std::optional<Secret> bytea_bytes(std::string_view text);

}  // namespace grantfs::postgres
