#pragma once

#include <libpq-fe.h>

#include <memory>
#include <string>
#include <string_view>

#include "grantfs/result.h"

namespace grantfs::postgres {

/// A connection string, taken apart by libpq. A value type; for one thread at a time.
class Where {
 public:
  /// kInvalid, without repeating the text, if it is none, or if a part of the password could be
  /// taken for the host: an '@' in a password is written %40.
  static Result<Where> parse(const std::string& text);

  /// The value of a keyword such as "host"; empty if the text does not have it.
  std::string_view value(std::string_view keyword) const;

 private:
  struct Free {
    void operator()(PQconninfoOption* options) const;
  };
  explicit Where(PQconninfoOption* options) : options_(options) {}

  std::unique_ptr<PQconninfoOption, Free> options_;
};

}  // namespace grantfs::postgres
