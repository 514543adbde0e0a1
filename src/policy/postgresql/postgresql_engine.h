#pragma once

#include <memory>
#include <string>

#include "policy/changes/engine.h"
#include "postgres/connection.h"

namespace grantfs {

/// The policy in a PostgreSQL database. Write transactions are serializable: as if no other change
/// by grantctl were made meanwhile. Those of applications at a lower level are seen as a whole or
/// not at all.
class PostgresqlEngine : public Engine {
 public:
  explicit PostgresqlEngine(postgres::Connection connection) : connection_(std::move(connection)) {}

  Result<void> begin(Transaction kind) override;
  Result<void> commit() override;
  void roll_back() override;
  bool is_worth_another_try(int attempt) override;
  Result<std::unique_ptr<ChangeStatement>> prepare(std::string_view sql) override;
  Error named(const Error& error) const override;
  Result<void> make_temporary(const TemporaryTable& table) override;
  void drop_temporary(const TemporaryTable& table) override;
  Result<Engine*> staging() override;
  Result<void> take_staged(std::span<const TemporaryTable> tables) override;

 private:
  Result<void> copy(const TemporaryTable& table);

  postgres::Connection connection_;
  std::unique_ptr<Engine> staging_;
  bool begun_ = false;   ///< a transaction is under way
  bool failed_ = false;  ///< a statement of the transaction under way has failed
};

/// The error of a connection in words for who changes a policy: what is wrong, and what to do. Any
/// other error is returned as it is.
Error in_our_words(const Error& error, const postgres::Connection& connection);

}  // namespace grantfs
