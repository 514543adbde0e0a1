#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/quote.h"
#include "base/unique_fd.h"
#include "grantctl/rows/columns.h"
#include "grantctl/rows/records.h"
#include "grantfs/secret.h"

namespace grantctl {

using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::quoted;
using grantfs::Result;
using grantfs::Secret;
using grantfs::UniqueFd;

namespace {

/// Reads the bytes of a file, one after another.
class ByteReader {
 public:
  static constexpr int kEnd = -1;
  static constexpr int kFailed = -2;

  explicit ByteReader(UniqueFd file) : file_(std::move(file)) { buffer_.resize(65536); }

  /// Returns the next byte without taking it; or kEnd, or kFailed with errno.
  int peek() {
    if (position_ == size_) {
      ssize_t got = 0;
      while ((got = ::read(file_.get(), buffer_.bytes().data(), buffer_.size())) < 0 &&
             errno == EINTR) {
      }
      if (got <= 0) return got == 0 ? kEnd : kFailed;
      position_ = 0;
      size_ = static_cast<std::size_t>(got);
    }
    return static_cast<unsigned char>(buffer_.view()[position_]);
  }
  int get() {
    const int byte = peek();
    if (byte >= 0) ++position_;
    return byte;
  }

 private:
  UniqueFd file_;
  Secret buffer_;  ///< there may be keys in it
  std::size_t position_ = 0;
  std::size_t size_ = 0;
};

class CsvRecords : public Records {
 public:
  CsvRecords(UniqueFd file, const std::string& name)
      : is_stream_(!is_regular(file.get())), bytes_(std::move(file)), numbered_(name + " line") {}

  Result<void> read_header() {
    auto read = next();
    if (!read) return read.error();
    if (!*read) return wrong("is missing: the first line names the columns");
    for (const Secret& value : values_) columns_.emplace_back(value.view());
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (columns_.front().starts_with(kByteOrderMark)) {
      columns_.front().erase(0, kByteOrderMark.size());
    }
    return {};
  }

  const std::vector<std::string>& columns() const override { return columns_; }
  std::int64_t number() const override { return number_; }
  const std::string& numbered() const override { return numbered_; }
  bool is_complete() const override { return has_end_mark_ || !is_stream_; }

  Result<bool> next() override {
    count_ = 0;
    while (bytes_.peek() == '\n' || bytes_.peek() == '\r') take_line_end();
    number_ = line_;
    if (bytes_.peek() == ByteReader::kFailed) return cannot_read();
    if (bytes_.peek() == ByteReader::kEnd) return false;
    bool more = true;
    while (more) {
      if (count_ == values_.size()) values_.emplace_back();
      Secret& value = values_[count_++];
      value.clear();
      auto ended = bytes_.peek() == '"' ? read_quoted(value) : read_plain(value);
      if (!ended) return ended.error();
      more = *ended;
    }
    values_.resize(count_);
    if (count_ == 1 && values_.front().view() == kEndMark) return end_by_mark();
    if (!columns_.empty() && count_ != columns_.size()) {
      return wrong(
          fmt::format("has {} values, and the header names {} columns; write values with "
                      "commas in them in double quotes",
                      count_, columns_.size()));
    }
    return true;
  }

  Result<std::optional<std::string_view>> value(std::size_t column) const override {
    const Secret& value = values_.at(column);
    if (value.empty()) return std::optional<std::string_view>();
    return std::optional<std::string_view>(value.view());
  }

 private:
  /// A value may have 64 KiB, which is longer than any path or name. The limit ends a line or a
  /// quoted value that never ends.
  static constexpr std::size_t kMaxValueBytes = 65536;

  static constexpr std::string_view kEndMark = "\\.";

  static bool is_regular(int fd) {
    struct stat status = {};
    return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  }

  Result<bool> end_by_mark() {
    while (take_line_end()) {
    }
    if (bytes_.peek() == ByteReader::kFailed) return cannot_read();
    if (bytes_.peek() != ByteReader::kEnd) return wrong("says that the rows end, and more follows");
    has_end_mark_ = true;
    return false;
  }

  Error wrong(const std::string& what) const {
    return {ErrorKind::kInvalid, fmt::format("{} {} {}", numbered_, number_, what)};
  }
  Error cannot_read() const {
    return {ErrorKind::kSystem,
            fmt::format("{} {}: cannot read on: {}", numbered_, number_, std::strerror(errno))};
  }
  Error too_long() const {
    return wrong("has a value longer than any path; is a double quote missing?");
  }

  /// The current value, for messages. A secret's value is not repeated.
  std::string called(const Secret& value) const {
    const bool secret =
        count_ <= columns_.size() && columns_[count_ - 1] == kPolicyColumns[kSecret];
    return secret ? "the secret" : quoted(value.view());
  }

  /// Takes LF or CR LF, and returns true. A CR alone is taken too, but returns false, since it ends
  /// no line. Returns false at any other byte.
  bool take_line_end() {
    if (bytes_.peek() == '\r') bytes_.get();
    if (bytes_.peek() != '\n') return false;
    bytes_.get();
    ++line_;
    return true;
  }

  /// Reads the byte behind a value. Returns true for a comma, false at the end of the record.
  Result<bool> read_separator(std::string_view after) {
    const int byte = bytes_.peek();
    if (byte == ByteReader::kFailed) return cannot_read();
    if (byte == ByteReader::kEnd) return false;
    if (byte == ',') {
      bytes_.get();
      return true;
    }
    if (take_line_end()) return false;
    return wrong(
        fmt::format("has {}; write such a value in double quotes, with those in it twice", after));
  }

  Result<bool> read_plain(Secret& value) {
    while (true) {
      const int byte = bytes_.peek();
      if (byte < 0 || byte == ',' || byte == '\n' || byte == '\r') break;
      if (byte == '"') return wrong("has a double quote inside of " + called(value));
      value.append(static_cast<char>(bytes_.get()));
      if (value.size() > kMaxValueBytes) return too_long();
    }
    return read_separator("a carriage return inside of " + called(value));
  }

  Result<bool> read_quoted(Secret& value) {
    bytes_.get();
    while (true) {
      const int byte = bytes_.get();
      if (byte == ByteReader::kFailed) return cannot_read();
      if (byte == ByteReader::kEnd) return wrong("begins a value in double quotes that never ends");
      if (byte == '\n') ++line_;
      if (byte == '"') {
        if (bytes_.peek() != '"') break;
        bytes_.get();
      }
      value.append(static_cast<char>(byte));
      if (value.size() > kMaxValueBytes) return too_long();
    }
    return read_separator("something behind the double quotes of " + called(value));
  }

  const bool is_stream_;  ///< what it is read from has no size
  bool has_end_mark_ = false;
  ByteReader bytes_;
  const std::string numbered_;
  std::vector<std::string> columns_;
  std::vector<Secret> values_;  ///< there may be keys among them
  std::size_t count_ = 0;
  std::int64_t line_ = 1;
  std::int64_t number_ = 1;
};

}  // namespace

Result<std::unique_ptr<Records>> read_csv(const std::string& file) {
  const bool standard_input = file == "-";
  UniqueFd fd(standard_input ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                             : ::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    return Error{ErrorKind::kSystem,
                 fmt::format("cannot open {}: {}", quoted(file), std::strerror(errno))};
  }
  auto records = std::make_unique<CsvRecords>(
      std::move(fd), standard_input ? std::string("standard input") : grantfs::escaped(file));
  if (auto read = records->read_header(); !read) return read.error();
  return std::unique_ptr<Records>(std::move(records));
}

std::string csv_value(std::string_view value) {
  const bool plain = value.find_first_of(",\"\r\n") == std::string_view::npos &&
                     !value.starts_with(' ') && !value.ends_with(' ');
  if (plain) return std::string(value);
  std::string text = "\"";
  for (const char c : value) {
    if (c == '"') text += '"';
    text += c;
  }
  return text + '"';
}

}  // namespace grantctl
