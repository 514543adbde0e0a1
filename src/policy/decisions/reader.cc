#include "policy/decisions/reader.h"

#include <algorithm>
#include <iterator>

#include "policy/feed/feed.h"

namespace grantfs {

Reader::Reader(std::unique_ptr<DecisionDatabase> database, db::Preparer& prepare)
    : database_(std::move(database)),
      identities_(*database_, prepare),
      rules_(*database_, prepare),
      listings_(*database_, rules_),
      explainer_(*database_, identities_, rules_, prepare),
      signatures_(prepare) {}

Result<std::unique_ptr<Reader>> Reader::open(const PolicyOptions& options,
                                             DatabaseFiles::File file) {
  auto database = DecisionDatabase::open(options, file);
  if (!database) return database.error();
  db::Preparer prepare((*database)->connection());
  std::unique_ptr<Reader> reader(new Reader(std::move(*database), prepare));
  if (!prepare.done()) return prepare.done().error();
  return reader;
}

Result<DecisionDatabase::Snapshot> Reader::snapshot(int patience) {
  auto held = database_->snapshot(patience);
  if (held && held->is_anew) {
    memory_.clear();
    signatures_.clear();
  }
  return held;
}

DecisionMemory::Name Reader::memory_name(const Identity& identity) const {
  if (database_->source() != nullptr) return {};  // no decision of a source outlives the request
  return DecisionMemory::name_of(identity);
}

Result<const Holdings*> Reader::holdings(const Identity& identity, Timestamp now) {
  const DecisionMemory::Name name = memory_name(identity);
  if (name) {
    if (const Holdings* known = memory_.holdings(name, now)) return known;
  }
  auto found = identities_.holdings(identity, now, Identities::Expired::kIgnore);
  if (!found) return found.error();
  found_ = std::move(*found);
  if (name && !found_.empty()) memory_.keep(name, found_, now);
  return &found_;
}

Result<Decision> Reader::decide(const Identity& identity, const StorePath& path) {
  const DecisionMemory::Name name = memory_name(identity);
  if (name && database_->is_unchanged()) {
    if (const Decision* known = memory_.decision(name, path, database_->now())) return *known;
  }
  auto held = snapshot();
  if (!held) return held.error();
  return decide_at(identity, path, database_->now());
}

std::string_view Reader::known_at(const StorePath& path, const Decision& decision,
                                  std::size_t least) {
  const std::string_view text = path.text();
  if (decision.access != Access::kRead) return text;
  return text.substr(0, std::max(decision.rule_path_bytes, least));
}

Result<Decision> Reader::decide_at(const Identity& identity, const StorePath& path, Timestamp now) {
  const DecisionMemory::Name name = memory_name(identity);
  if (name) {
    if (const Decision* known = memory_.decision(name, path, now)) return *known;
  }
  if (const auto* bearer = std::get_if<Md5Bearer>(&identity)) {
    return signatures_.decide(*bearer, path, now);
  }
  if (const auto* bearer = std::get_if<SignatureBearer>(&identity)) {
    auto decision = signatures_.decide(*bearer, path, now);
    if (decision && decision->access != Access::kClosed && name) {
      memory_.keep(name, known_at(path, *decision), *decision, now);
    }
    return decision;
  }
  auto who = holdings(identity, now);
  if (!who) return who.error();
  if ((*who)->empty()) return Decision{Access::kClosed, {}};

  std::optional<Explanation::Link> link;
  if (const auto* bearer = std::get_if<LinkBearer>(&identity)) {
    auto found = identities_.find_link(bearer->link);
    if (!found) return found.error();
    link = std::move(*found);
  }
  auto decision =
      link ? rules_.decide_by_link(*link, **who, path, now) : rules_.decide(**who, path, now);
  // Names that are not there can be made up without end.
  if (decision && name && decision->access != Access::kNone) {
    const std::size_t least = link ? link->path.text().size() : 0;
    memory_.keep(name, known_at(path, *decision, least), *decision, now);
  }
  return decision;
}

Result<ViewRoot> Reader::view_root(const Identity& identity) {
  auto held = snapshot();
  if (!held) return held.error();
  StorePath root;
  if (const auto* bearer = std::get_if<LinkBearer>(&identity)) {
    auto link = identities_.find_link(bearer->link);
    if (!link) return link.error();
    if (*link) root = (*link)->path.parent();
  }
  if (const auto* bearer = std::get_if<SignatureBearer>(&identity)) {
    root = bearer->signature.claims().path.parent();
  }
  const Timestamp now = database_->now();
  auto decision = decide_at(identity, root, now);
  if (!decision) return decision.error();
  ViewRoot view{*decision, std::move(root)};
  if (std::holds_alternative<SystemUser>(identity)) return view;
  auto who = holdings(identity, now);
  if (!who) return who.error();
  if ((*who)->empty()) return view;
  auto principal = Principal::parse((*who)->front().principal);
  if (!principal) return database_->damaged(principal.error().message);
  view.principal = std::move(*principal);
  return view;
}

Result<bool> Reader::has_expired(const TokenHash& token) {
  auto held = snapshot();
  if (!held) return held.error();
  const Timestamp now = database_->now();
  auto session = identities_.find_session(token);
  if (!session) return session.error();
  auto link = identities_.find_link(token);
  if (!link) return link.error();
  return (*session && !is_live((*session)->expires, now)) ||
         (*link && !is_live((*link)->expires, now));
}

Result<bool> Reader::has_expired(const Signature& signature) {
  auto held = snapshot();
  if (!held) return held.error();
  return signatures_.has_expired(signature, database_->now());
}

Result<Decision> Reader::expired(const Md5Bearer& bearer, const StorePath& uri) {
  auto held = snapshot();
  if (!held) return held.error();
  return signatures_.expired(bearer, uri, database_->now());
}

Result<bool> Reader::knows_link(const TokenHash& id) {
  auto held = snapshot();
  if (!held) return held.error();
  auto link = identities_.find_link(id);
  if (!link) return link.error();
  return link->has_value();
}

Result<std::vector<Principal>> Reader::count_as(const Principal& principal, std::size_t most) {
  auto held = snapshot();
  if (!held) return held.error();
  return identities_.count_as(principal, most);
}

Result<Listing> Reader::list(const Identity& identity, const StorePath& folder) {
  constexpr int kPatience = 10;
  auto held = snapshot(kPatience);
  if (!held) return held.error();
  const Timestamp now = database_->now();
  if (const auto* bearer = std::get_if<SignatureBearer>(&identity)) {
    return signatures_.list(*bearer, folder, now);
  }
  auto who = holdings(identity, now);
  if (!who) return who.error();
  if ((*who)->empty()) return Listing{Access::kClosed, {}};
  const auto* bearer = std::get_if<LinkBearer>(&identity);
  if (bearer == nullptr) return listings_.list(**who, folder, now);
  auto link = identities_.find_link(bearer->link);
  if (!link) return link.error();
  if (!*link) return Listing{Access::kClosed, {}};
  return listings_.list_by_link(**link, **who, folder, now);
}

Result<Explanation> Reader::explain(const Identity& identity, const StorePath& path) {
  auto held = snapshot();
  if (!held) return held.error();
  const Timestamp now = database_->now();
  if (const auto* bearer = std::get_if<SignatureBearer>(&identity)) {
    return signatures_.explain(*bearer, path, now);
  }
  return explainer_.explain(identity, path, now);
}

Result<std::array<unsigned char, 16>> Reader::inode_key() {
  return database_->inode_key();
}

Result<std::vector<std::string>> Reader::source_advice() {
  if (database_->source() == nullptr) return std::vector<std::string>();
  return database_->source()->advice();
}

Result<std::vector<std::string>> Reader::query_plans() {
  std::vector<std::string_view> all;
  for (const auto& statements :
       {Identities::statements(), Rules::statements(), Explainer::statements(), Feed::statements(),
        KeyRing::statements()}) {
    std::ranges::copy(statements, std::back_inserter(all));
  }
  return database_->query_plans(all);
}

}  // namespace grantfs
