#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "base/quote.h"
#include "grantctl/arguments.h"
#include "grantctl/commands/commands.h"
#include "grantctl/output.h"

namespace grantctl {

using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::escaped;
using grantfs::quoted;
using grantfs::Result;
using grantfs::Timestamp;

namespace fs = std::filesystem;

namespace {

struct AuditArguments {
  std::vector<std::string> files;
  std::string path;
  std::string who;
  std::string link;
  std::string session;
  std::string event;
  std::string since;
  std::string until;
};

/// What is asked of the record.
struct Question {
  std::optional<grantfs::StorePath> path;
  std::string hidden_path;  ///< `path` as a refusal has it whose name might be a token
  std::optional<grantfs::Principal> who;
  std::string link;     ///< the beginning of an id
  std::string session;  ///< the beginning of an id
  std::string event;
  std::string since;  ///< UTC to the second, as a record's time begins; empty: from the first
  std::string until;
};

/// What is counted of the record while it is read.
struct Tally {
  std::uint64_t malformed = 0;
  std::uint64_t lost = 0;
  std::uint64_t refusals = 0;
};

constexpr std::size_t kSecondsEnd = std::string_view("2030-01-31T12:00:00").size();

std::string to_second(Timestamp time) {
  return grantfs::format_timestamp(time).substr(0, kSecondsEnd);
}

/// The moment at which the day began whose end is given, in the machine's time zone.
Timestamp beginning_of_day(Timestamp end) {
  constexpr std::time_t kHalfADay = 43'200;  // in seconds
  const std::time_t within = end.time_since_epoch().count() - kHalfADay;
  std::tm day{};
  ::localtime_r(&within, &day);
  day.tm_hour = day.tm_min = day.tm_sec = 0;
  day.tm_isdst = -1;
  return Timestamp(std::chrono::seconds(std::mktime(&day)));
}

/// Reads a moment of the past: a span before now, an ISO 8601 time, or a day.
Result<std::string> parse_past(const std::string& text, bool is_since) {
  if (text.empty()) return std::string();
  constexpr Timestamp kEpoch{};
  auto time = grantfs::parse_when(text, kEpoch);
  if (!time) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("{} is not a time; write how long ago (90s, 15m, 8h, 7d), an ISO 8601 "
                             "time with its zone (2030-01-31T12:00:00Z), or a day (2030-01-31)",
                             quoted(text))};
  }
  if (grantfs::is_day(text)) return to_second(is_since ? beginning_of_day(*time) : *time);
  const bool is_span = text.find('-') == std::string::npos;
  return to_second(is_span ? Timestamp(grantfs::system_now() - *time) : *time);
}

Result<std::string> parse_id(const std::string& text) {
  return text.empty() ? Result<std::string>(std::string()) : parse_token_id(text);
}

Result<Question> question_of(Context& context, const AuditArguments& arguments) {
  Question question;
  question.event = arguments.event;
  if (!arguments.path.empty()) {
    auto path = parse_path(context, arguments.path);
    if (!path) return path.error();
    if (!path->is_root()) {
      const auto hash = grantfs::TokenHash::of(path->name());
      const grantfs::StorePath folder = path->parent();
      question.hidden_path =
          (folder.is_root() ? std::string() : folder.text() + '/') + "sha256:" + hash.hex();
    }
    question.path = std::move(*path);
  }
  if (!arguments.who.empty()) {
    auto who = parse_principal(arguments.who);
    if (!who) return who.error();
    question.who = std::move(*who);
  }
  auto link = parse_id(arguments.link);
  if (!link) return link.error();
  question.link = *link;
  auto session = parse_id(arguments.session);
  if (!session) return session.error();
  question.session = *session;
  auto since = parse_past(arguments.since, /*is_since=*/true);
  if (!since) return since.error();
  question.since = *since;
  auto until = parse_past(arguments.until, /*is_since=*/false);
  if (!until) return until.error();
  question.until = *until;
  return question;
}

std::string text_of(const Json& record, const char* member) {
  const auto found = record.find(member);
  return found != record.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::int64_t number_of(const Json& record, const char* member) {
  const auto found = record.find(member);
  return found != record.end() && found->is_number_integer() ? found->get<std::int64_t>() : -1;
}

/// The bytes of a member that may have been no UTF-8.
std::string bytes_of(const Json& record, const char* member) {
  const std::string hex = text_of(record, (std::string(member) + "_hex").c_str());
  if (hex.empty()) return text_of(record, member);
  std::string bytes;
  constexpr int kHex = 16;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::strtol(hex.substr(i, 2).c_str(), nullptr, kHex));
  }
  return bytes;
}

/// Whether a change names the path or the principal, or a path below it.
bool names(const Json& command, const std::string& wanted) {
  return std::ranges::any_of(command, [&](const Json& word) {
    const std::string text = word.is_string() ? word.get<std::string>() : std::string();
    return text == wanted || text.starts_with(wanted + '/') || text.ends_with('/' + wanted);
  });
}

bool is_at(const Question& question, const Json& record) {
  const std::string text = bytes_of(record, "path");
  if (const auto command = record.find("command"); command != record.end()) {
    return question.path->is_root() || names(*command, question.path->text());
  }
  if (text.empty()) return false;
  if (!question.hidden_path.empty() && text == question.hidden_path) return true;
  const std::string& wanted = question.path->text();
  return wanted.empty() || text == wanted || text.starts_with(wanted + '/');
}

bool is_by(const Question& question, const Json& record) {
  if (bytes_of(record, "principal") == question.who->text()) return true;
  if (const auto command = record.find("command");
      command != record.end() && names(*command, question.who->text())) {
    return true;
  }
  return question.who->kind() == grantfs::Principal::Kind::kUid &&
         std::to_string(number_of(record, "uid")) == question.who->name();
}

bool is_within(const Question& question, std::string_view time) {
  const std::string_view second = time.substr(0, kSecondsEnd);
  return (question.since.empty() || second >= question.since) &&
         (question.until.empty() || second < question.until);
}

bool is_asked_for(const Question& question, const Json& record) {
  const auto begins = [&](const char* member, const std::string& id) {
    return id.empty() || text_of(record, member).starts_with(id);
  };
  if (!question.event.empty() && text_of(record, "event") != question.event) return false;
  if (question.path && !is_at(question, record)) return false;
  if (question.who && !is_by(question, record)) return false;
  const bool made_it = (!question.link.empty() && begins("made", question.link)) ||
                       (!question.session.empty() && begins("made", question.session));
  return made_it || (begins("link", question.link) && begins("session", question.session));
}

/// One line about a record, for people.
std::string line_about(const Json& record) {
  constexpr std::size_t kShownDigits = 16;
  std::string line = fmt::format("{}Z  {:<7}", text_of(record, "time").substr(0, kSecondsEnd),
                                 escaped(text_of(record, "event")));
  if (const auto command = record.find("command"); command != record.end()) {
    line += ' ';
    for (const Json& word : *command) {
      line += ' ' + escaped(word.is_string() ? word.get<std::string>() : "?");
    }
  }
  for (const char* member : {"by", "note", "made"}) {
    if (const std::string value = text_of(record, member); !value.empty()) {
      line += fmt::format("  {} {}", member, escaped(value));
    }
  }
  if (const std::string who = bytes_of(record, "principal"); !who.empty()) {
    line += "  " + escaped(who);
  }
  if (const std::string path = bytes_of(record, "path"); !path.empty()) {
    line += "  " + escaped(path);
  }
  if (const std::string view = text_of(record, "view"); !view.empty()) line += "  " + escaped(view);
  for (const char* id : {"session", "link", "signature", "md5"}) {
    if (const std::string value = text_of(record, id); !value.empty()) {
      line += ' ' + escaped(value.substr(0, kShownDigits));
    }
  }
  if (const std::string key = text_of(record, "key"); !key.empty()) line += " key " + escaped(key);
  if (const std::string from = text_of(record, "address"); !from.empty()) {
    line += " from " + escaped(from);
  }
  if (const std::string until = text_of(record, "lease_until"); !until.empty()) {
    line += fmt::format(" until {}Z", escaped(until.substr(0, kSecondsEnd)));
  }
  if (const std::string why = text_of(record, "why"); !why.empty()) {
    line += fmt::format(" {} {}", escaped(why), escaped(text_of(record, "errno")));
  }
  if (const auto uid = number_of(record, "uid"); uid >= 0) line += fmt::format(" uid {}", uid);
  if (const auto uid = number_of(record, "login_uid"); uid >= 0) {
    line += fmt::format(" logged in as uid {}", uid);
  }
  if (const auto pid = number_of(record, "pid"); pid > 0) line += fmt::format(" pid {}", pid);
  return line;
}

class Answer {
 public:
  Answer(const Question& question, bool json) : question_(question), json_(json) {}

  void read(std::istream& lines) {
    std::string line;
    while (std::getline(lines, line)) {
      Json record = Json::parse(line, nullptr, /*allow_exceptions=*/false);
      if (!record.is_object()) {
        if (!line.empty()) ++tally_.malformed;
        continue;
      }
      take(std::move(record));
    }
  }

  void finish() {
    if (json_) print(document_);
    if (tally_.malformed > 0) {
      complain(fmt::format("warning: {} lines are no records", tally_.malformed));
    }
    if (tally_.lost > 0 || tally_.refusals > 0) {
      complain(
          fmt::format("warning: the record of that time lacks {} events, for which there was "
                      "no room, and {} refusals, which were too many to be told one by one",
                      tally_.lost, tally_.refusals));
    }
  }

 private:
  void take(Json record) {
    if (!is_within(question_, text_of(record, "time"))) return;
    if (text_of(record, "event") == "gap") {
      tally_.lost +=
          static_cast<std::uint64_t>(std::max<std::int64_t>(number_of(record, "lost"), 0));
      tally_.refusals +=
          static_cast<std::uint64_t>(std::max<std::int64_t>(number_of(record, "refusals"), 0));
    }
    if (!is_asked_for(question_, record)) return;
    if (json_) {
      document_["records"].push_back(std::move(record));
    } else {
      print_line(line_about(record));
    }
  }

  const Question& question_;
  const bool json_;
  Json document_{{"records", Json::array()}};
  Tally tally_;
};

bool is_compressed(const fs::path& file) {
  const std::string suffix = file.extension();
  return suffix == ".gz" || suffix == ".xz" || suffix == ".bz2" || suffix == ".zst";
}

/// The record and what logrotate(8) made of it before, the oldest first.
std::vector<fs::path> with_rotated(const fs::path& record) {
  std::vector<std::pair<fs::file_time_type, fs::path>> found;
  std::error_code error;
  const std::string name = record.filename();
  for (const auto& entry : fs::directory_iterator(record.parent_path(), error)) {
    const std::string other = entry.path().filename();
    const bool is_older = other.size() > name.size() && other.starts_with(name) &&
                          (other[name.size()] == '.' || other[name.size()] == '-');
    if (!is_older || !entry.is_regular_file(error)) continue;
    if (is_compressed(entry.path())) {
      complain(
          fmt::format("note: {0} is compressed, and left out; to ask it: zcat {0} | grantctl "
                      "audit --file -",
                      escaped(entry.path().native())));
      continue;
    }
    found.emplace_back(entry.last_write_time(error), entry.path());
  }
  std::ranges::sort(found);
  std::vector<fs::path> files;
  files.reserve(found.size() + 1);
  for (auto& [time, file] : found) files.push_back(std::move(file));
  files.push_back(record);
  return files;
}

/// The records of the running daemons.
Result<std::vector<fs::path>> records_of_daemons(Context& context) {
  auto daemons = context.running_daemons();
  if (!daemons) {
    return Error{daemons.error().kind,
                 daemons.error().message + "; or name the record with --file"};
  }
  std::vector<fs::path> files;
  for (const grantfs::DaemonStatus& daemon : *daemons) {
    if (!daemon.audit) continue;
    if (daemon.audit->place == "journal") {
      return Error{ErrorKind::kNotFound,
                   "the record is in the journal; ask it so: journalctl -t grantfs-audit -o cat | "
                   "grantctl audit --file -"};
    }
    const fs::path record = daemon.audit->place;
    if (std::ranges::find(files, record) != files.end()) continue;
    for (fs::path& file : with_rotated(record)) files.push_back(std::move(file));
  }
  if (files.empty()) {
    return Error{ErrorKind::kNotFound,
                 "no daemon on this database keeps a record of accesses; mount with -o audit=PATH"};
  }
  return files;
}

Result<int> run_audit(Context& context, const AuditArguments& arguments) {
  auto question = question_of(context, arguments);
  if (!question) return question.error();
  std::vector<fs::path> files(arguments.files.begin(), arguments.files.end());
  if (files.empty()) {
    auto found = records_of_daemons(context);
    if (!found) return found.error();
    files = std::move(*found);
  }
  Answer answer(*question, context.json);
  for (const fs::path& file : files) {
    if (file == "-") {
      answer.read(std::cin);
      continue;
    }
    std::ifstream lines(file, std::ios::binary);
    if (!lines) {
      return Error{ErrorKind::kSystem,
                   fmt::format("cannot read {}: {}", quoted(file.native()), std::strerror(errno))};
    }
    answer.read(lines);
  }
  answer.finish();
  return kDone;
}

}  // namespace

void add_audit(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "audit",
      "Who opened what, and who was refused, by the record of a mount with -o audit=PATH;\n"
      "with enforce=lease, when it first could be opened",
      "  grantctl audit --path uploads/7f3a9c/film.mp4 --since 7d\n"
      "  grantctl audit --link 3f2a81c09d4e77b1\n"
      "  grantctl audit --who user:1042 --event refused\n"
      "  journalctl -t grantfs-audit -o cat | grantctl audit --file -");
  auto arguments = std::make_shared<AuditArguments>();
  command.add_option("--path", arguments->path, "of a file or folder, and all below it")
      ->type_name("PATH");
  command.add_option("--who", arguments->who, "whose view it was, or which local user asked")
      ->type_name("PRINCIPAL");
  command.add_option("--link", arguments->link, "by this link; -: the token on standard input")
      ->type_name("ID|-");
  command
      .add_option("--session", arguments->session,
                  "by this session; -: the token on standard input")
      ->type_name("ID|-");
  command
      .add_option("--event", arguments->event,
                  "open, lease, list, refused, change, start, stop or gap")
      ->check(
          CLI::IsMember({"open", "lease", "list", "refused", "change", "start", "stop", "gap"}));
  command
      .add_option("--since", arguments->since,
                  "from this time on: so long ago (90s, 15m, 8h, 7d), an ISO 8601 time with its "
                  "zone, or a day (its beginning)")
      ->type_name("WHEN");
  command.add_option("--until", arguments->until, "before this time; a day: its end")
      ->type_name("WHEN");
  command
      .add_option("--file", arguments->files,
                  "the record; -: standard input; default: that of each daemon on the database, "
                  "with what was rotated")
      ->type_name("FILE|-");
  on_run(command, context, [arguments](Context& shared) { return run_audit(shared, *arguments); });
}

}  // namespace grantctl
