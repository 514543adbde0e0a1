#include <fmt/core.h>
#include <openssl/evp.h>

#include <array>
#include <memory>

#include "base/quote.h"
#include "grantfs/signature.h"

namespace grantfs {
namespace {

/// What the schema keeps (signing_keys.format), with "md5:" before it.
constexpr std::size_t kMaxExpressionBytes = 4092;

constexpr std::string_view kExpires = "secure_link_expires";
constexpr std::string_view kArgument = "arg_";
constexpr std::string_view kUri = "uri";
constexpr std::string_view kFolder = "folder";
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

bool is_expiry(std::string_view variable) {
  return variable == kExpires ||
         (variable.starts_with(kArgument) && variable.size() > kArgument.size());
}

bool is_known(std::string_view variable) {
  return is_expiry(variable) || variable == kUri || variable == kFolder || variable == kAddress ||
         variable == kSecret;
}

/// Takes the first piece off. A lone '$' becomes a variable with an empty name.
Piece take_piece(std::string_view& rest) {
  // cppcheck-suppress containerOutOfBounds; there is something left
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

/// OpenSSL's MD5. It is fetched once and never freed, since fetching takes longer than using it.
/// The system's configuration of OpenSSL is not read: MD5 does not depend on it.
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
  if (text.size() > kMaxExpressionBytes || text.find('\0') != std::string_view::npos) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("{} is no expression: it is longer than {} bytes, or has a zero byte",
                             quoted(text), kMaxExpressionBytes)};
  }
  Md5Expression expression(text);
  std::string_view expiry;
  for (std::string_view rest = text; !rest.empty();) {
    const Piece piece = take_piece(rest);
    if (!piece.is_variable) continue;
    if (!is_known(piece.text)) {
      return Error{
          ErrorKind::kInvalid,
          fmt::format("an expression has the variables $secure_link_expires (or $arg_NAME), $uri "
                      "(or $folder), $remote_addr and $secret, and not {}",
                      quoted("$" + std::string(piece.text)))};
    }
    if (!is_expiry(piece.text)) continue;
    if (!expiry.empty() && expiry != piece.text) {
      return Error{ErrorKind::kInvalid,
                   fmt::format("{} has ${} and ${}; only the expiry can be an argument",
                               quoted(text), expiry, piece.text)};
    }
    expiry = piece.text;
  }
  const bool has_uri = expression.has(kUri);
  const bool has_secret = expression.has(kSecret);
  if (expiry.empty() || !has_secret || (!has_uri && !expression.is_of_folders())) {
    return Error{
        ErrorKind::kInvalid,
        fmt::format("{} lacks {}: without it, whoever has one URL could make others", quoted(text),
                    !has_secret      ? "$secret, in the place of the secret itself"
                    : expiry.empty() ? "$secure_link_expires"
                                     : "$uri, or $folder")};
  }
  if (has_uri && expression.is_of_folders()) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("{} has both $uri and $folder; choose one", quoted(text))};
  }
  return expression;
}

bool Md5Expression::has(std::string_view variable) const {
  for (std::string_view rest = text_; !rest.empty();) {
    const Piece piece = take_piece(rest);
    if (piece.is_variable && piece.text == variable) return true;
  }
  return false;
}

bool Md5Expression::is_bound_to_an_address() const {
  return has(kAddress);
}

bool Md5Expression::is_of_folders() const {
  return has(kFolder);
}

std::optional<Md5> Md5Expression::digest(const Md5Expires& expires, std::string_view uri,
                                         std::string_view address, std::string_view secret) const {
  const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  if (context == nullptr || md5_algorithm() == nullptr ||
      EVP_DigestInit_ex2(context.get(), md5_algorithm(), nullptr) != 1) {
    return std::nullopt;
  }
  const std::string until = expires.text();
  for (std::string_view rest = text_; !rest.empty();) {
    const Piece piece = take_piece(rest);
    const std::string_view value = !piece.is_variable       ? piece.text
                                   : is_expiry(piece.text)  ? std::string_view(until)
                                   : piece.text == kAddress ? address
                                   : piece.text == kSecret  ? secret
                                                            : uri;
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
  // The URI "/prefix/." names no file, whatever the spelling of the whole store is.
  if (!parsed || parsed->is_root()) return std::nullopt;
  return std::move(*parsed);
}

}  // namespace grantfs
