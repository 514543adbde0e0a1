#include "grantctl/nginxconf/tokens.h"

namespace grantctl::nginxconf {

using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::Result;

namespace {

bool is_conf_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

}  // namespace

char Tokenizer::take() {
  const char c = text_[at_++];
  if (c == '\n') ++line_;
  return c;
}

void Tokenizer::skip_space_and_comments() {
  while (at_ < text_.size() && (is_conf_space(text_[at_]) || text_[at_] == '#')) {
    if (take() != '#') continue;
    while (at_ < text_.size() && text_[at_] != '\n') ++at_;
  }
}

/// Reads the character behind a backslash. The backslash stays before a character that needs no
/// escape, since patterns rely on it.
void Tokenizer::take_escaped(std::string& word) {
  if (at_ == text_.size()) {
    word += '\\';
    return;
  }
  switch (const char c = take()) {
    case '"':
    case '\'':
    case '\\':
      word += c;
      break;
    case 't':
      word += '\t';
      break;
    case 'r':
      word += '\r';
      break;
    case 'n':
      word += '\n';
      break;
    default:
      word += '\\';
      word += c;
  }
}

Result<Token> Tokenizer::quoted_word(Token token) {
  const char quote = take();
  while (at_ < text_.size()) {
    const char c = take();
    if (c == quote) {
      const bool ends = at_ == text_.size() || is_conf_space(text_[at_]) ||
                        std::string_view(";{)").find(text_[at_]) != std::string_view::npos;
      if (!ends) return Error{ErrorKind::kInvalid, "something follows a closing quote"};
      if (at_ < text_.size() && text_[at_] == ')') token.text += take();
      return token;
    }
    if (c == '\\') {
      take_escaped(token.text);
    } else {
      token.text += c;
    }
  }
  return Error{ErrorKind::kInvalid, "a quote is not closed"};
}

Token Tokenizer::bare_word(Token token) {
  while (at_ < text_.size()) {
    const char c = text_[at_];
    const bool braced_variable = c == '{' && token.text.ends_with('$');
    if (is_conf_space(c) || c == ';' || (c == '{' && !braced_variable)) break;
    take();
    if (c == '\\') {
      take_escaped(token.text);
    } else {
      token.text += c;
    }
  }
  return token;
}

Result<Token> Tokenizer::next() {
  skip_space_and_comments();
  Token token;
  token.line = line_;
  if (at_ == text_.size()) return token;
  switch (text_[at_]) {
    case ';':
      token.kind = Token::Kind::kSemicolon;
      break;
    case '{':
      token.kind = Token::Kind::kOpen;
      break;
    case '}':
      token.kind = Token::Kind::kClose;
      break;
    case '"':
    case '\'':
      token.kind = Token::Kind::kWord;
      return quoted_word(std::move(token));
    default:
      token.kind = Token::Kind::kWord;
      return bare_word(std::move(token));
  }
  take();
  return token;
}

/// Skips [[ ... ]] or [==[ ... ]==]. Returns false if none begins here.
bool Tokenizer::skip_long_bracket() {
  if (!looking_at("[")) return false;
  std::size_t level = 0;
  while (at_ + 1 + level < text_.size() && text_[at_ + 1 + level] == '=') ++level;
  if (at_ + 1 + level >= text_.size() || text_[at_ + 1 + level] != '[') return false;
  const std::string end = "]" + std::string(level, '=') + "]";
  const auto found = text_.find(end, at_ + level + 2);
  const auto stop = found == text_.npos ? text_.size() : found + end.size();
  while (at_ < stop) take();
  return true;
}

void Tokenizer::skip_quoted(char quote) {
  while (at_ < text_.size()) {
    const char c = take();
    if (c == quote || c == '\n') return;
    if (c == '\\' && at_ < text_.size()) take();
  }
}

Result<std::string> Tokenizer::program() {
  const std::size_t begin = at_;
  for (unsigned open = 1; at_ < text_.size();) {
    if (looking_at("--")) {
      at_ += 2;
      if (skip_long_bracket()) continue;
      while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      continue;
    }
    if (skip_long_bracket()) continue;
    const char c = take();
    if (c == '"' || c == '\'') {
      skip_quoted(c);
    } else if (c == '{') {
      ++open;
    } else if (c == '}' && --open == 0) {
      return std::string(text_.substr(begin, at_ - 1 - begin));
    }
  }
  return Error{ErrorKind::kInvalid, "the '{' of a program is not closed"};
}

}  // namespace grantctl::nginxconf
