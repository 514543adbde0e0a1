#include <fmt/core.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/new_file.h"
#include "base/quote.h"
#include "grantctl/commands/commands.h"
#include "grantctl/output.h"
#include "grantctl/rows/policy_rows.h"

namespace grantctl {

using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::quoted;
using grantfs::Result;

namespace {

Error write_error(const std::string& file, const std::error_code& why) {
  return {ErrorKind::kSystem, fmt::format("cannot write {}: {}", quoted(file), why.message())};
}

/// Collects lines, and writes them to a descriptor in large pieces.
class LineWriter {
 public:
  LineWriter(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}

  Result<void> line(std::string_view text) {
    constexpr std::size_t kPiece = 1 << 16;
    buffer_.append(text);
    buffer_.append('\n');
    return buffer_.size() >= kPiece ? flush() : Result<void>();
  }
  Result<void> flush() {
    std::string_view rest = buffer_.view();
    while (!rest.empty()) {
      const ssize_t written = ::write(fd_, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return write_error(name_, {errno, std::generic_category()});
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
    buffer_.clear();
    return {};
  }

 private:
  const int fd_;
  const std::string name_;
  grantfs::Secret buffer_;  ///< there may be keys in it
};

struct ExportArguments {
  std::string file;
  bool without_keys = false;
};

/// Refuses to write secrets to a terminal, or to a file that other users may read. A pipe is
/// accepted: the user chose its reader.
Result<void> check_may_hold_secrets(int fd) {
  if (::isatty(fd) == 1) {
    return Error{ErrorKind::kInvalid,
                 "the secrets of signing keys are in an export, and standard output is a terminal; "
                 "name a FILE, or leave the keys out with --without-keys"};
  }
  struct stat status = {};
  if (::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
      (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("the secrets of signing keys are in an export, and standard output is "
                             "a file of mode {:04o}; name the FILE, which makes it 0600, or leave "
                             "the keys out with --without-keys",
                             status.st_mode & 07777U)};
  }
  return {};
}

/// Writes the policy and returns how many rows it wrote.
Result<std::int64_t> write_policy(const Context& context, int fd, const std::string& name,
                                  bool without_keys) {
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  if (fd == STDOUT_FILENO && !without_keys) {
    auto keys = (*admin)->signing_keys();
    if (!keys) return keys.error();
    if (!keys->empty()) {
      if (auto may = check_may_hold_secrets(fd); !may) return may.error();
    }
  }
  LineWriter out(fd, name);
  if (auto written = out.line(fmt::format("{}", fmt::join(kPolicyColumns, ","))); !written) {
    return written.error();
  }
  std::int64_t rows = 0;
  auto done = (*admin)->for_each_row([&](const grantfs::PolicyRow& row) -> Result<void> {
    if (without_keys && row.kind == grantfs::PolicyRow::Kind::kKey) return {};
    ++rows;
    return out.line(to_csv(row).view());
  });
  if (!done) return done.error();
  if (auto flushed = out.flush(); !flushed) return flushed.error();
  return rows;
}

Result<int> run_export(Context& context, const ExportArguments& arguments) {
  const std::string& file = arguments.file;
  if (file == "-") {
    if (context.json) {
      return Error{ErrorKind::kInvalid,
                   "what is exported is CSV; leave out --json, or name a FILE"};
    }
    auto rows = write_policy(context, STDOUT_FILENO, "standard output", arguments.without_keys);
    if (!rows) return rows.error();
    return kDone;
  }
  struct stat there = {};
  if (::stat(file.c_str(), &there) == 0 && !S_ISREG(there.st_mode)) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("{} is not a regular file; - is standard output", quoted(file))};
  }
  grantfs::NewFile out(file);
  if (out.trouble()) return write_error(file, out.trouble());
  auto rows = write_policy(context, out.fd().get(), file, arguments.without_keys);
  if (!rows) return rows.error();
  if (const auto failed = out.keep()) return write_error(file, failed);
  if (context.json) {
    Json document;
    put_bytes(document, "file", file);
    document["rows"] = *rows;
    print(document);
  } else {
    print_line(fmt::format("exported {} rows to {}", *rows, quoted(file)));
  }
  return kDone;
}

}  // namespace

void add_export(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "export",
      "Write every owner, grant, membership, link and signing key as CSV, which import\n"
      "reads back; it holds the secrets of the keys, the hashes of links' tokens, and no\n"
      "sessions",
      "  grantctl export policy.csv\n"
      "  grantctl export --without-keys - | grep user:1042");
  auto arguments = std::make_shared<ExportArguments>();
  command
      .add_option("FILE", arguments->file,
                  "in the place of any file of that name, with mode 0600; - is standard output")
      ->required();
  command.add_flag("--without-keys", arguments->without_keys,
                   "leave the signing keys out, and with them every secret");
  on_run(command, context, [arguments](Context& shared) { return run_export(shared, *arguments); });
}

}  // namespace grantctl
