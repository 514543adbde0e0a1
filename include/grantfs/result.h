#pragma once

#include <string>
#include <utility>
#include <variant>

namespace grantfs {

/// The kind of an error, by which a program chooses an exit status or an errno.
enum class ErrorKind {
  kInvalid,   ///< the caller's input: a malformed path, principal, time, option
  kNotFound,  ///< the request is well formed, and names something that is not there
  kConflict,  ///< the request would overwrite or contradict a row or file that is there
  kDatabase,  ///< SQLite failed, or the database is missing, foreign, damaged or of another version
  kSystem,    ///< a call of the operating system failed
};

/// An error, with a message for people: one line that names the file, path or option and says what
/// to do. It never holds a token.
struct Error {
  ErrorKind kind = ErrorKind::kSystem;
  std::string message;
};

/// A value or the reason there is none. Errors are values here: nothing throws across modules.
///
/// `value()`, `*` and `->` need `ok()`; otherwise std::bad_variant_access, a programming error.
template <class T, class E = Error>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit
  Result(E error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const E& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, E> state_;
};

/// Success, or the reason there is none.
template <class E>
class [[nodiscard]] Result<void, E> {
 public:
  Result() = default;
  Result(E error) : error_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  bool ok() const { return error_.index() == 0; }
  explicit operator bool() const { return ok(); }
  const E& error() const { return std::get<1>(error_); }

 private:
  std::variant<std::monostate, E> error_;
};

}  // namespace grantfs
