#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace grantfs::follow {

/// What the command line says.
struct Options {
  std::string upstream;             ///< a URI or a connection string of libpq, without a password
  std::filesystem::path database;   ///< absolute
  std::string node;                 ///< [a-z0-9_]{1,50}
  std::int64_t follow_seconds = 0;  ///< the longest follow= of the node's daemons; 0: they say it
  std::string slot() const { return "grantfs_" + node; }
};

}  // namespace grantfs::follow
