#include "policy/decisions/judge.h"

#include <algorithm>
#include <string>
#include <variant>

namespace grantfs {
namespace {

/// Whose uses of a link are counted together.
std::string client_of(const LinkBearer& bearer) {
  return bearer.from ? bearer.from->client() : std::string();
}

/// Has a decision end with a use; kClosed if there is none.
void end_with(const Expiry& use, Decision& decision) {
  if (!use) {
    decision = Decision{};
  } else {
    decision.until = decision.until ? std::min(*decision.until, *use) : *use;
  }
}

}  // namespace

Result<Decision> Judge::decide(const Identity& identity, const StorePath& path) const {
  if (path.text().size() > StorePath::kMaxBytes) return Decision{Access::kNone, {}};
  auto decision = policy_.decide(identity, path);
  if (!decision) report(decision.error());
  if (!decision || !decision->uses) return decision;
  const auto& bearer = std::get<LinkBearer>(identity);
  Expiry use;
  if (uses_ != nullptr) use = uses_->current(bearer.link, client_of(bearer), *decision->uses);
  end_with(use, *decision);
  return decision;
}

Result<ViewRoot> Judge::enter(const Identity& identity) const {
  auto door = policy_.view_root(identity);
  if (!door) report(door.error());
  if (!door || door->decision.access == Access::kClosed || !door->decision.uses) return door;
  const auto& bearer = std::get<LinkBearer>(identity);
  Expiry use;
  if (uses_ != nullptr) {
    auto begun = uses_->enter(bearer.link, client_of(bearer), *door->decision.uses);
    if (!begun) {
      report(begun.error());
      return begun.error();
    }
    use = *begun;
  }
  end_with(use, door->decision);
  return door;
}

}  // namespace grantfs
