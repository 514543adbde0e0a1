#include "grantctl/change_record.h"

#include <fmt/core.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include "control/changes.h"
#include "grantctl/output.h"

namespace grantctl {
namespace {

constexpr std::array<std::string_view, 21> kChanges{
    "init",    "own",        "grant",      "revoke",         "mv",         "drop",
    "forget",  "group add",  "group rm",   "session create", "session rm", "link create",
    "link rm", "key create", "key retire", "key rm",         "import",     "restore",
    "prune",   "node rm",    "transfer"};

/// The longest text of one argument or of --note, in bytes: a request must fit on a line.
constexpr std::size_t kMostBytes = 1024;
constexpr std::size_t kMostArguments = 30;

std::string cut(const std::string& text) {
  return text.size() <= kMostBytes ? text : text.substr(0, kMostBytes) + "...";
}

/// The arguments that say what was changed.
std::vector<std::string> words_of(const std::vector<std::string>& arguments) {
  constexpr std::array<std::string_view, 4> kWithValue{"--db", "--control", "--by", "--note"};
  std::vector<std::string> words;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    const std::string name = word.substr(0, word.find('='));
    if (std::ranges::find(kWithValue, name) != kWithValue.end()) {
      if (name == word) ++i;
    } else if (word != "--json") {
      words.push_back(cut(word));
    }
  }
  if (words.size() > kMostArguments) {
    const std::size_t more = words.size() - kMostArguments;
    words.resize(kMostArguments);
    words.push_back(fmt::format("... and {} more", more));
  }
  return words;
}

/// The name that somebody gave himself, for whom this was done: --by, or that of sudo(8).
std::string by_whom(const Context& context) {
  if (!context.by.empty()) return cut(context.by);
  const char* const sudo = std::getenv("SUDO_USER");
  return sudo != nullptr ? cut(sudo) : std::string();
}

void log_change(const nlohmann::json& change) {
  ::openlog("grantctl", LOG_PID, LOG_AUTHPRIV);
  nlohmann::json line = change;
  line["event"] = "change";
  line["uid"] = ::getuid();
  ::syslog(LOG_NOTICE, "%s",
           line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  ::closelog();
}

}  // namespace

void record_change(Context& context, const std::string& name,
                   const std::vector<std::string>& arguments) {
  if (context.dry_run || std::ranges::find(kChanges, name) == kChanges.end()) return;
  nlohmann::json change{{"arguments", words_of(arguments)}};
  if (const std::string by = by_whom(context); !by.empty()) change["by"] = by;
  if (!context.note.empty()) change["note"] = cut(context.note);
  if (!context.made.empty()) change["made"] = context.made;
  log_change(change);
  const auto uri = context.postgresql();
  if (!uri || *uri) return;
  const auto database = context.database();
  if (!database) return;
  for (const std::string& trouble : grantfs::record_change(*database, change).troubles) {
    complain(fmt::format("warning: the change is made, and not recorded: {}", trouble));
  }
}

}  // namespace grantctl
