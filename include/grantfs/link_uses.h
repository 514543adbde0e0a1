#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "grantfs/result.h"
#include "grantfs/timestamp.h"

namespace grantfs {

/// The uses so far of a link whose uses are limited. Uses of other links are not counted.
struct CountedUses {
  std::int64_t clients = 0;  ///< who have used it
  std::int64_t uses = 0;     ///< by all of them
  Timestamp last{};          ///< when the last use began
};

/// The uses that daemons on this policy database have counted, by the id of the link, in
/// hexadecimal. Empty if nothing was counted yet. kDatabase if the counts cannot be read.
Result<std::map<std::string, CountedUses>> counted_uses(
    const std::filesystem::path& policy_database);

/// The same of a policy in PostgreSQL, in which all nodes count. `where` is its URI.
Result<std::map<std::string, CountedUses>> uses_counted_upstream(const std::string& where);

}  // namespace grantfs
