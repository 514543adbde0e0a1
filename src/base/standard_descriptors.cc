#include "base/standard_descriptors.h"

#include <fcntl.h>
#include <unistd.h>

namespace grantfs {

void hold_standard_descriptors() {
  for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; ++descriptor) {
    if (::fcntl(descriptor, F_GETFD) >= 0) continue;
    // The lowest number that is free is this one, since those below it are taken by now. Open for
    // the other direction alone, it fails as a closed one does.
    (void)!::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

}  // namespace grantfs
