#pragma once

#include <string>
#include <string_view>

#include "grantfs/result.h"

namespace grantctl::nginxconf {

/// A word, or one of ; { } or the end of the text.
struct Token {
  enum class Kind { kWord, kSemicolon, kOpen, kClose, kEnd };
  Kind kind = Kind::kEnd;
  std::string text;  ///< of a word, without quotes and escapes
  unsigned line = 1;
};

/// Cuts a configuration into tokens, as ngx_conf_read_token() does.
class Tokenizer {
 public:
  explicit Tokenizer(std::string_view text) : text_(text) {}
  /// kInvalid, without file and line, if a quote is not closed or something follows one.
  grantfs::Result<Token> next();
  /// The line that is being read.
  unsigned line() const { return line_; }

 private:
  char take();
  void skip_space_and_comments();
  void take_escaped(std::string& word);
  grantfs::Result<Token> quoted_word(Token token);
  Token bare_word(Token token);

  std::string_view text_;
  std::size_t at_ = 0;
  unsigned line_ = 1;
};

}  // namespace grantctl::nginxconf
