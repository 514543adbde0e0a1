#pragma once

#include <optional>
#include <string>

#include "grantctl/nginxconf/value.h"

namespace grantctl::nginxconf {

/// What one of nginx's own variables may be; nothing for a name that is none of them, or that only
/// a part of a configuration says ($1, a map's). Source: the alphabetical index of variables in
/// nginx's documentation, and ngx_http_variables.c.
std::optional<Value> builtin(const std::string& name);

/// The path of the request, as nginx has decoded and normalised it.
Language normalised_path();

}  // namespace grantctl::nginxconf
