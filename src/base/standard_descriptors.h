#pragma once

namespace grantfs {

/// To be called first in main(): where a program was started with standard input, output or error
/// closed (`>&-`), the next file that it opens would take the number, and what is printed would go
/// into it, a database even. Each that is closed becomes one that fails with EBADF when it is used.
void hold_standard_descriptors();

}  // namespace grantfs
