#pragma once

#include <string>

#include "policy/postgresql/source_names.h"

namespace grantfs {

/// The body of a source's trigger function, in plpgsql.
std::string row_trigger_body(const SourceNames& names);

}  // namespace grantfs
