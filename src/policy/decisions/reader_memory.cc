// What a Reader remembers of the commit it read last; see reader.h.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "policy/decisions/reader.h"
#include "policy/decisions/reader_impl.h"

namespace grantfs {

std::string Reader::memory_name(const Identity& identity) const {
  if (source_ != nullptr) return {};  // no decision of it outlives the request
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

std::string memory_key(const std::string& who, std::string_view path) {
  return fmt::format("{}/{}", who, path);
}

const Decision* Reader::recall(const std::string& who, const StorePath& path, Timestamp now) const {
  std::string key = memory_key(who, path.text());
  if (const Decision* known = remembered_.decision(key, now)) return known;
  // Whoever may read a folder may read what is in it, by the same rule.
  const std::size_t root = memory_key(who, "").size();
  while (key.size() > root) {
    key.resize(std::max(key.rfind('/'), root));
    const Decision* known = remembered_.decision(key, now);
    if (known != nullptr && known->access == Access::kRead) return known;
  }
  return nullptr;
}

template <class T>
const T* Reader::Remembered::find(const Table<T>& table, const std::string& key, Timestamp now) {
  const auto known = table.find(key);
  if (known == table.end()) return nullptr;
  const At<T>& at = known->second;
  return at.since <= now && is_live(at.until, now) ? &at.value : nullptr;
}

template <class T>
void Reader::Remembered::keep(Table<T>& table, const std::string& key, At<T> value) {
  if (table.size() >= kMostKept) table.clear();
  table.insert_or_assign(key, std::move(value));
}

const Reader::Holdings* Reader::Remembered::holdings(const std::string& who, Timestamp now) const {
  return find(holdings_, who, now);
}

const Decision* Reader::Remembered::decision(const std::string& who_and_where,
                                             Timestamp now) const {
  return find(decisions_, who_and_where, now);
}

void Reader::Remembered::keep(const std::string& who, const Holdings& holdings, Timestamp now) {
  Expiry until;
  for (const Holding& holding : holdings) until = earlier(until, holding.until);
  keep(holdings_, who, {holdings, now, until});
}

void Reader::Remembered::keep(const std::string& who_and_where, const Decision& decision,
                              Timestamp now) {
  keep(decisions_, who_and_where, {decision, now, decision.until});
}

}  // namespace grantfs
