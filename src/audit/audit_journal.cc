#include "audit/audit_journal.h"

// Without it the journal would have our file and line.
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <fmt/core.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

namespace grantfs {
namespace {

/// Where sd_journal_sendv(3) sends to. Without it, that call does nothing and reports success.
constexpr const char* kSocket = "/run/systemd/journal/socket";

iovec field(std::string_view text) {
  return {const_cast<char*>(text.data()), text.size()};  // NOLINT(*-const-cast): C's, not written
}

Error failed(int error) {
  return {ErrorKind::kSystem,
          fmt::format("cannot write the record to the journal: {}", std::strerror(error))};
}

}  // namespace

Result<void> AuditJournal::write(std::string& lines) {
  if (::access(kSocket, W_OK) != 0) return failed(errno);
  std::string message;
  while (!lines.empty()) {
    const auto end = lines.find('\n');
    message = "MESSAGE=";
    message.append(lines, 0, end);
    const std::array fields{field(message), field("SYSLOG_IDENTIFIER=grantfs-audit"),
                            field("SYSLOG_FACILITY=10"),  // LOG_AUTHPRIV
                            field("PRIORITY=6")};
    if (const int sent = ::sd_journal_sendv(fields.data(), fields.size()); sent != 0) {
      return failed(-sent);
    }
    lines.erase(0, end == std::string::npos ? end : end + 1);
  }
  return {};
}

}  // namespace grantfs
