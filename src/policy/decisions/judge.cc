#include "policy/decisions/judge.h"

#include <algorithm>
#include <string>
#include <variant>

namespace grantfs {
namespace {

LinkClient client_of(const Identity& identity) {
  const auto& bearer = std::get<LinkBearer>(identity);
  return {bearer.link, bearer.from ? bearer.from->client() : std::string()};
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
  Expiry use;
  if (uses_ != nullptr) use = uses_->current(client_of(identity), *decision->uses);
  end_with(use, *decision);
  return decision;
}

Result<ViewRoot> Judge::enter(const Identity& identity) const {
  auto door = policy_.view_root(identity);
  if (!door) report(door.error());
  if (!door) return door;
  Decision& decision = door->decision;
  const auto uses = decision.uses;
  if (decision.access == Access::kClosed) {
    decision.uses.reset();
  } else if (uses) {
    Expiry use;
    if (uses_ != nullptr) use = uses_->at_door(client_of(identity), *uses);
    end_with(use, decision);
    decision.uses = uses;
  }
  return door;
}

void Judge::begin_use(const Identity& identity) const {
  if (uses_ == nullptr) return;
  auto door = policy_.view_root(identity);
  if (!door) return report(door.error());
  const Decision& decision = door->decision;
  if (decision.access == Access::kClosed || !decision.uses) return;
  auto begun = uses_->begin(client_of(identity), *decision.uses);
  if (!begun) report(begun.error());
}

}  // namespace grantfs
