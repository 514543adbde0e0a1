#include "values/random_text.h"

#include <sodium.h>

#include <string_view>

namespace grantfs {

Secret random_text(std::size_t characters) {
  constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
  Secret text;
  text.resize(characters);
  randombytes_buf(text.bytes().data(), text.size());
  for (char& c : text.bytes()) c = kAlphabet[static_cast<unsigned char>(c) % kAlphabet.size()];
  return text;
}

}  // namespace grantfs
