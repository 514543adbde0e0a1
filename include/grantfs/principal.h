#pragma once

#include <sys/types.h>

#include <compare>
#include <string>
#include <string_view>

#include "grantfs/result.h"

namespace grantfs {

/// Who may be given access, in the one spelling that the database holds:
///
///     user:NAME    a user of the application, by whatever immutable name it uses
///     group:NAME   a group of the application; the `members` table says who belongs to it
///     uid:N        a user of this machine
///     gid:N        a group of this machine, as its group database has it
///     public       everyone
///
/// NAME is 1 to 255 bytes without '/' and without control characters; N is decimal, without
/// leading zeros, at most 4294967294 (the largest uid that is not "nobody at all").
/// A value type; safe to copy between threads.
class Principal {
 public:
  enum class Kind { kUser, kGroup, kUid, kGid, kPublic };

  /// Reads the canonical spelling; kInvalid with the accepted forms otherwise. System names
  /// (`uid:alice`) are not resolved here: grantctl does that.
  static Result<Principal> parse(std::string_view text);

  static Principal everyone();
  static Principal uid(uid_t uid);
  static Principal gid(gid_t gid);

  Kind kind() const { return kind_; }
  const std::string& text() const { return text_; }
  /// The text after the colon; empty for `public`.
  std::string_view name() const;

  friend bool operator==(const Principal& a, const Principal& b) { return a.text_ == b.text_; }
  friend auto operator<=>(const Principal& a, const Principal& b) { return a.text_ <=> b.text_; }

 private:
  Principal(Kind kind, std::string text) : kind_(kind), text_(std::move(text)) {}

  Kind kind_;
  std::string text_;
};

}  // namespace grantfs
