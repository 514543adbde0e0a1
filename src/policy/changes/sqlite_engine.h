#pragma once

#include <filesystem>
#include <optional>
#include <utility>

#include "db/connection.h"
#include "db/transaction.h"
#include "policy/changes/engine.h"

namespace grantfs {

/// The policy database of one machine, by SQLite.
class SqliteEngine : public Engine {
 public:
  SqliteEngine(std::filesystem::path database, db::Connection connection)
      : database_(std::move(database)), connection_(std::move(connection)) {}
  SqliteEngine(const SqliteEngine&) = delete;
  SqliteEngine& operator=(const SqliteEngine&) = delete;

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
  std::filesystem::path database_;
  db::Connection connection_;
  std::optional<db::Transaction> transaction_;  ///< under way; it points to the connection
};

}  // namespace grantfs
