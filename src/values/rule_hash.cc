#include <algorithm>

#include "base/keyed_hash.h"
#include "grantfs/decision.h"

namespace grantfs {

RuleHash rule_hash(std::string_view path) {
  return std::max<RuleHash>(keyed_hash(path), 1);
}

}  // namespace grantfs
