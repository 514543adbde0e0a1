#include "policy/decisions/link_uses/link_uses.h"

#include <utility>

namespace grantfs {

LinkUses::LinkUses(std::unique_ptr<UseCounter> counter, std::chrono::seconds window, Clock clock)
    : window_(window), clock_(std::move(clock)), counter_(std::move(counter)) {}

Expiry LinkUses::known_end(const LinkClient& who, std::int64_t most, std::chrono::seconds grace) {
  auto under_way = under_way_.lock();
  const auto known = under_way->find(who);
  if (known == under_way->end() || known->second.used > most) return std::nullopt;
  return known->second.end(clock_(), window_, grace);
}

void LinkUses::keep(const LinkClient& who, const LinkUse& use) {
  const Timestamp now = clock_();
  auto under_way = under_way_.lock();
  std::erase_if(*under_way,
                [&](const auto& each) { return !each.second.end(now, window_, kGrace); });
  (*under_way)[who] = use;
}

Result<Expiry> LinkUses::begin(const LinkClient& who, std::int64_t most) {
  if (const Expiry end = at_door(who, most)) return end;
  auto counter = counter_.lock();
  // Whoever had the lock may have counted the same use.
  if (const Expiry end = at_door(who, most)) return end;
  auto use = (*counter)->count(who, most, window_);
  if (!use) return use.error();
  if (!*use) return Expiry();
  keep(who, **use);
  return at_door(who, most);
}

}  // namespace grantfs
