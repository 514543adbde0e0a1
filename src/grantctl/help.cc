#include "grantctl/help.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/edit_distance.h"
#include "base/parse_integer.h"

namespace grantctl {
namespace {

/// The width of the terminal in columns, within bounds at which help can be read; what $COLUMNS
/// says may be more.
std::size_t terminal_width() {
  constexpr std::size_t kUsual = 80;
  constexpr std::size_t kNarrowest = 40;
  constexpr std::size_t kWidest = 120;
  winsize size = {};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    return std::clamp<std::size_t>(size.ws_col, kNarrowest, kWidest);
  }
  const char* columns = std::getenv("COLUMNS");
  if (columns == nullptr) return kUsual;
  return std::max(kNarrowest, grantfs::parse_integer<std::size_t>(columns).value_or(kUsual));
}

/// The text on lines of at most `width` columns, broken at spaces. A line that begins with a space
/// is an example, and stays as it is; other lines of a paragraph are joined.
std::string wrapped(std::string_view text, std::size_t width) {
  std::string result;
  std::size_t column = 0;
  const auto end_line = [&] {
    if (!result.empty()) result += '\n';
    column = 0;
  };
  const auto add_word = [&](std::string_view word) {
    if (column > 0 && column + 1 + word.size() > width) end_line();
    if (column > 0) {
      result += ' ';
      ++column;
    }
    result += word;
    column += word.size();
  };
  while (true) {
    const auto line = text.substr(0, text.find('\n'));
    if (line.empty() || line.starts_with(' ')) {
      if (column > 0) end_line();
      result += line;
      if (line.size() < text.size()) result += '\n';
    } else {
      for (auto rest = line; !rest.empty();) {
        const auto word = rest.substr(0, rest.find(' '));
        if (!word.empty()) add_word(word);
        rest.remove_prefix(std::min(word.size() + 1, rest.size()));
      }
    }
    if (line.size() == text.size()) return result;
    text.remove_prefix(line.size() + 1);
  }
}

class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() {
    constexpr std::size_t kWidestNames = 26;
    column_width(std::min(kWidestNames, width_ / 3));
    label("SUBCOMMAND", "COMMAND");
    label("SUBCOMMANDS", "COMMANDS");
  }

  std::string make_option(const CLI::Option* option, bool is_positional) const override {
    return entry(make_option_name(option, is_positional) + make_option_opts(option),
                 make_option_desc(option));
  }
  std::string make_subcommand(const CLI::App* command) const override {
    return entry(command->get_name(), command->get_description());
  }
  std::string make_description(const CLI::App* app) const override {
    return wrapped(app->get_description(), width_) + '\n';
  }
  std::string make_footer(const CLI::App* app) const override {
    return wrapped(app->get_footer(), width_) + '\n';
  }

 private:
  std::string entry(const std::string& name, const std::string& text) const {
    std::ostringstream out;
    CLI::detail::format_help(out, name, wrapped(text, width_ - get_column_width()),
                             get_column_width());
    return out.str();
  }

  const std::size_t width_ = terminal_width();
};

}  // namespace

std::shared_ptr<CLI::Formatter> help_formatter() {
  return std::make_shared<HelpFormatter>();
}

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* app = &command; app != nullptr; app = app->get_parent()) {
    for (const CLI::Option* option : app->get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  }
  return names;
}

std::vector<std::string> command_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* each : command.get_subcommands(nullptr)) names.push_back(each->get_name());
  return names;
}

std::string suggestion(std::string_view typed, const std::vector<std::string>& names,
                       std::string_view before) {
  const auto far = [&](const std::string& name) { return grantfs::edit_distance(typed, name); };
  const auto nearest = std::ranges::min_element(names, {}, far);
  // Of a word of two letters, one may be wrong.
  constexpr std::size_t kLettersPerMistake = 3;
  if (nearest == names.end() || far(*nearest) > 1 + typed.size() / kLettersPerMistake) return {};
  return fmt::format("; did you mean {}{}?", before, *nearest);
}

}  // namespace grantctl
