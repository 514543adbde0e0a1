#include "grantctl/nginxconf/parser.h"

#include <fmt/core.h>
#include <glob.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>

#include "base/quote.h"
#include "grantctl/nginxconf/other_servers.h"
#include "grantctl/nginxconf/programs.h"
#include "grantctl/nginxconf/tokens.h"

namespace grantctl::nginxconf {

using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::Result;

namespace {

Error trouble_at(const Place& place, std::string_view what) {
  return {ErrorKind::kInvalid,
          fmt::format("{}:{}: {}", grantfs::escaped(place.file), place.line, what)};
}

Result<std::string> read_whole(const std::filesystem::path& file) {
  std::error_code unknown;
  if (std::filesystem::is_directory(file, unknown)) {
    const std::string other = other_server_in(file);
    return Error{ErrorKind::kInvalid,
                 other.empty()
                     ? fmt::format("{} is a folder: give the main configuration in it",
                                   grantfs::quoted(file.native()))
                     : fmt::format("{} is a folder of {}: webconf check reads nginx's alone",
                                   grantfs::quoted(file.native()), other)};
  }
  if (!std::filesystem::is_regular_file(file, unknown)) {
    return Error{ErrorKind::kInvalid, fmt::format("{} is no file", grantfs::quoted(file.native()))};
  }
  errno = 0;
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  if (!stream) {
    return Error{
        ErrorKind::kInvalid,
        fmt::format("cannot read {}: {}", grantfs::quoted(file.native()), std::strerror(errno))};
  }
  return std::move(text).str();
}

/// The existing paths that match a pattern of glob(3), sorted. No match is no error.
std::vector<std::filesystem::path> matches(const std::filesystem::path& pattern) {
  glob_t found{};
  const int status = ::glob(pattern.c_str(), 0, nullptr, &found);
  const std::unique_ptr<glob_t, decltype(&::globfree)> owner(&found, &::globfree);
  if (status != 0) return {};
  return {found.gl_pathv, found.gl_pathv + found.gl_pathc};
}

class Parser {
 public:
  explicit Parser(const std::filesystem::path& main) : folder_(main.parent_path()) {}

  /// Appends the directives of a file. The `include` stands at `from`.
  Result<void> read(const std::filesystem::path& file, const Place& from,
                    std::vector<Directive>& into) {
    if (includes_ == kDeepestIncludes) {
      return trouble_at(from, fmt::format("files include one another more than {} deep, down to {}",
                                          kDeepestIncludes, grantfs::quoted(file.native())));
    }
    if (++files_ > kMostFiles) {
      return trouble_at(from, fmt::format("more than {} files are included", kMostFiles));
    }
    auto text = read_whole(file);
    if (!text) return text.error();
    bytes_ += text->size();
    if (bytes_ > kMostBytes) {
      return trouble_at(from, fmt::format("with {} the configuration is larger than {} MiB",
                                          grantfs::quoted(file.native()), kMostBytes >> 20U));
    }
    if (includes_ == 0) {
      if (const auto other = other_server(*text); !other.empty()) {
        return Error{ErrorKind::kInvalid,
                     fmt::format("{} is a configuration of {}: webconf check reads nginx's alone",
                                 grantfs::quoted(file.native()), other)};
      }
    }
    ++includes_;
    Tokenizer tokens(*text);
    auto done = block(tokens, file, into, /*inner=*/false);
    --includes_;
    return done;
  }

 private:
  Result<void> block(Tokenizer& tokens, const std::filesystem::path& file,
                     std::vector<Directive>& into, bool inner) {
    while (true) {
      auto token = tokens.next();
      if (!token) return trouble_at({file.native(), tokens.line()}, token.error().message);
      const Place place{file.native(), token->line};
      switch (token->kind) {
        case Token::Kind::kEnd:
          if (inner) return trouble_at(place, "a '{' is not closed");
          return {};
        case Token::Kind::kClose:
          if (!inner) return trouble_at(place, "a '}' too many");
          return {};
        case Token::Kind::kSemicolon:
          return trouble_at(place, "a ';' without a directive");
        case Token::Kind::kOpen:
          return trouble_at(place, "a '{' without a directive");
        case Token::Kind::kWord:
          break;
      }
      Directive directive;
      directive.name = std::move(token->text);
      directive.place = place;
      if (++directives_ > kMostDirectives) {
        return trouble_at(
            place, fmt::format("the configuration has more than {} directives", kMostDirectives));
      }
      if (auto done = rest(tokens, file, directive); !done) return done;
      auto done = directive.name == "include" && !directive.has_block
                      ? include(directive, file, into)
                      : Result<void>();
      if (!done) return done;
      into.push_back(std::move(directive));
    }
  }

  Result<void> rest(Tokenizer& tokens, const std::filesystem::path& file, Directive& directive) {
    while (true) {
      auto token = tokens.next();
      if (!token) return trouble_at({file.native(), tokens.line()}, token.error().message);
      switch (token->kind) {
        case Token::Kind::kWord:
          directive.arguments.push_back(std::move(token->text));
          continue;
        case Token::Kind::kSemicolon:
          return {};
        case Token::Kind::kOpen: {
          directive.has_block = true;
          if (holds_program(directive.name)) {
            auto program = tokens.program();
            if (!program) return trouble_at(directive.place, program.error().message);
            directive.arguments.push_back(std::move(*program));
            return {};
          }
          if (blocks_ == kDeepestBlocks) {
            return trouble_at(directive.place, fmt::format("blocks stand in one another more than "
                                                           "{} deep",
                                                           kDeepestBlocks));
          }
          ++blocks_;
          auto done = block(tokens, file, directive.block, /*inner=*/true);
          --blocks_;
          return done;
        }
        case Token::Kind::kClose:
        case Token::Kind::kEnd:
          return trouble_at(directive.place,
                            fmt::format("{} does not end in ';'", grantfs::quoted(directive.name)));
      }
    }
  }

  Result<void> include(const Directive& directive, const std::filesystem::path& file,
                       std::vector<Directive>& into) {
    if (directive.arguments.size() != 1) return trouble_at(directive.place, "include what?");
    const std::filesystem::path wanted = directive.arguments.front();
    auto found = matches(folder_ / wanted);
    if (found.empty()) found = matches(file.parent_path() / wanted);
    const bool is_pattern = wanted.native().find_first_of("*?[") != std::string::npos;
    if (found.empty() && !is_pattern) {
      return trouble_at(directive.place, fmt::format("there is no {} to include; give the main "
                                                     "configuration, which its path is relative to",
                                                     grantfs::quoted(wanted.native())));
    }
    for (const auto& path : found) {
      if (auto done = read(path, directive.place, into); !done) return done;
    }
    return {};
  }

  std::filesystem::path folder_;
  unsigned includes_ = 0;
  unsigned blocks_ = 0;
  std::size_t files_ = 0;
  std::size_t bytes_ = 0;
  std::size_t directives_ = 0;
};

}  // namespace

const Directive* Directive::find(std::string_view wanted) const {
  const Directive* found = nullptr;
  for (const Directive& directive : block) {
    if (directive.name == wanted) found = &directive;
  }
  return found;
}

Result<Directive> parse_file(const std::filesystem::path& file) {
  Directive top;
  top.has_block = true;
  top.place = {file.native(), 1};
  if (auto done = Parser(file).read(file, top.place, top.block); !done) return done.error();
  return top;
}

}  // namespace grantctl::nginxconf
