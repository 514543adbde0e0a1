#include "support/statements.h"

#include <dlfcn.h>
#include <sqlite3.h>

namespace grantfs::test {

thread_local long statement_steps = 0;

}  // namespace grantfs::test

int sqlite3_step(sqlite3_stmt* statement) {
  using Step = int (*)(sqlite3_stmt*);
  static const auto step = reinterpret_cast<Step>(::dlsym(RTLD_NEXT, "sqlite3_step"));
  ++grantfs::test::statement_steps;
  return step(statement);
}
