#include "postgres/statement_under_way.h"

#include <libpq-fe.h>

#include <utility>

namespace grantfs::postgres {

int StatementUnderWay::fd() const {
  return PQsocket(connection_.handle());
}

Result<void> StatementUnderWay::send(const std::string& sql) {
  answer_.reset();
  failed_.reset();
  if (PQsendQuery(connection_.handle(), sql.c_str()) != 1) return connection_.last_error();
  return {};
}

Result<std::optional<Answer>> StatementUnderWay::receive() {
  if (PQconsumeInput(connection_.handle()) != 1) return connection_.last_error();
  while (PQisBusy(connection_.handle()) == 0) {
    Answer answer(PQgetResult(connection_.handle()));
    if (answer.get() == nullptr) {
      if (failed_) return *failed_;
      return std::exchange(answer_, std::nullopt);
    }
    const ExecStatusType status = PQresultStatus(answer.get());
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
      answer_ = std::move(answer);
      continue;
    }
    failed_ = connection_.error_of(answer);
    if (!connection_.is_alive()) return *failed_;
  }
  return std::optional<Answer>();
}

}  // namespace grantfs::postgres
