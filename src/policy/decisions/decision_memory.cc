#include "policy/decisions/decision_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "values/expiry.h"

namespace grantfs {

std::string DecisionMemory::name_of(const Identity& identity) {
  const auto at = [](const std::optional<Address>& from) {
    return from ? '@' + from->text() : std::string();
  };
  if (const auto* bearer = std::get_if<SessionBearer>(&identity)) {
    return bearer->session.hex() + at(bearer->from);
  }
  if (const auto* bearer = std::get_if<LinkBearer>(&identity)) {
    return "link:" + bearer->link.hex() + at(bearer->from);
  }
  if (const auto* bearer = std::get_if<SignatureBearer>(&identity)) {
    return "signature:" + bearer->signature.id().hex() + at(bearer->from);
  }
  if (const auto* named = std::get_if<Named>(&identity)) return named->principal.text();
  return std::holds_alternative<Anyone>(identity) ? "public" : std::string();
}

std::string DecisionMemory::key_of(const std::string& who, std::string_view path) {
  return fmt::format("{}/{}", who, path);
}

const Decision* DecisionMemory::decision(const std::string& who, const StorePath& path,
                                         Timestamp now) const {
  std::string key = key_of(who, path.text());
  if (const Decision* known = find(decisions_, key, now)) return known;
  const std::size_t root = key_of(who, "").size();
  while (key.size() > root) {
    key.resize(std::max(key.rfind('/'), root));
    const Decision* known = find(decisions_, key, now);
    if (known != nullptr && known->access == Access::kRead) return known;
  }
  return nullptr;
}

const Holdings* DecisionMemory::holdings(const std::string& who, Timestamp now) const {
  return find(holdings_, who, now);
}

void DecisionMemory::keep(const std::string& who, const Holdings& holdings, Timestamp now) {
  Expiry until;
  for (const Holding& holding : holdings) until = earlier(until, holding.until);
  insert(holdings_, who, {holdings, now, until});
}

void DecisionMemory::keep(const std::string& who, const StorePath& path, const Decision& decision,
                          Timestamp now) {
  insert(decisions_, key_of(who, path.text()), {decision, now, decision.until});
}

void DecisionMemory::clear() {
  holdings_.clear();
  decisions_.clear();
}

template <class T>
const T* DecisionMemory::find(const Table<T>& table, const std::string& key, Timestamp now) {
  const auto known = table.find(key);
  if (known == table.end()) return nullptr;
  const At<T>& at = known->second;
  return at.since <= now && is_live(at.until, now) ? &at.value : nullptr;
}

template <class T>
void DecisionMemory::insert(Table<T>& table, const std::string& key, At<T> value) {
  if (table.size() >= kMostKept) table.clear();
  table.insert_or_assign(key, std::move(value));
}

}  // namespace grantfs
