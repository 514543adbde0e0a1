#pragma once

#include <cassert>
#include <compare>
#include <string>
#include <string_view>
#include <vector>

#include "grantfs/result.h"

namespace grantfs {

/// A place in the store, relative to its root: components separated by single slashes, none of
/// them empty, "." or "..", no slash at either end. The whole store is spelt "."; no text at all is
/// no path, since a blank field of an application must not mean everything.
/// Names are bytes, compared exactly: no encoding is assumed and none is normalised.
/// A value type; safe to copy between threads.
class StorePath {
 public:
  /// Longest path in bytes: what one system call takes (PATH_MAX, less the terminating zero).
  static constexpr std::size_t kMaxBytes = 4095;
  /// Longest name in bytes (NAME_MAX in linux/limits.h).
  static constexpr std::size_t kMaxNameBytes = 255;

  /// How databases, commands and signatures write the whole store.
  static constexpr std::string_view kWholeStore = ".";

  /// The whole store.
  StorePath() = default;
  /// kInvalid, naming the offending component, unless `text` is already in canonical form.
  static Result<StorePath> parse(std::string_view text);
  /// Whether `name` can be one component of a path.
  static bool is_name(std::string_view name);

  /// The components, with slashes between them; empty for the whole store.
  const std::string& text() const { return text_; }
  /// The text that parse() takes, as databases, commands and signatures have it: text(), or "." for
  /// the whole store. A view into this object.
  std::string_view spelling() const { return spelling_of(text_); }
  /// The same of a text(), or of one of self_and_ancestors().
  static std::string_view spelling_of(std::string_view text) {
    return text.empty() ? kWholeStore : text;
  }
  bool is_root() const { return text_.empty(); }
  /// The folder that holds this; the root's parent is the root.
  StorePath parent() const;
  /// Last component; empty for the root.
  std::string_view name() const;
  /// Appends one component, for which is_name() must hold; the result may exceed kMaxBytes, and
  /// then exists nowhere.
  StorePath child(std::string_view name) const;
  /// The path in the store of this path, if this one is relative to `folder`. As with child(), it
  /// may exceed kMaxBytes.
  StorePath below(const StorePath& folder) const;
  /// The path of these components, for each of which is_name() must hold, outermost first.
  template <class Iterator>
  static StorePath join(Iterator begin, Iterator end) {
    std::string text;
    for (; begin != end; ++begin) {
      assert(is_name(*begin));
      if (!text.empty()) text += '/';
      text += *begin;
    }
    return StorePath(std::move(text));
  }
  /// True if `other` is this path or lies below it.
  bool covers(const StorePath& other) const;
  /// The text() of this path and of every folder above it, the root last. Views into this object.
  std::vector<std::string_view> self_and_ancestors() const;

  friend bool operator==(const StorePath& a, const StorePath& b) { return a.text_ == b.text_; }
  friend auto operator<=>(const StorePath& a, const StorePath& b) { return a.text_ <=> b.text_; }

 private:
  explicit StorePath(std::string text) : text_(std::move(text)) {}

  std::string text_;
};

}  // namespace grantfs
