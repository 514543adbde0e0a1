#pragma once

// The whole test program has a sqlite3_step() of its own, in statements.cc, which counts.
namespace grantfs::test {

/// How many steps of SQL statements this thread has made.
extern thread_local long statement_steps;

}  // namespace grantfs::test
