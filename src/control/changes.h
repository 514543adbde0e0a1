#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace grantfs {

/// How the daemons that keep a record took a change.
struct RecordedChange {
  std::size_t recorded = 0;
  std::vector<std::string> troubles;  ///< why others did not; a sentence each, without a full stop
};

/// Tells the daemons on the database that keep a record of accesses of a change that was made,
/// which is a request "change" without its command (protocol.h). Costs a look into the folder of
/// records if there is none.
RecordedChange record_change(const std::filesystem::path& database, nlohmann::json change);

}  // namespace grantfs
