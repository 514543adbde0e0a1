#include "audit/record_text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <iterator>

#include "base/hex.h"
#include "base/quote.h"

namespace grantfs {
namespace {

constexpr AuditTime kSecond = 1'000'000'000;
constexpr AuditTime kMicrosecond = 1'000;

std::string_view name_of(AuditEvent::What what) {
  switch (what) {
    case AuditEvent::What::kOpen:
      return "open";
    case AuditEvent::What::kLease:
      return "lease";
    case AuditEvent::What::kList:
      return "list";
    case AuditEvent::What::kRefused:
      return "refused";
    case AuditEvent::What::kChange:
      return "change";
    case AuditEvent::What::kStart:
      return "start";
    case AuditEvent::What::kStop:
      break;
  }
  return "stop";
}

/// A JSON string (RFC 8259, section 7), without its quotes. True if bytes were replaced.
bool append_text(std::string& text, std::string_view bytes) {
  bool replaced = false;
  while (!bytes.empty()) {
    const std::size_t length = printable_sequence(bytes);
    const char first = bytes.front();
    if (length > 1 || (length == 1 && first != '"' && first != '\\')) {
      text.append(bytes.substr(0, length));
    } else if (static_cast<unsigned char>(first) < 0x80) {
      fmt::format_to(std::back_inserter(text), "\\u{:04x}", static_cast<unsigned>(first));
    } else {
      text.append("\\ufffd");
      replaced = true;
    }
    bytes.remove_prefix(length > 0 ? length : 1);
  }
  return replaced;
}

void append_time(std::string& object, std::string_view name, AuditTime time) {
  fmt::format_to(std::back_inserter(object), R"({}"{}":"{:%Y-%m-%dT%H:%M:%S}.{:06}Z")",
                 object.ends_with('{') ? "" : ",", name,
                 fmt::gmtime(static_cast<std::time_t>(time / kSecond)),
                 time % kSecond / kMicrosecond);
}

template <class Number>
void append_number(std::string& object, std::string_view name, Number number) {
  fmt::format_to(std::back_inserter(object), ",\"{}\":{}", name, number);
}

/// Takes away what stands before `mark` in a text, and the mark; all of it if there is no mark.
std::string_view take_until(std::string_view& text, char mark) {
  const auto end = text.find(mark);
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return taken;
}

/// Appends what a label says: the view, and who asks by which session, link or signature.
/// `label` is one of
///
///     public                    user:NAME                 uid:N
///     session:ID[@ADDRESS]      link:ID[@ADDRESS]         signature:ID[@ADDRESS]
///     md5:EXPIRES:ID[@ADDRESS]  expired:EXPIRES:ID[@ADDRESS]
///     process:N:session:ID
void append_view(std::string& record, std::string_view label, std::string_view principal) {
  std::string_view rest = label;
  std::string_view kind = take_until(rest, ':');
  append_member(record, "view",
                kind == "public" || kind == "expired" ? kind : fmt::format("by-{}", kind));
  if (kind == "public" || kind == "user" || kind == "uid") {
    append_member(record, "principal", label);
    return;
  }
  if (!principal.empty()) append_member(record, "principal", principal);
  if (kind == "process") {
    append_member(record, "process", take_until(rest, ':'));
    kind = take_until(rest, ':');
  } else if (kind == "md5" || kind == "expired") {
    kind = "md5";
    take_until(rest, ':');
  }
  append_member(record, kind, take_until(rest, '@'));
  if (!rest.empty()) append_member(record, "address", rest);
}

void append_path(std::string& record, std::string_view folder, std::string_view name) {
  if (name.empty()) {
    append_member(record, "path", folder.empty() ? "." : folder);
  } else if (folder.empty()) {
    append_member(record, "path", name);
  } else {
    append_member(record, "path", fmt::format("{}/{}", folder, name));
  }
}

void append_access(std::string& record, const AuditEvent& event) {
  if (event.label.empty()) {
    append_member(record, "view", event.door);
  } else {
    append_view(record, event.label, event.principal);
  }
  if (!event.key.empty()) append_member(record, "key", event.key);
  if (!event.label.empty() && (!event.folder.empty() || !event.name.empty() || event.error == 0)) {
    append_path(record, event.folder, event.name);
  }
  if (event.what == AuditEvent::What::kLease) append_time(record, "lease_until", event.lease_until);
  if (event.what == AuditEvent::What::kRefused) {
    append_member(record, "why", event.why == AuditEvent::Why::kDenied ? "denied" : "failed");
    append_member(record, "errno", ::strerrorname_np(event.error));
  }
}

}  // namespace

AuditTime audit_now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void append_member(std::string& object, std::string_view name, std::string_view value) {
  fmt::format_to(std::back_inserter(object), R"({}"{}":")", object.ends_with('{') ? "" : ",", name);
  const bool replaced = append_text(object, value);
  object += '"';
  if (!replaced) return;
  fmt::format_to(std::back_inserter(object), R"(,"{}_hex":")", name);
  for (const char byte : value) {
    fmt::format_to(std::back_inserter(object), "{:02x}", static_cast<unsigned char>(byte));
  }
  object += '"';
}

void append_record(std::string& lines, const AuditEvent& event) {
  lines += '{';
  append_time(lines, "time", event.time);
  append_member(lines, "event", name_of(event.what));
  switch (event.what) {
    case AuditEvent::What::kOpen:
    case AuditEvent::What::kLease:
    case AuditEvent::What::kList:
    case AuditEvent::What::kRefused:
      append_access(lines, event);
      break;
    case AuditEvent::What::kChange:
    case AuditEvent::What::kStart:
    case AuditEvent::What::kStop:
      break;
  }
  if (event.uid != static_cast<uid_t>(-1)) append_number(lines, "uid", event.uid);
  if (event.pid != 0) append_number(lines, "pid", event.pid);
  if (!event.details.empty()) {
    lines += ',';
    lines += event.details;
  }
  lines += "}\n";
}

void append_gap(std::string& lines, AuditTime now, std::uint64_t lost, std::uint64_t refusals) {
  lines += '{';
  append_time(lines, "time", now);
  append_member(lines, "event", "gap");
  append_number(lines, "lost", lost);
  append_number(lines, "refusals", refusals);
  lines += "}\n";
}

}  // namespace grantfs
