#include "db/preparer.h"

#include <utility>

namespace grantfs::db {

Statement Preparer::operator()(std::string_view sql) {
  auto statement = connection_.prepare(sql);
  if (statement) return std::move(*statement);
  if (done_) done_ = statement.error();
  return {};
}

}  // namespace grantfs::db
