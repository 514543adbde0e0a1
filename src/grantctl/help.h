#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace grantctl {

/// Help as wide as the terminal. Where standard output is none, $COLUMNS says how wide, and without
/// that it is 80 columns.
std::shared_ptr<CLI::Formatter> help_formatter();

/// The long options that can be given to a command, as they are typed (`--expires`).
std::vector<std::string> option_names(const CLI::App& command);
/// The commands that can follow a command.
std::vector<std::string> command_names(const CLI::App& command);

/// "; did you mean NAME?" for a name that was mistyped, with `before` in front of NAME; empty if
/// none is near.
std::string suggestion(std::string_view typed, const std::vector<std::string>& names,
                       std::string_view before = {});

}  // namespace grantctl
