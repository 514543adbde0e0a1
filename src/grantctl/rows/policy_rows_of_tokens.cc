// How RowReader reads links and signing keys; see policy_rows.h.
#include <fmt/core.h>

#include "base/hex.h"
#include "base/parse_integer.h"
#include "base/quote.h"
#include "grantctl/rows/policy_rows.h"
#include "grantfs/address.h"
#include "grantfs/admin.h"
#include "grantfs/uri_prefix.h"

namespace grantctl {

using grantfs::KeyRow;
using grantfs::LinkRow;
using grantfs::quoted;
using grantfs::Result;
using grantfs::Secret;

namespace {

constexpr std::string_view kHmacFormat = "hmac-sha256";  // the schema's spelling
constexpr std::string_view kMd5Format = "md5:";

}  // namespace

Result<std::string> RowReader::read_address() const {
  auto text = value(kAddress);
  if (!text) return text.error();
  if (!*text) return std::string();
  auto network = grantfs::Network::parse(**text);
  if (network) return network->text();
  return at_row(
      fmt::format("address {}: write an address or a network (192.0.2.0/24)", quoted(**text)));
}

Result<std::optional<std::int64_t>> RowReader::read_uses() const {
  using Answer = std::optional<std::int64_t>;
  auto text = value(kUses);
  if (!text) return text.error();
  if (!*text) return Answer();
  const auto uses = grantfs::parse_integer<std::int64_t>(**text);
  if (uses && *uses >= 1 && *uses <= grantfs::kMostLinkUses) return uses;
  return at_row(fmt::format("uses {}: write 1 to {}", quoted(**text), grantfs::kMostLinkUses));
}

Result<std::string> RowReader::read_label() const {
  auto text = value(kLabel);
  if (!text) return text.error();
  if (!*text) return std::string();
  if (auto fit = grantfs::check_link_label(**text); !fit) return at_row(fit.error().message);
  return std::string(**text);
}

Result<LinkRow> RowReader::read_link() const {
  auto text = needed(kId);
  if (!text) return text.error();
  auto id = grantfs::TokenHash::parse(*text);
  if (!id) {
    return at_row(fmt::format("id {}: write the SHA-256 of the link's token, 64 digits of 0-9 a-f",
                              quoted(*text)));
  }
  auto address = read_address();
  if (!address) return address.error();
  auto uses = read_uses();
  if (!uses) return uses.error();
  auto created = read_time(kCreated);
  if (!created) return created.error();
  auto label = read_label();
  if (!label) return label.error();
  return LinkRow{std::move(*id), std::move(*address), *uses, *created, std::move(*label)};
}

Result<std::string> RowReader::read_format() const {
  auto text = needed(kFormat);
  if (!text) return text.error();
  if (*text == kHmacFormat) return std::string(*text);
  if (!text->starts_with(kMd5Format)) {
    return at_row(fmt::format("format {}: write {}, or {} and the expression", quoted(*text),
                              kHmacFormat, kMd5Format));
  }
  auto expression = grantfs::Md5Expression::parse(text->substr(kMd5Format.size()));
  if (!expression) return at_row("format: " + expression.error().message);
  return std::string(*text);
}

Result<std::string> RowReader::read_uri_prefix(bool must_be) const {
  auto text = value(kUriPrefix);
  if (text && !*text && must_be) {
    auto missing = needed(kUriPrefix);
    if (!missing) return missing.error();
  }
  if (!text) return text.error();
  if (!*text) return std::string();
  if (auto fit = grantfs::check_uri_prefix(**text); !fit) {
    return at_row("uri_prefix: " + fit.error().message);
  }
  return std::string(**text);
}

Result<Secret> RowReader::read_secret(std::size_t least) const {
  auto text = needed(kSecret);
  if (!text) return text.error();
  auto secret = grantfs::bytes_of_hex<Secret>(*text);
  // No message repeats the secret, even a wrong one.
  if (!secret) return at_row("secret: write its bytes in hexadecimal, two digits each");
  const std::size_t size = secret->size();
  if (size >= least && size <= grantfs::kMaxSigningSecretBytes) return std::move(*secret);
  return at_row(fmt::format("secret: it has {} bytes, and needs {} to {}", size, least,
                            grantfs::kMaxSigningSecretBytes));
}

Result<KeyRow> RowReader::read_key() const {
  auto id = needed(kId);
  if (!id) return id.error();
  if (!grantfs::is_signing_key_id(*id)) {
    return at_row(fmt::format("id {}: write 1 to 32 of A-Z a-z 0-9", quoted(*id)));
  }
  KeyRow key{std::string(*id), {}};
  auto format = read_format();
  if (!format) return format.error();
  const bool md5 = *format != kHmacFormat;
  auto uri_prefix = read_uri_prefix(/*must_be=*/md5);
  if (!uri_prefix) return uri_prefix.error();
  auto secret = read_secret(md5 ? 1 : grantfs::kMinSigningSecretBytes);
  if (!secret) return secret.error();
  auto retired = read_time(kRetired);
  if (!retired) return retired.error();
  auto created = read_time(kCreated);
  if (!created) return created.error();
  key.format = std::move(*format);
  key.uri_prefix = std::move(*uri_prefix);
  key.secret = std::move(*secret);
  key.created = *created;
  key.retired = *retired;
  return key;
}

}  // namespace grantctl
