#include "policy/decisions/decision_memory.h"

#include <utility>

#include "base/keyed_hash.h"
#include "values/expiry.h"

namespace grantfs {

DecisionMemory::Name DecisionMemory::name_of(const Identity& identity) {
  using Kind = Name::Kind;
  const auto text_of = [](const std::optional<Address>& from) {
    return from ? from->text() : std::string();
  };
  if (const auto* bearer = std::get_if<SessionBearer>(&identity)) {
    return {Kind::kSession, bearer->session.hex(), text_of(bearer->from)};
  }
  if (const auto* bearer = std::get_if<LinkBearer>(&identity)) {
    return {Kind::kLink, bearer->link.hex(), text_of(bearer->from)};
  }
  if (const auto* bearer = std::get_if<SignatureBearer>(&identity)) {
    return {Kind::kSignature, bearer->signature.id().hex(), text_of(bearer->from)};
  }
  if (const auto* named = std::get_if<Named>(&identity)) {
    return {Kind::kPrincipal, named->principal.text()};
  }
  if (std::holds_alternative<Anyone>(identity)) return {Kind::kPrincipal, "public"};
  return {};
}

std::size_t DecisionMemory::Hash::operator()(const Question& question) const {
  constexpr std::size_t kGoldenRatio = 0x9e3779b97f4a7c15;
  return keyed_hash(question.path) ^ (keyed_hash(question.id) * kGoldenRatio);
}

const Decision* DecisionMemory::decision(const Name& who, const StorePath& path,
                                         Timestamp now) const {
  std::string_view at = path.text();
  if (const Decision* known = find(decisions_, about(who, at), now)) return known;
  while (!at.empty()) {
    const std::size_t slash = at.rfind('/');
    at = at.substr(0, slash == std::string_view::npos ? 0 : slash);
    const Decision* known = find(decisions_, about(who, at), now);
    if (known != nullptr && known->access == Access::kRead) return known;
  }
  return nullptr;
}

const Holdings* DecisionMemory::holdings(const Name& who, Timestamp now) const {
  return find(holdings_, about(who, {}), now);
}

void DecisionMemory::keep(const Name& who, const Holdings& holdings, Timestamp now) {
  Expiry until;
  for (const Holding& holding : holdings) until = earlier(until, holding.until);
  insert(holdings_, about(who, {}), {holdings, now, until});
}

void DecisionMemory::keep(const Name& who, std::string_view path, const Decision& decision,
                          Timestamp now) {
  insert(decisions_, about(who, path), {decision, now, decision.until});
}

void DecisionMemory::clear() {
  holdings_.clear();
  decisions_.clear();
}

template <class T>
const T* DecisionMemory::find(const Table<T>& table, const Question& question, Timestamp now) {
  const auto known = table.find(question);
  if (known == table.end()) return nullptr;
  const At<T>& at = known->second;
  return at.since <= now && is_live(at.until, now) ? &at.value : nullptr;
}

template <class T>
void DecisionMemory::insert(Table<T>& table, const Question& question, At<T> value) {
  if (table.size() >= kMostKept) table.clear();
  table.insert_or_assign(Key(question), std::move(value));
}

}  // namespace grantfs
