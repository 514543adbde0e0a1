#pragma once

namespace grantfs {

/// The migration from schema 4 to 5, which makes anew every table with a path.
// An array, whose address is a constant expression.
extern const char kWholeStoreIsADot[];  // NOLINT(modernize-avoid-c-arrays)

}  // namespace grantfs
