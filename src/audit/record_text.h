#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "audit/event.h"

namespace grantfs {

/// Appends the event as one line of JSON, its newline included. grantfs(8), RECORDS OF ACCESS, says
/// which members it has.
void append_record(std::string& lines, const AuditEvent& event);

/// Appends the line that says what the record lacks before `now`: `lost` events that found no room,
/// and `refusals` that were too many to be told one by one.
void append_gap(std::string& lines, AuditTime now, std::uint64_t lost, std::uint64_t refusals);

/// Appends a member of a JSON object, with a comma before it unless it is the first. Bytes that are
/// not UTF-8 become U+FFFD; then a member NAME_hex has them all. So no text can end its line.
void append_member(std::string& object, std::string_view name, std::string_view value);

}  // namespace grantfs
