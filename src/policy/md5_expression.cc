#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <memory>

#include "base/quote.h"
#include "grantfs/signature.h"

namespace grantfs {
namespace {

constexpr std::string_view kExpires = "secure_link_expires";
constexpr std::string_view kUri = "uri";
constexpr std::string_view kAddress = "remote_addr";
constexpr std::string_view kSecret = "secret";

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// A variable's name (without '$'), or a piece of text.
struct Piece {
  bool is_variable;
  std::string_view text;
};

/// Takes the first piece off. A variable without a name is how a lone '$' shows.
Piece take_piece(std::string_view& rest) {
  if (rest.front() != '$') {
    const Piece piece{false, rest.substr(0, rest.find('$'))};
    rest.remove_prefix(piece.text.size());
    return piece;
  }
  rest.remove_prefix(1);
  const bool braced = rest.starts_with('{');
  if (braced) rest.remove_prefix(1);
  std::size_t size = 0;
  while (size < rest.size() && is_name_character(rest[size])) ++size;
  const auto name = rest.substr(0, size);
  rest.remove_prefix(size);
  if (!braced) return {true, name};
  if (!rest.starts_with('}')) return {true, {}};
  rest.remove_prefix(1);
  return {true, name};
}

/// Never freed, and fetched once: looking for it takes longer than using it. The system's
/// configuration of OpenSSL is not read: what MD5 is does not depend on it.
const EVP_MD* md5_algorithm() {
  static const EVP_MD* const algorithm = [] {
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, nullptr);
    return EVP_MD_fetch(nullptr, "MD5", nullptr);
  }();
  return algorithm;
}

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

}  // namespace

Result<Md5Expression> Md5Expression::parse(std::string_view text) {
  bool has_expires = false;
  bool has_uri = false;
  bool has_secret = false;
  for (std::string_view rest = text; !rest.empty();) {
    const Piece piece = take_piece(rest);
    if (!piece.is_variable) continue;
    has_expires |= piece.text == kExpires;
    has_uri |= piece.text == kUri;
    has_secret |= piece.text == kSecret;
    if (piece.text != kExpires && piece.text != kUri && piece.text != kAddress &&
        piece.text != kSecret) {
      return Error{
          ErrorKind::kInvalid,
          fmt::format("an expression has the variables $secure_link_expires, $uri, $remote_addr "
                      "and $secret, and not {}",
                      quoted("$" + std::string(piece.text)))};
    }
  }
  if (!has_expires || !has_uri || !has_secret) {
    return Error{
        ErrorKind::kInvalid,
        fmt::format("{} lacks {}: without it, whoever has one URL could make others", quoted(text),
                    !has_secret ? "$secret, in the place of the secret itself"
                    : !has_uri  ? "$uri"
                                : "$secure_link_expires")};
  }
  return Md5Expression(text);
}

bool Md5Expression::is_bound_to_an_address() const {
  for (std::string_view rest = text_; !rest.empty();) {
    if (const Piece piece = take_piece(rest); piece.is_variable && piece.text == kAddress) {
      return true;
    }
  }
  return false;
}

std::optional<Md5> Md5Expression::digest(Timestamp expires, std::string_view uri,
                                         std::string_view address, std::string_view secret) const {
  const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  if (context == nullptr || md5_algorithm() == nullptr ||
      EVP_DigestInit_ex2(context.get(), md5_algorithm(), nullptr) != 1) {
    return std::nullopt;
  }
  const std::string until = std::to_string(expires.time_since_epoch().count());
  for (std::string_view rest = text_; !rest.empty();) {
    const Piece piece = take_piece(rest);
    const std::string_view value = !piece.is_variable       ? piece.text
                                   : piece.text == kExpires ? std::string_view(until)
                                   : piece.text == kUri     ? uri
                                   : piece.text == kAddress ? address
                                                            : secret;
    if (EVP_DigestUpdate(context.get(), value.data(), value.size()) != 1) return std::nullopt;
  }
  Md5 md5{};
  unsigned int size = 0;
  if (EVP_DigestFinal_ex(context.get(), md5.data(), &size) != 1 || size != md5.size()) {
    return std::nullopt;
  }
  return md5;
}

std::string_view bare_prefix(std::string_view uri_prefix) {
  if (uri_prefix.ends_with('/')) uri_prefix.remove_suffix(1);
  return uri_prefix;
}

std::optional<StorePath> path_of_uri(std::string_view uri, std::string_view uri_prefix,
                                     const StorePath& base) {
  const std::string_view prefix = bare_prefix(uri_prefix);
  if (!uri.starts_with(prefix)) return std::nullopt;
  std::string_view rest = uri.substr(prefix.size());
  if (!rest.starts_with('/')) return std::nullopt;
  rest.remove_prefix(1);
  if (rest.empty()) return std::nullopt;
  std::string path = base.text();
  if (!path.empty()) path += '/';
  auto parsed = StorePath::parse(path.append(rest));
  // The URI "/prefix/." names nothing, whatever the spelling of the whole store.
  if (!parsed || parsed->is_root()) return std::nullopt;
  return std::move(*parsed);
}

}  // namespace grantfs
