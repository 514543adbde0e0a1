#include "postgres/statement_under_way.h"

#include <libpq-fe.h>

#include <memory>

namespace grantfs::postgres {

int StatementUnderWay::fd() const {
  return PQsocket(connection_.handle());
}

Result<void> StatementUnderWay::send(const std::string& sql) {
  rows_.clear();
  failed_.reset();
  if (PQsendQuery(connection_.handle(), sql.c_str()) != 1) return connection_.last_error();
  under_way_ = true;
  return {};
}

Result<std::optional<StatementUnderWay::Rows>> StatementUnderWay::receive() {
  if (PQconsumeInput(connection_.handle()) != 1) return connection_.last_error();
  while (PQisBusy(connection_.handle()) == 0) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQgetResult(connection_.handle()),
                                                               &PQclear);
    if (result == nullptr) {
      under_way_ = false;
      if (failed_) return *failed_;
      return std::optional(std::move(rows_));
    }
    const ExecStatusType status = PQresultStatus(result.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
      failed_ = connection_.last_error();
      if (!connection_.is_alive()) return *failed_;
      continue;
    }
    for (int row = 0; row < PQntuples(result.get()); ++row) {
      std::vector<std::string>& texts = rows_.emplace_back();
      for (int column = 0; column < PQnfields(result.get()); ++column) {
        texts.emplace_back(PQgetvalue(result.get(), row, column),
                           static_cast<std::size_t>(PQgetlength(result.get(), row, column)));
      }
    }
  }
  return std::optional<Rows>();
}

}  // namespace grantfs::postgres
