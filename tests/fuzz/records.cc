// The JSON that a daemon leaves beside the database: taken or not, and the same when it is written
// again.
#include <cmath>
#include <string>

#include "control/record.h"
#include "fuzz.h"

namespace grantfs::fuzz {

void try_input(std::string_view input) {
  const auto record = control::from_text(std::string(input));
  if (!record) return;
  require(std::isfinite(record->lease_seconds) && record->lease_seconds >= 0, "a lease is a time");
  const auto again = control::from_text(control::to_text(*record));
  require(again.has_value(), "a record that is written is one");
  require(again->mountpoint == record->mountpoint && again->control == record->control &&
              again->pid == record->pid && again->lease_seconds == record->lease_seconds,
          "a record that is written is read as it was");
}

}  // namespace grantfs::fuzz
