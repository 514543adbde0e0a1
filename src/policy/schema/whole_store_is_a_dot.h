#pragma once

namespace grantfs {

/// The migration from schema 4 to 5, which makes anew every table with a path.
extern const char kWholeStoreIsADot[];

}  // namespace grantfs
