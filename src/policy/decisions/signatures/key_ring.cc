#include "policy/decisions/signatures/key_ring.h"

#include <sodium.h>

#include <algorithm>

namespace grantfs {
namespace {

constexpr std::string_view kById =
    "SELECT path, secret, retired, uri_prefix, format FROM signing_keys WHERE id = ?1";
// Every key, in the order of the primary key: there are few.
constexpr std::string_view kAll =
    "SELECT path, secret, retired, uri_prefix, format FROM signing_keys WHERE id > ?1 ORDER BY id";

Timestamp first_end(Timestamp expires, const Expiry& retired) {
  return retired ? std::min(expires, *retired) : expires;
}

}  // namespace

KeyRing::KeyRing(db::Preparer& prepare) : by_id_(prepare(kById)), all_(prepare(kAll)) {}

std::vector<std::string_view> KeyRing::statements() {
  return {kById, kAll};
}

void KeyRing::clear() {
  hmac_.clear();
  md5_.reset();
}

std::optional<KeyRing::Key> KeyRing::key_in(const db::Rows& rows) {
  auto path = StorePath::parse(rows.text(0));
  if (!path) return std::nullopt;
  Key key{std::move(*path), Secret(rows.text(1)), {}, std::string(rows.text(3)), {}};
  if (const auto retired = rows.maybe_integer(2)) {
    key.retired = Timestamp{std::chrono::seconds{*retired}};
  }
  const std::string_view format = rows.text(4);
  if (format == kHmacFormat) return key;
  if (!format.starts_with(kMd5Format) || !key.uri_prefix.starts_with('/')) return std::nullopt;
  auto expression = Md5Expression::parse(format.substr(kMd5Format.size()));
  if (!expression) return std::nullopt;
  key.expression = std::move(*expression);
  return key;
}

Result<std::optional<Signed>> KeyRing::verify(const Signature& signature) {
  using Answer = std::optional<Signed>;
  const SignatureClaims& claims = signature.claims();
  auto known = hmac_.find(claims.key_id);
  if (known == hmac_.end()) {
    db::Rows rows = by_id_.run(claims.key_id);
    auto row = rows.next();
    if (!row) return row.error();
    if (!*row) return Answer();
    auto key = key_in(rows);
    if (!key || key->expression) return Answer();
    known = hmac_.emplace(claims.key_id, std::move(*key)).first;
  }
  const Key& key = known->second;
  if (!signature.is_by(key.secret.view()) || !key.path.covers(claims.path)) return Answer();
  return Answer(
      Signed{claims.path, first_end(claims.expires, key.retired), 0, rule_hash(key.path.text())});
}

Result<const KeyRing::Prefixes*> KeyRing::md5_prefixes() {
  if (!md5_) {
    Prefixes found;
    db::Rows rows = all_.run(std::string_view());
    while (true) {
      auto row = rows.next();
      if (!row) return row.error();
      if (!*row) break;
      const std::string_view prefix = rows.text(3);
      if (!rows.text(4).starts_with(kMd5Format) || !prefix.starts_with('/')) continue;
      std::vector<Key>& keys = found[std::string(bare_prefix(prefix))];
      if (auto key = key_in(rows)) keys.push_back(std::move(*key));
    }
    md5_ = std::move(found);
  }
  return &*md5_;
}

Result<bool> KeyRing::has_md5_keys() {
  auto prefixes = md5_prefixes();
  if (!prefixes) return prefixes.error();
  return std::ranges::any_of(**prefixes, [](const auto& each) { return !each.second.empty(); });
}

const std::vector<KeyRing::Key>* KeyRing::keys_for(const Prefixes& prefixes, std::string_view uri) {
  for (std::size_t slash = uri.rfind('/'); slash != std::string_view::npos;
       slash = slash == 0 ? std::string_view::npos : uri.rfind('/', slash - 1)) {
    const auto known = prefixes.find(uri.substr(0, slash));
    if (known != prefixes.end()) return &known->second;
  }
  return nullptr;
}

std::optional<std::size_t> KeyRing::signed_bytes(const Key& key, const Md5Mark& mark,
                                                 std::string_view uri, const std::string& address) {
  std::optional<std::size_t> found;
  const auto try_one = [&](std::size_t bytes) {
    const auto md5 =
        key.expression->digest(mark.expires, uri.substr(0, bytes), address, key.secret.view());
    if (md5 && sodium_memcmp(md5->data(), mark.md5.data(), md5->size()) == 0) found = bytes;
  };
  if (!key.expression->is_of_folders()) {
    try_one(uri.size());
    return found;
  }
  std::size_t slash = bare_prefix(key.uri_prefix).size();
  for (std::size_t tried = 0; slash != uri.npos && tried < kMaxSignedFolders; ++tried) {
    try_one(slash);
    slash = uri.find('/', slash + 1);
  }
  return found;
}

Result<std::optional<Signed>> KeyRing::verify(const Md5Mark& mark, std::string_view uri,
                                              const std::optional<std::string>& address) {
  using Answer = std::optional<Signed>;
  auto prefixes = md5_prefixes();
  if (!prefixes) return prefixes.error();
  const std::vector<Key>* const keys = keys_for(**prefixes, uri);
  if (keys == nullptr) return Answer();
  Answer found;
  bool leads_to_one_place = true;
  std::size_t least = uri.size();
  for (const Key& key : *keys) {
    if (!address && key.expression->is_bound_to_an_address()) continue;
    auto path = path_of_uri(uri, key.uri_prefix, key.path);
    if (!path) continue;
    const auto bytes = signed_bytes(key, mark, uri, address.value_or(std::string()));
    if (!bytes) continue;
    least = std::min(least, *bytes);
    const Timestamp until = first_end(mark.expires.time, key.retired);
    if (found && found->path != *path) leads_to_one_place = false;
    if (!found || found->until < until) {
      found = Signed{std::move(*path), until, 0, rule_hash(key.path.text())};
    }
  }
  if (!leads_to_one_place) return Answer();
  if (found) found->uri_bytes = std::max<std::size_t>(least, 1) - 1;
  return found;
}

}  // namespace grantfs
