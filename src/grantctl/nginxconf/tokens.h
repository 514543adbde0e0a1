#pragma once

#include <string>
#include <string_view>

#include "grantfs/result.h"

namespace grantctl::nginxconf {

/// A word; or ';', '{', '}' or the end of the text.
struct Token {
  enum class Kind { kWord, kSemicolon, kOpen, kClose, kEnd };
  Kind kind = Kind::kEnd;
  std::string text;  ///< the word without quotes and escapes
  unsigned line = 1;
};

/// Splits a configuration into tokens, as ngx_conf_read_token() does.
class Tokenizer {
 public:
  explicit Tokenizer(std::string_view text) : text_(text) {}
  /// The next token. kInvalid, without file and line, if a quote is not closed, or if a character
  /// follows the closing quote.
  grantfs::Result<Token> next();
  /// The text of a program in Lua, up to the '}' that closes it. Braces in the program's strings
  /// and comments do not count (Lua 5.1 manual, 2.1). kInvalid if no '}' closes the program.
  grantfs::Result<std::string> program();
  /// The current line.
  unsigned line() const { return line_; }

 private:
  char take();
  bool looking_at(std::string_view what) const { return text_.substr(at_).starts_with(what); }
  bool skip_long_bracket();
  void skip_quoted(char quote);
  void skip_space_and_comments();
  void take_escaped(std::string& word);
  grantfs::Result<Token> quoted_word(Token token);
  Token bare_word(Token token);

  std::string_view text_;
  std::size_t at_ = 0;
  unsigned line_ = 1;
};

}  // namespace grantctl::nginxconf
