#pragma once

#include <cstdint>
#include <string_view>

#include "policy/changes/change_connection.h"

namespace grantfs {

/// Deletes the row of `table` ("sessions", "links") whose id begins with `id`; `what` is what
/// messages call such a row. How many there were: none or one. kInvalid if `id` is no beginning of
/// an id, kConflict if several match.
Result<std::int64_t> remove_by_id(ChangeConnection& connection, std::string_view table,
                                  std::string_view what, std::string_view id);

}  // namespace grantfs
