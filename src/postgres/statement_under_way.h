#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "grantfs/result.h"
#include "postgres/connection.h"

namespace grantfs::postgres {

/// One statement at a time on a connection, without waiting for its answer. Movable; one thread at
/// a time.
class StatementUnderWay {
 public:
  /// The rows as texts; NULL is an empty one.
  using Rows = std::vector<std::vector<std::string>>;

  /// The connection must be idle.
  explicit StatementUnderWay(Connection connection) : connection_(std::move(connection)) {}

  /// To be polled for POLLIN while a statement is under way.
  int fd() const;
  bool is_under_way() const { return under_way_; }

  /// Sends a statement without parameters. No other may be under way.
  Result<void> send(const std::string& sql);
  /// Takes in what has arrived: the rows, once all have. None: not yet.
  Result<std::optional<Rows>> receive();

 private:
  Connection connection_;
  bool under_way_ = false;
  Rows rows_;
  std::optional<Error> failed_;
};

}  // namespace grantfs::postgres
