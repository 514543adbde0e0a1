// Signatures of ours: one spelling each, and good by the secret that made them alone.
#include <string>

#include "base/parse_integer.h"
#include "fuzz.h"
#include "grantfs/signature.h"

namespace grantfs::fuzz {
namespace {

constexpr std::string_view kSecret = "0123456789abcdef0123456789abcdef";
constexpr std::string_view kOther = "0123456789abcdef0123456789abcdeF";

/// A text that somebody made up.
void try_token(std::string_view token) {
  const auto signature = Signature::parse(token);
  if (!signature) return;
  require(!signature->is_by(kSecret), "nobody makes a signature up");
  const auto made = sign(signature->claims(), kSecret);
  require(made.ok() && made->size() == token.size(), "what a token claims can be claimed");
  constexpr std::size_t kMacCharacters = kHmacBytes * 4 / 3;  // whole ones; the next is shared
  require(made->view().substr(kMacCharacters + 1) == token.substr(kMacCharacters + 1),
          "claims have one spelling");
}

/// KEY-ID\nEXPIRES\nADDRESS\nPATH, each as it comes; then a place and a byte, to forge with.
void try_claims(std::string_view text) {
  const std::string key_id(take_until(text, '\n'));
  const auto expires = parse_integer<std::int64_t>(take_until(text, '\n'));
  const std::string address(take_until(text, '\n'));
  const auto path = StorePath::parse(take_until(text, '\n'));
  if (!expires || !path) return;
  const SignatureClaims claims{key_id, Timestamp{std::chrono::seconds{*expires}}, address, *path};
  const auto token = sign(claims, kSecret);
  if (!token) {
    require(is_one_line(token.error().message), "a refusal is one line");
    return;
  }
  const auto signature = Signature::parse(token->view());
  require(signature && signature->claims() == claims, "what is signed is read as it was");
  require(signature->is_by(kSecret) && !signature->is_by(kOther),
          "a signature is by its secret alone");
  std::string forged(token->view());
  char& changed = forged.at(take_byte(text) % forged.size());
  const char with = static_cast<char>(take_byte(text));
  if (changed == with) return;
  changed = with;
  const auto other = Signature::parse(forged);
  require(!other || !other->is_by(kSecret), "no byte of a signature can be another");
}

}  // namespace

void try_input(std::string_view input) {
  try_token(input);
  try_claims(input);
}

}  // namespace grantfs::fuzz
