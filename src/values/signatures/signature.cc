#include "grantfs/signature.h"

#include <fmt/core.h>
#include <sodium.h>

#include <algorithm>
#include <limits>

#include "base/parse_integer.h"
#include "base/quote.h"
#include "values/random_text.h"

namespace grantfs {
namespace {

static_assert(kHmacBytes == crypto_auth_hmacsha256_BYTES);

constexpr int kBase64 = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
constexpr std::string_view kNoAddress = "-";
constexpr std::size_t kMaxKeyIdBytes = 32;

Error malformed() {
  return {ErrorKind::kInvalid, "not a signature: it has not the form that grantctl sign gives it"};
}

Secret to_base64(std::string_view bytes) {
  Secret text;
  text.resize(sodium_base64_encoded_len(bytes.size(), kBase64));
  sodium_bin2base64(text.bytes().data(), text.size(),
                    reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), kBase64);
  text.resize(text.size() - 1);  // the terminating zero
  return text;
}

/// Decodes base64url. Returns none unless `text` is exactly what to_base64() makes of the bytes, so
/// that each signature has one text.
std::optional<Secret> from_base64(std::string_view text) {
  Secret bytes;
  bytes.resize(text.size());
  std::size_t size = 0;
  if (sodium_base642bin(reinterpret_cast<unsigned char*>(bytes.bytes().data()), bytes.size(),
                        text.data(), text.size(), nullptr, &size, nullptr, kBase64) != 0) {
    return std::nullopt;
  }
  bytes.resize(size);
  if (to_base64(bytes.view()).view() != text) return std::nullopt;
  return bytes;
}

Hmac hmac_of(std::string_view payload, std::string_view secret) {
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, reinterpret_cast<const unsigned char*>(secret.data()),
                              secret.size());
  crypto_auth_hmacsha256_update(&state, reinterpret_cast<const unsigned char*>(payload.data()),
                                payload.size());
  Hmac mac{};
  crypto_auth_hmacsha256_final(&state, mac.data());
  sodium_memzero(&state, sizeof state);
  return mac;
}

std::string payload_of(const SignatureClaims& claims) {
  return fmt::format("{} {} {} {}", claims.key_id, claims.expires.time_since_epoch().count(),
                     claims.address.empty() ? kNoAddress : std::string_view(claims.address),
                     claims.path.spelling());
}

/// Takes the text up to the next space, and the space. Returns none if there is no space.
std::optional<std::string_view> take_word(std::string_view& text) {
  const auto space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const auto word = text.substr(0, space);
  text.remove_prefix(space + 1);
  return word;
}

/// Whether all characters may stand in an address or a network, as in the schema's CHECK on
/// links.address.
bool is_address_text(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef.:/") == std::string_view::npos;
}

/// Reads decimal Unix seconds. Leading zeros are not checked here.
std::optional<Timestamp> parse_seconds(std::string_view text) {
  const auto seconds = parse_integer<std::int64_t>(text);
  if (!seconds || text.starts_with('-')) return std::nullopt;
  const Timestamp time{std::chrono::seconds{*seconds}};
  if (time > kLastTimestamp) return std::nullopt;
  return time;
}

std::optional<SignatureClaims> claims_in(std::string_view payload) {
  const auto key_id = take_word(payload);
  const auto expires = take_word(payload);
  const auto address = take_word(payload);
  if (!key_id || !expires || !address) return std::nullopt;
  const bool has_one_spelling = !expires->starts_with('0') || *expires == "0";
  const auto until = has_one_spelling ? parse_seconds(*expires) : std::nullopt;
  auto path = StorePath::parse(payload);
  const bool bound = *address != kNoAddress;
  if (!is_signing_key_id(*key_id) || !until || address->empty() || !path ||
      (bound && !is_address_text(*address))) {
    return std::nullopt;
  }
  return SignatureClaims{std::string(*key_id), *until, std::string(bound ? *address : ""),
                         std::move(*path)};
}

}  // namespace

Secret generate_signing_secret() {
  constexpr std::size_t kCharacters = 52;
  return random_text(kCharacters);
}

bool is_signing_key_id(std::string_view id) {
  return !id.empty() && id.size() <= kMaxKeyIdBytes && std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  });
}

Result<Signature> Signature::parse(std::string_view token) {
  if (token.size() > StorePath::kMaxNameBytes) return malformed();
  const auto bytes = from_base64(token);
  if (!bytes || bytes->size() < kHmacBytes) return malformed();
  auto claims = claims_in(bytes->view().substr(kHmacBytes));
  if (!claims) return malformed();
  Hmac mac{};
  std::copy_n(bytes->view().begin(), mac.size(), mac.begin());
  return Signature(std::move(*claims), mac, TokenHash::of(token));
}

bool Signature::is_by(std::string_view secret) const {
  // The claims have one spelling, so the signed text can be made from them again.
  Hmac expected = hmac_of(payload_of(claims_), secret);
  const bool same = sodium_memcmp(expected.data(), mac_.data(), mac_.size()) == 0;
  sodium_memzero(expected.data(), expected.size());  // secret: it is a valid signature
  return same;
}

Result<Secret> sign(const SignatureClaims& claims, std::string_view secret) {
  const std::string payload = payload_of(claims);
  if (claims_in(payload) != claims) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("cannot be signed: the key id {}, the address {}, or the time",
                             quoted(claims.key_id), quoted(claims.address))};
  }
  Hmac mac = hmac_of(payload, secret);
  const Secret bytes =
      Secret::joined({{reinterpret_cast<const char*>(mac.data()), mac.size()}, payload});
  sodium_memzero(mac.data(), mac.size());
  Secret token = to_base64(bytes.view());
  if (token.size() > StorePath::kMaxNameBytes) {
    const std::size_t others = bytes.size() - claims.path.spelling().size();
    const std::size_t most = StorePath::kMaxNameBytes * 3 / 4 - others;
    return Error{ErrorKind::kInvalid,
                 fmt::format("{} has {} bytes, and {} are the most that this signature has room "
                             "for, since it is one name of 255; sign a folder above it, or make a "
                             "link",
                             quoted(claims.path.spelling()), claims.path.spelling().size(), most)};
  }
  return token;
}

std::optional<Md5Expires> Md5Expires::parse(std::string_view text) {
  const auto zeros = std::min(text.find_first_not_of('0'), text.size());
  const auto time = parse_seconds(text.substr(zeros));
  if (!time || zeros >= std::numeric_limits<std::uint8_t>::max()) return std::nullopt;
  return Md5Expires{*time, static_cast<std::uint8_t>(zeros)};
}

std::string Md5Expires::text() const {
  return std::string(leading_zeros, '0') + std::to_string(time.time_since_epoch().count());
}

std::optional<Md5> Md5Mark::parse_md5(std::string_view text) {
  constexpr std::size_t kCharacters = 22;  // base64url of 16 bytes has 22 characters
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  if (text.size() > kCharacters + 2) return std::nullopt;
  std::string spelt(text.substr(0, text.find('=')));
  const auto last = spelt.size() == kCharacters ? kAlphabet.find(spelt.back()) : kAlphabet.npos;
  if (last == kAlphabet.npos) return std::nullopt;
  spelt.back() = kAlphabet[last & ~std::size_t{0xF}];  // four of the six bits are unused
  const auto bytes = from_base64(spelt);
  Md5 md5{};
  if (!bytes || bytes->size() != md5.size()) return std::nullopt;
  std::ranges::copy(bytes->view(), md5.begin());
  return md5;
}

Secret Md5Mark::spell(const Md5& md5) {
  return to_base64({reinterpret_cast<const char*>(md5.data()), md5.size()});
}

}  // namespace grantfs
