#pragma once

#include <optional>
#include <string>

#include "grantctl/nginxconf/value.h"

namespace grantctl::nginxconf {

/// The texts that one of nginx's own variables may be. Nothing for a name that nginx does not have,
/// or that a part of a configuration defines ($1, a map's variable). Source: the alphabetical index
/// of variables in nginx's documentation, and ngx_http_variables.c.
std::optional<Value> builtin(const std::string& name);

/// The path of the request after nginx has decoded and normalised it.
Language normalised_path();

}  // namespace grantctl::nginxconf
