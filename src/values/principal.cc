#include "grantfs/principal.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/parse_integer.h"
#include "base/quote.h"

namespace grantfs {
namespace {

constexpr std::size_t kMaxNameBytes = 255;
constexpr std::uint64_t kMaxId = 4294967294;  // 4294967295 is (uid_t)-1: "no change", "nobody"

bool is_application_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes &&
         std::ranges::none_of(name,
                              [](unsigned char c) { return c == '/' || c < ' ' || c == 127; });
}

bool is_canonical_id(std::string_view digits) {
  if (digits.empty() || (digits.size() > 1 && digits.front() == '0')) return false;
  const auto id = parse_integer<std::uint64_t>(digits);
  return id && *id <= kMaxId;
}

}  // namespace

Result<Principal> Principal::parse(std::string_view text) {
  if (text == "public") return everyone();
  const auto colon = text.find(':');
  if (colon != std::string_view::npos) {
    const auto kind = text.substr(0, colon);
    const auto name = text.substr(colon + 1);
    if (kind == "user" && is_application_name(name))
      return Principal(Kind::kUser, std::string(text));
    if (kind == "group" && is_application_name(name)) {
      return Principal(Kind::kGroup, std::string(text));
    }
    if (kind == "uid" && is_canonical_id(name)) return Principal(Kind::kUid, std::string(text));
    if (kind == "gid" && is_canonical_id(name)) return Principal(Kind::kGid, std::string(text));
  }
  return Error{ErrorKind::kInvalid,
               fmt::format("{} is not a principal; write user:NAME, group:NAME, uid:N, gid:N or "
                           "public (a NAME has no '/' and no control characters)",
                           quoted(text))};
}

Principal Principal::everyone() {
  return {Kind::kPublic, "public"};
}
Principal Principal::uid(uid_t uid) {
  return {Kind::kUid, fmt::format("uid:{}", uid)};
}
Principal Principal::gid(gid_t gid) {
  return {Kind::kGid, fmt::format("gid:{}", gid)};
}

std::string_view Principal::name() const {
  const auto colon = text_.find(':');
  return colon == std::string::npos ? std::string_view()
                                    : std::string_view(text_).substr(colon + 1);
}

}  // namespace grantfs
