#pragma once

#include <cstdint>
#include <string_view>

#include "policy/changes/change_connection.h"

namespace grantfs {

/// Deletes the row of `table` ("sessions", "links") whose id begins with `id`. Messages call such a
/// row `what`. Returns how many rows there were, none or one. kInvalid if no id can begin with
/// `id`, kConflict if several do.
Result<std::int64_t> remove_by_id(ChangeConnection& connection, std::string_view table,
                                  std::string_view what, std::string_view id);

}  // namespace grantfs
