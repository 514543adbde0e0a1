#pragma once

#include <optional>
#include <string>
#include <utility>

#include "grantfs/result.h"
#include "postgres/connection.h"

namespace grantfs::postgres {

/// One statement at a time on a connection, without waiting for its answer. Movable; one thread at
/// a time.
class StatementUnderWay {
 public:
  /// The connection must be idle.
  explicit StatementUnderWay(Connection connection) : connection_(std::move(connection)) {}

  /// To be polled for POLLIN while a statement is under way.
  int fd() const;

  /// Sends a statement without parameters. No other may be under way.
  Result<void> send(const std::string& sql);
  /// Connection::is_alive().
  bool is_alive() const { return connection_.is_alive(); }
  /// Takes in what has arrived: the answer, once it is whole. None: not yet.
  Result<std::optional<Answer>> receive();

 private:
  Connection connection_;
  std::optional<Answer> answer_;
  std::optional<Error> failed_;
};

}  // namespace grantfs::postgres
