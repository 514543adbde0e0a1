// nginx's secure_link_md5: expressions, expiries and MD5s, as nginx takes them.
#include <openssl/evp.h>

#include <array>
#include <optional>
#include <string>

#include "fuzz.h"
#include "grantfs/signature.h"
#include "schema_rows.h"

namespace grantfs::fuzz {
namespace {

struct Request {
  std::string expires;
  std::string uri;
  std::string address;
  std::string secret;
};

/// What nginx would hash: its complex value, evaluated once more; none if it would not start.
std::optional<std::string> evaluated(std::string_view expression, const Request& request) {
  std::string text;
  while (!expression.empty()) {
    if (expression.front() != '$') {
      text += take_byte(expression);
      continue;
    }
    expression.remove_prefix(1);
    const bool braced = expression.starts_with('{');
    if (braced) expression.remove_prefix(1);
    std::string name;
    while (!expression.empty() &&
           (std::isalnum(static_cast<unsigned char>(expression.front())) != 0 ||
            expression.front() == '_')) {
      name += static_cast<char>(take_byte(expression));
    }
    if (name.empty() || (braced && take_byte(expression) != '}')) return std::nullopt;
    if (name == "secure_link_expires" || name.starts_with("arg_")) {
      text += request.expires;
    } else if (name == "uri" || name == "folder") {
      text += request.uri;
    } else if (name == "remote_addr") {
      text += request.address;
    } else if (name == "secret") {
      text += request.secret;
    } else {
      return std::nullopt;
    }
  }
  return text;
}

Md5 md5_of(std::string_view text) {
  Md5 md5{};
  require(EVP_Digest(text.data(), text.size(), md5.data(), nullptr, EVP_md5(), nullptr) == 1,
          "OpenSSL has MD5");
  return md5;
}

/// ngx_atotm(): digits alone, and no number that does not fit.
std::optional<std::int64_t> seconds_of(std::string_view text) {
  std::int64_t value = 0;
  if (text.empty()) return std::nullopt;
  for (const char c : text) {
    if (c < '0' || c > '9' || __builtin_mul_overflow(value, 10, &value) ||
        __builtin_add_overflow(value, c - '0', &value)) {
      return std::nullopt;
    }
  }
  return value;
}

/// ngx_decode_base64url() of what secure_link hands it, which is 24 characters at most: what it
/// makes of them, if that is an MD5.
std::optional<Md5> decoded(std::string_view text) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  if (text.size() > 24) return std::nullopt;
  std::string bytes;
  unsigned bits = 0;
  unsigned waiting = 0;
  std::size_t characters = 0;
  for (const char c : text.substr(0, text.find('='))) {
    const auto value = kAlphabet.find(c);
    if (value == kAlphabet.npos) return std::nullopt;
    waiting = waiting << 6U | static_cast<unsigned>(value);
    ++characters;
    if ((bits += 6) >= 8) bytes += static_cast<char>(waiting >> (bits -= 8) & 0xffU);
  }
  Md5 md5{};
  if (characters % 4 == 1 || bytes.size() != md5.size()) return std::nullopt;
  std::copy(bytes.begin(), bytes.end(), md5.begin());
  return md5;
}

/// What nginx's documentation of secure_link computes by openssl(1).
void try_documented() {
  const auto expression = Md5Expression::parse(Md5Expression::kDocumented);
  const auto expires = Md5Expires::parse("2147483647");
  require(expression && expires, "the documented expression is one");
  const auto md5 = expression->digest(*expires, "/s/link", "127.0.0.1", "secret");
  require(md5 && Md5Mark::spell(*md5).view() == "_e4Nc3iduzkWRm01TBBNYw",
          "the documented MD5 is computed");
}

void try_expression(std::string_view text, const Request& request) {
  static SchemaRows rows;
  const auto expression = Md5Expression::parse(text);
  const std::string format = "md5:" + std::string(text);
  const bool kept = rows.take(
      "INSERT INTO signing_keys (id, format, uri_prefix, path, secret) VALUES ('k', ?, '/', 'a', "
      "x'00')",
      std::string_view(format));
  if (!expression) {
    require(is_one_line(expression.error().message), "a refusal is one line");
    return;
  }
  require(kept, "SQLite's CHECK takes the expressions that the parser takes");
  const auto hashed = evaluated(text, request);
  require(hashed.has_value(), "nginx starts with an expression that is taken");
  require(hashed->find(request.secret) != std::string::npos &&
              hashed->find(request.uri) != std::string::npos &&
              hashed->find(request.expires) != std::string::npos,
          "the secret, the URI and the expiry are hashed");
  const auto expires = Md5Expires::parse(request.expires);
  if (!expires) return;
  require(
      expression->digest(*expires, request.uri, request.address, request.secret) == md5_of(*hashed),
      "the MD5 is the one that nginx computes");
}

void try_expires(std::string_view text) {
  const auto ours = Md5Expires::parse(text);
  const auto nginxs = seconds_of(text);
  if (!ours) return;
  require(ours->text() == text, "an expiry has one spelling, leading zeros and all");
  require(nginxs && *nginxs > 0 && ours->time.time_since_epoch().count() == *nginxs,
          "an expiry is what nginx takes it for");
}

}  // namespace

/// EXPRESSION\nEXPIRES\nMD5\nURI\nADDRESS\nSECRET
void try_input(std::string_view input) {
  static const bool documented = (try_documented(), true);
  (void)documented;
  const std::string_view expression = take_until(input, '\n');
  Request request;
  request.expires = take_until(input, '\n');
  const std::string_view md5 = take_until(input, '\n');
  request.uri = take_until(input, '\n');
  request.address = take_until(input, '\n');
  request.secret = take_until(input, '\n');
  try_expression(expression, request);
  try_expires(request.expires);
  require(Md5Mark::parse_md5(md5) == decoded(md5), "an MD5 is what nginx takes it for");
  if (const auto path = path_of_uri(request.uri, request.address, StorePath())) {
    require(StorePath::parse(path->spelling()).ok() && !path->is_root(),
            "a URI leads to a path of the store");
  }
}

}  // namespace grantfs::fuzz
