#include "policy/postgresql/postgresql_engine.h"

#include <fmt/core.h>

#include <array>
#include <chrono>
#include <string_view>
#include <thread>
#include <vector>

#include "db/connection.h"
#include "grantfs/store_path.h"
#include "policy/changes/sqlite_engine.h"

namespace grantfs {
namespace {

/// A write transaction is tried so often at most, with pauses that add up to about two seconds.
constexpr int kMostTries = 10;
constexpr std::chrono::milliseconds kFirstPause{2};

/// The statement with $1 in the place of ?1. No statement of ours has a question mark elsewhere.
std::string with_dollars(std::string_view sql) {
  std::string text(sql);
  for (char& c : text) {
    if (c == '?') c = '$';
  }
  return text;
}

/// Parameters as texts. Views into the parameters, and into the texts that it makes.
class Values {
 public:
  explicit Values(std::span<const Parameter> parameters) {
    made_.reserve(parameters.size());
    for (const Parameter& parameter : parameters) {
      if (const auto* text = std::get_if<std::string_view>(&parameter)) {
        add(*text);
      } else if (const auto* number = std::get_if<std::int64_t>(&parameter)) {
        values_.emplace_back(made_.emplace_back(std::to_string(*number)).view());
      } else if (const auto* blob = std::get_if<Blob>(&parameter)) {
        values_.emplace_back(made_.emplace_back(postgres::bytea_text(blob->bytes)).view());
      } else {
        values_.emplace_back();
      }
    }
  }
  std::span<const postgres::Value> get() const { return values_; }

 private:
  /// The bounds of ranges of paths (PathRange) may be texts that PostgreSQL does not take, and have
  /// to be others of the same meaning there. A path with a zero byte behind it: with a byte 1,
  /// since no text there has a zero byte. Bytes 255, one more than a path can have: as many of the
  /// last character of Unicode.
  void add(std::string_view text) {
    constexpr std::string_view kLastCharacter = "\xF4\x8F\xBF\xBF";
    Secret bound;
    if (text.size() > StorePath::kMaxBytes && text.starts_with('\xFF')) {
      for (std::size_t size = 0; size <= StorePath::kMaxBytes; size += kLastCharacter.size()) {
        bound.append(kLastCharacter);
      }
    } else if (text.ends_with('\0')) {
      bound.append(text.substr(0, text.size() - 1));
      bound.append('\1');
    } else {
      values_.emplace_back(text.data() == nullptr ? "" : text);
      return;
    }
    values_.emplace_back(made_.emplace_back(std::move(bound)).view());
  }

  // The bytes are secrets of signing keys.
  std::vector<Secret> made_;
  std::vector<postgres::Value> values_;
};

class PostgresqlRow : public ChangeRow {
 public:
  explicit PostgresqlRow(const postgres::Answer& answer) : answer_(answer) {}

  int columns() const override { return answer_.columns(); }
  std::string_view text(int column) const override { return answer_.text(0, column); }
  std::int64_t integer(int column) const override { return answer_.integer(0, column); }
  bool is_null(int column) const override { return answer_.is_null(0, column); }
  Secret blob(int column) const override {
    auto bytes = postgres::bytea_bytes(answer_.text(0, column));
    return bytes ? std::move(*bytes) : Secret();
  }

 private:
  const postgres::Answer& answer_;
};

class PostgresqlStatement : public ChangeStatement {
 public:
  PostgresqlStatement(postgres::Connection& connection, std::string_view sql, bool& failed)
      : connection_(connection), sql_(with_dollars(sql)), failed_(failed) {}

  Result<void> for_each(std::span<const Parameter> parameters, const TakeRow& take) override {
    const Values values(parameters);
    bool taking_failed = false;
    auto done = connection_.for_each(sql_, values.get(), [&](const postgres::Answer& answer) {
      auto taken = take(PostgresqlRow(answer));
      taking_failed = !taken;
      return taken;
    });
    if (!done && !taking_failed) return failure(done.error());
    return done;
  }

  Result<std::int64_t> change(std::span<const Parameter> parameters) override {
    const Values values(parameters);
    auto answer = connection_.query(sql_, values.get());
    if (!answer) return failure(answer.error());
    return answer->changed();
  }

  Result<std::int64_t> change_each(const std::vector<std::vector<Parameter>>& rows) override {
    std::vector<Values> values(rows.begin(), rows.end());
    auto changed = connection_.change_each(sql_, rows.size(),
                                           [&](std::size_t row) { return values[row].get(); });
    if (!changed) return failure(changed.error());
    return changed;
  }

 private:
  Error failure(const Error& error) {
    failed_ = true;
    return in_our_words(error, connection_);
  }

  postgres::Connection& connection_;
  std::string sql_;
  bool& failed_;
};

/// A value in the text format of COPY.
void add_copied(Secret& line, std::string_view value) {
  for (const char c : value) {
    switch (c) {
      case '\\':
        line.append("\\\\");
        break;
      case '\n':
        line.append("\\n");
        break;
      case '\r':
        line.append("\\r");
        break;
      case '\t':
        line.append("\\t");
        break;
      default:
        line.append(c);
    }
  }
}

void add_copied(Secret& lines, const ChangeRow& row, int bytea_column) {
  for (int column = 0; column < row.columns(); ++column) {
    if (column > 0) lines.append('\t');
    if (row.is_null(column)) {
      lines.append("\\N");
    } else if (column == bytea_column) {
      const Secret text = postgres::bytea_text(row.blob(column).view());
      add_copied(lines, text.view());
    } else {
      add_copied(lines, row.text(column));
    }
  }
  lines.append('\n');
}

/// The type TEXT compares bytes, as SQLite's does.
std::string with_collation(std::string columns) {
  constexpr std::string_view kText = "TEXT";
  constexpr std::string_view kCollated = "TEXT COLLATE \"C\"";
  for (auto at = columns.find(kText); at != std::string::npos;
       at = columns.find(kText, at + kCollated.size())) {
    columns.replace(at, kText.size(), kCollated);
  }
  return columns;
}

constexpr std::string_view kFitsAnIndex =
    "in PostgreSQL a path has at most 2,400 bytes, so that indexes take it; a rule can be on a "
    "folder above it";

/// What a constraint of the schema asks for; empty for one that is not ours.
std::string_view asked_by(std::string_view constraint) {
  struct Words {
    std::string_view constraint;
    std::string_view words;
  };
  constexpr std::array kWords{
      Words{"path_is_canonical",
            "a path is not empty, and without //, ., .. and a slash at its ends; . is the whole "
            "store"},
      Words{"path_fits_an_index", kFitsAnIndex},
      Words{"principal_is_canonical",
            "a principal is user:NAME, group:NAME, uid:N, gid:N or public"},
      Words{"member_is_canonical", "a member is user:NAME, group:NAME, uid:N, gid:N or public"},
      Words{"parent_is_a_group", "what a member belongs to is group:NAME"},
      Words{"expires_is_a_time", "an expiry is Unix seconds, from 0 to 99999999999"},
      Words{"retired_is_a_time", "a retirement is Unix seconds, from 0 to 99999999999"},
      Words{"rights_are_known", "rights are read, write or own"},
      Words{"id_is_a_token_hash", "an id is the SHA-256 of a token in lowercase hexadecimal"},
      Words{"address_is_of_some_length", "an address has 2 to 64 characters"},
      Words{"address_is_one", "an address is an IP address or network"},
      Words{"uses_can_be_counted", "uses are 1 to 1,000,000,000"},
      Words{"id_is_a_keys", "a key's id is 1 to 32 of A-Z a-z 0-9"},
      Words{"format_is_known", "a key's format is hmac-sha256 or md5:EXPRESSION"},
      Words{"uri_prefix_is_absolute", "a URI prefix begins with a slash"},
      Words{"secret_is_long_enough", "a secret has 1 to 1,024 bytes, for signatures 32 or more"},
      Words{"md5_has_a_uri_prefix", "a key of format md5 has a URI prefix"}};
  for (const auto& [name, words] : kWords) {
    if (name == constraint) return words;
  }
  return {};
}

}  // namespace

Error in_our_words(const Error& error, const postgres::Connection& connection) {
  const postgres::Failure& failure = connection.failure();
  if (error.kind != ErrorKind::kDatabase) return error;
  const auto say = [&](std::string_view words) {
    return Error{ErrorKind::kDatabase, fmt::format("{}: {}", connection.name(), words)};
  };
  const std::string_view state = failure.sqlstate;
  if (failure.is_lock_timeout()) {
    return say(
        "another transaction has held a lock for 5 seconds; nothing was changed. Try again, or "
        "look "
        "for it in pg_stat_activity");
  }
  if (failure.may_be_retried()) {
    return say("other transactions got in the way again and again; nothing was changed. Try again");
  }
  if (state == "23514" && !asked_by(failure.constraint).empty()) {
    return say(asked_by(failure.constraint));
  }
  if (state == "22021") return say("a name that is not UTF-8 cannot be stored in PostgreSQL");
  // From the key of a table that an import is collected in.
  if (state == "54000") return say(kFitsAnIndex);
  if (state == "25006") {
    return say(
        "the server takes no changes: it is a standby, or default_transaction_read_only is "
        "on; name the primary");
  }
  if (state == "42501") {
    return say(failure.message +
               "; have an administrator run, for who changes the policy: GRANT "
               "grantfs_admin TO ROLE");
  }
  return error;
}

Result<void> PostgresqlEngine::begin(Transaction kind) {
  failed_ = false;
  begun_ = true;
  return connection_.execute(kind == Transaction::kWrite
                                 ? "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE"
                                 : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
}

Result<void> PostgresqlEngine::commit() {
  begun_ = false;
  auto done = connection_.execute("COMMIT");
  if (done) return done;
  failed_ = true;
  if (connection_.is_alive()) return in_our_words(done.error(), connection_);
  return Error{ErrorKind::kDatabase,
               done.error().message +
                   "; the connection was lost while the change was committed: "
                   "look whether it was before trying again"};
}

void PostgresqlEngine::roll_back() {
  if (begun_ && connection_.is_alive()) (void)connection_.execute("ROLLBACK");
  begun_ = false;
}

bool PostgresqlEngine::is_worth_another_try(int attempt) {
  if (!failed_ || !connection_.failure().may_be_retried() || attempt >= kMostTries) return false;
  roll_back();  // nobody waits for our locks meanwhile
  std::this_thread::sleep_for(kFirstPause * (1 << (attempt - 1)));
  return true;
}

Result<std::unique_ptr<ChangeStatement>> PostgresqlEngine::prepare(std::string_view sql) {
  return std::unique_ptr<ChangeStatement>(
      std::make_unique<PostgresqlStatement>(connection_, sql, failed_));
}

Error PostgresqlEngine::named(const Error& error) const {
  if (error.kind != ErrorKind::kDatabase) return error;
  const std::string name = connection_.name() + ": ";
  if (error.message.starts_with(name)) return error;
  return {error.kind, name + error.message};
}

Result<void> PostgresqlEngine::make_temporary(const TemporaryTable& table) {
  auto made = connection_.execute(
      fmt::format("CREATE TEMP TABLE {} ({})", table.name, with_collation(table.columns)));
  if (!made) return in_our_words(made.error(), connection_);
  return {};
}

void PostgresqlEngine::drop_temporary(const TemporaryTable& table) {
  (void)connection_.execute(fmt::format("DROP TABLE pg_temp.{}", table.name));
}

Result<Engine*> PostgresqlEngine::staging() {
  // An empty name is a database in a temporary file of SQLite's own, without a name on the disk.
  auto own = db::Connection::open("", db::Mode::kCreate);
  if (!own) return own.error();
  staging_ = std::make_unique<SqliteEngine>("the rows to import", std::move(*own));
  return staging_->staging();
}

Result<void> PostgresqlEngine::take_staged(std::span<const TemporaryTable> tables) {
  for (const TemporaryTable& table : tables) {
    // Of an import before this one.
    (void)connection_.execute(fmt::format("DROP TABLE IF EXISTS pg_temp.{}", table.name));
    if (auto made = make_temporary(table); !made) return made;
    if (auto copied = copy(table); !copied) return copied;
    // The planner knows nothing of a table just filled.
    if (auto known = connection_.execute(fmt::format("ANALYZE pg_temp.{}", table.name)); !known) {
      return in_our_words(known.error(), connection_);
    }
  }
  return {};
}

Result<void> PostgresqlEngine::copy(const TemporaryTable& table) {
  constexpr std::size_t kPieceBytes = 256 * std::size_t{1024};
  auto statement = staging_->prepare(fmt::format("SELECT * FROM {}", table.name));
  if (!statement) return statement.error();
  auto begun = connection_.begin_copy_in(fmt::format("COPY pg_temp.{} FROM STDIN", table.name));
  if (!begun) return in_our_words(begun.error(), connection_);
  Secret lines;
  const auto send = [&]() -> Result<void> {
    auto sent = connection_.put_copy_data(lines.view());
    lines.clear();
    return sent;
  };
  auto read = (*statement)->for_each({}, [&](const ChangeRow& row) -> Result<void> {
    add_copied(lines, row, table.bytea_column);
    return lines.size() < kPieceBytes ? Result<void>() : send();
  });
  if (read && !lines.empty()) read = send();
  if (!read) {
    connection_.abort_copy_in();
    return read.error();
  }
  auto ended = connection_.end_copy_in();
  if (!ended) return in_our_words(ended.error(), connection_);
  return {};
}

}  // namespace grantfs
