#pragma once

#include "db/connection.h"
#include "grantfs/result.h"

namespace grantfs::db {

/// A transaction that rolls back unless commit() was reached.
class Transaction {
 public:
  enum class Kind {
    kRead,   ///< one snapshot for several statements, taken at the first of them
    kWrite,  ///< BEGIN IMMEDIATE: the write lock now, not halfway
  };
  static Result<Transaction> begin(Connection& connection, Kind kind);
  ~Transaction();
  Transaction(Transaction&& other) noexcept : connection_(other.connection_) {
    other.connection_ = nullptr;
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  Transaction& operator=(Transaction&&) = delete;

  Result<void> commit();

 private:
  explicit Transaction(Connection& connection) : connection_(&connection) {}

  Connection* connection_;
};

}  // namespace grantfs::db
