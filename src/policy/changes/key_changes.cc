#include "policy/changes/key_changes.h"

#include <sodium.h>

#include <array>

#include "base/quote.h"
#include "grantfs/uri_prefix.h"
#include "policy/decisions/signatures/key_ring.h"
#include "values/expiry.h"

namespace grantfs {
namespace {

/// Makes an id of eight characters of [a-z2-7]. It is short, since every signature of the key holds
/// the id.
std::string generate_key_id() {
  constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
  std::array<unsigned char, 8> random{};
  randombytes_buf(random.data(), random.size());
  std::string id;
  for (const unsigned char byte : random) id += kAlphabet[byte % kAlphabet.size()];
  return id;
}

Result<void> check_new_key(const NewSigningKey& key) {
  if (!key.id.empty() && !is_signing_key_id(key.id)) {
    return Error{
        ErrorKind::kInvalid,
        fmt::format("{} cannot be a key's id: write 1 to 32 of A-Z a-z 0-9", quoted(key.id))};
  }
  const std::size_t least = key.expression ? 1 : kMinSigningSecretBytes;
  if (key.secret.size() < least || key.secret.size() > kMaxSigningSecretBytes) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("the secret has {} bytes; it needs {} to {}", key.secret.size(), least,
                             kMaxSigningSecretBytes)};
  }
  if (key.expression && key.uri_prefix.empty()) {
    return Error{ErrorKind::kInvalid,
                 "a key of format md5 needs the prefix of the site's URIs that it signs, beginning "
                 "with a slash"};
  }
  if (key.expression) return check_uri_prefix(key.uri_prefix);
  if (key.uri_prefix.empty()) return {};
  return Error{ErrorKind::kInvalid, "a key of format signature has no URI prefix"};
}

/// Refuses a key whose secret and prefix another key has for another place: the signatures of both
/// would lead nowhere.
Result<void> check_no_twin(ChangeConnection& connection, const NewSigningKey& key,
                           std::string_view format) {
  return connection.for_each(
      "SELECT id, path FROM signing_keys WHERE format = ?1 AND secret = ?2"
      " AND rtrim(uri_prefix, '/') = rtrim(?3, '/') AND path <> ?4 LIMIT 1",
      [&](const ChangeRow& rows) -> Result<void> {
        return Error{
            ErrorKind::kConflict,
            fmt::format("the key {} has this secret and this URI prefix already, and leads "
                        "to {}: one URL cannot lead to two places; remove that key first "
                        "with: grantctl key rm {}",
                        rows.text(0), quoted(rows.text(1)), rows.text(0))};
      },
      format, Blob{key.secret}, key.uri_prefix, key.path.spelling());
}

Error no_such_key() {
  return {ErrorKind::kNotFound, "no such signing key; see: grantctl key ls"};
}

}  // namespace

Result<std::string> KeyChanges::create_signing_key(const NewSigningKey& key) {
  if (auto fit = check_new_key(key); !fit) return fit.error();
  return connection_.write([&]() -> Result<std::string> {
    std::string id = key.id.empty() ? generate_key_id() : key.id;
    const std::string format = key.expression ? std::string(kMd5Format) + key.expression->text()
                                              : std::string(kHmacFormat);
    if (key.expression) {
      if (auto alone = check_no_twin(connection_, key, format); !alone) return alone.error();
    }
    auto added = connection_.change(
        "INSERT INTO signing_keys (id, format, uri_prefix, path, secret, created)"
        " VALUES (?1, ?2, nullif(?3, ''), ?4, ?5, ?6) ON CONFLICT (id) DO NOTHING",
        id, format, key.uri_prefix, key.path.spelling(), Blob{key.secret},
        unix_seconds(connection_.now()));
    if (!added) return added.error();
    if (*added == 0) {
      return Error{ErrorKind::kConflict,
                   fmt::format("there is a key {} already; choose another id, or remove it first "
                               "with: grantctl key rm {}",
                               id, id)};
    }
    return id;
  });
}

Result<SigningKey> signing_key_row(const ChangeRow& row) {
  auto path = path_column(row, 3);
  if (!path) return path.error();
  SigningKey key{std::string(row.text(0)),     {},
                 std::string(row.text(2)),     std::move(*path),
                 to_timestamp(row.integer(4)), expiry_column(row, 5)};
  const std::string_view format = row.text(1);
  if (format.starts_with(kMd5Format)) key.expression = format.substr(kMd5Format.size());
  return key;
}

Result<std::vector<SigningKey>> KeyChanges::signing_keys() {
  return connection_.read([&]() -> Result<std::vector<SigningKey>> {
    std::vector<SigningKey> found;
    auto done = connection_.for_each(
        "SELECT id, format, uri_prefix, path, created, retired FROM signing_keys"
        " ORDER BY created, id",
        [&](const ChangeRow& row) -> Result<void> {
          auto key = signing_key_row(row);
          if (!key) return key.error();
          found.push_back(std::move(*key));
          return {};
        });
    if (!done) return done.error();
    return found;
  });
}

Result<RowCounts> KeyChanges::retire_signing_key(std::string_view id, Timestamp when) {
  return connection_.write([&]() -> Result<RowCounts> {
    RowCounts counts;
    auto done = connection_.count_change(counts.signing_keys,
                                         "UPDATE signing_keys SET retired = ?2 WHERE id = ?1", id,
                                         unix_seconds(when));
    if (!done) return done.error();
    return counts;
  });
}

Result<RowCounts> KeyChanges::remove_signing_key(std::string_view id) {
  return connection_.write([&]() -> Result<RowCounts> {
    RowCounts counts;
    auto done =
        connection_.count_change(counts.signing_keys, "DELETE FROM signing_keys WHERE id = ?1", id);
    if (!done) return done.error();
    return counts;
  });
}

Result<UsableSigningKey> KeyChanges::usable_signing_key(std::string_view id) {
  return connection_.read([&]() -> Result<UsableSigningKey> {
    std::optional<UsableSigningKey> key;
    auto done = connection_.for_each(
        "SELECT id, format, uri_prefix, path, secret, retired FROM signing_keys WHERE id = ?1",
        [&](const ChangeRow& rows) -> Result<void> {
          auto path = path_column(rows, 3);
          if (!path) return path.error();
          key = UsableSigningKey{std::string(rows.text(0)), {},           std::string(rows.text(2)),
                                 std::move(*path),          rows.blob(4), expiry_column(rows, 5)};
          const std::string_view format = rows.text(1);
          if (!format.starts_with(kMd5Format)) return {};
          auto expression = Md5Expression::parse(format.substr(kMd5Format.size()));
          if (!expression) return expression.error();
          key->expression = std::move(*expression);
          return {};
        },
        id);
    if (!done) return done.error();
    if (!key) return no_such_key();
    return std::move(*key);
  });
}

}  // namespace grantfs
