#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "grantfs/result.h"
#include "grantfs/secret.h"
#include "grantfs/store_path.h"
#include "grantfs/timestamp.h"
#include "grantfs/token.h"

// Signed URLs: their contents, their spelling, and whether a secret made them. Whether the key of
// that secret is known and not retired, Policy says. Nothing here does I/O; any thread may call all
// of it.
namespace grantfs {

/// Bytes of HMAC-SHA256, and of MD5.
inline constexpr std::size_t kHmacBytes = 32;
inline constexpr std::size_t kMd5Bytes = 16;

using Hmac = std::array<unsigned char, kHmacBytes>;
using Md5 = std::array<unsigned char, kMd5Bytes>;

/// The bounds of the secret of a key for our own signatures. The lower one is the least that
/// HMAC-SHA256 is made for (RFC 2104, section 3).
inline constexpr std::size_t kMinSigningSecretBytes = 32;
inline constexpr std::size_t kMaxSigningSecretBytes = 1024;

/// A fresh secret from the kernel's random numbers: 52 characters of [a-z2-7], 260 bits.
Secret generate_signing_secret();

/// Whether `id` can name a signing key: 1 to 32 of [A-Za-z0-9].
bool is_signing_key_id(std::string_view id);

/// What a signature of ours says: the bearer may read `path` and all below it until `expires`,
/// by the key of that id.
struct SignatureClaims {
  std::string key_id;
  Timestamp expires;
  /// The address or network it is bound to, as text without spaces; empty: to none.
  std::string address;
  StorePath path;

  friend bool operator==(const SignatureClaims&, const SignatureClaims&) = default;
  friend auto operator<=>(const SignatureClaims&, const SignatureClaims&) = default;
};

/// The one component below by-signature: base64url without padding (RFC 4648, section 5) of
/// HMAC-SHA256(secret, payload) followed by the payload, which is
///
///     KEY-ID SPACE EXPIRES SPACE ADDRESS SPACE PATH
///
/// with EXPIRES in decimal Unix seconds and ADDRESS "-" where there is none. Each token has one
/// spelling: unused bits, padding, leading zeros and paths that are not canonical are refused.
class Signature {
 public:
  /// kInvalid, in general terms, unless the token is well formed; it says nothing of who made it.
  static Result<Signature> parse(std::string_view token);

  const SignatureClaims& claims() const { return claims_; }
  /// The SHA-256 of the token, by which it may be known and named.
  const TokenHash& id() const { return id_; }
  /// Whether the key of this secret made it. In constant time.
  bool is_by(std::string_view secret) const;

  friend bool operator==(const Signature& a, const Signature& b) { return a.id_ == b.id_; }
  friend auto operator<=>(const Signature& a, const Signature& b) { return a.id_ <=> b.id_; }

 private:
  Signature(SignatureClaims claims, const Hmac& mac, TokenHash id)
      : claims_(std::move(claims)), mac_(mac), id_(std::move(id)) {}

  SignatureClaims claims_;
  Hmac mac_;
  TokenHash id_;
};

/// The token that makes these claims. kInvalid, saying what to do, if a claim cannot be made, above
/// all if the path is too long for a name of 255 bytes.
Result<Secret> sign(const SignatureClaims& claims, std::string_view secret);

/// An expiry as nginx's secure_link takes it (ngx_atotm): decimal Unix seconds, more than 0, with
/// any number of leading zeros, which are part of what was hashed.
struct Md5Expires {
  Timestamp time;
  std::uint8_t leading_zeros = 0;

  /// None for what nginx takes for no time, for more than 254 zeros, and beyond kLastTimestamp.
  static std::optional<Md5Expires> parse(std::string_view text);
  std::string text() const;

  friend bool operator==(const Md5Expires&, const Md5Expires&) = default;
  friend auto operator<=>(const Md5Expires&, const Md5Expires&) = default;
};

/// The first two components below by-md5: until when, and the MD5 that nginx's secure_link would
/// compare. Which file they open shows only when the whole URI is there.
struct Md5Mark {
  Md5Expires expires;
  Md5 md5{};

  /// 22 characters of base64url, as nginx's ngx_decode_base64url() takes them: the unused bits of
  /// the last may be set, and behind a '=' stands what it will, up to 24 characters in all.
  static std::optional<Md5> parse_md5(std::string_view text);
  static Secret spell(const Md5& md5);

  friend bool operator==(const Md5Mark&, const Md5Mark&) = default;
  friend auto operator<=>(const Md5Mark&, const Md5Mark&) = default;
};

/// A folder can be signed if it is the one of the key's prefix, or fewer than this many levels
/// below it. The bound limits how many MD5s the daemon computes for a URI that somebody made up.
inline constexpr std::size_t kMaxSignedFolders = 16;

/// An expression of nginx's directive secure_link_md5, with the variable $secret where the
/// configuration has the secret itself; ${name} is $name, as in nginx. The expiry is
/// $secure_link_expires or $arg_NAME, whatever the argument is called. In place of $uri there may
/// be $folder: the URI of any folder that the file lies in, without a slash at its end, so that one
/// signature is for all that is in it.
class Md5Expression {
 public:
  /// What the documentation of ngx_http_secure_link_module shows.
  static constexpr std::string_view kDocumented = "$secure_link_expires$uri$remote_addr $secret";

  /// kInvalid for a variable that is none of these, for two names of the expiry, and unless the
  /// secret, the expiry, and one of $uri and $folder are there: without them, whoever has one URL
  /// could make others.
  static Result<Md5Expression> parse(std::string_view text);

  const std::string& text() const { return text_; }
  bool is_bound_to_an_address() const;
  /// Whether it signs folders.
  bool is_of_folders() const;
  /// The MD5 for this URI, or this folder (decoded, as $uri is; with its leading slash). None if
  /// MD5 is not to be had. `address` stands for $remote_addr.
  std::optional<Md5> digest(const Md5Expires& expires, std::string_view uri,
                            std::string_view address, std::string_view secret) const;

 private:
  explicit Md5Expression(std::string_view text) : text_(text) {}
  bool has(std::string_view variable) const;

  std::string text_;
};

/// The prefix of URIs in the form in which two of them are compared: without a slash at its end.
std::string_view bare_prefix(std::string_view uri_prefix);

/// The path in the store that a URI (with its leading slash) stands for, where `uri_prefix` stands
/// for the folder `base`; none for any other URI, and for the folder's own.
std::optional<StorePath> path_of_uri(std::string_view uri, std::string_view uri_prefix,
                                     const StorePath& base);

}  // namespace grantfs
