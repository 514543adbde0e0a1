#include "control/claim.h"

#include <fmt/core.h>

#include <string_view>

#include "control/client.h"
#include "control/document.h"

namespace grantfs::control {
namespace {

constexpr std::size_t kLongestClient = 64;
constexpr std::string_view kOfAddresses = "0123456789abcdef.:/";

/// A whole number of an object, from `least` on; none if there is no such number.
std::optional<std::int64_t> number(const nlohmann::json& object, const char* key,
                                   std::int64_t least) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) return std::nullopt;
  const auto value = found->get<std::int64_t>();
  return value >= least ? std::optional(value) : std::nullopt;
}

const std::string* text(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? nullptr : found->get_ptr<const std::string*>();
}

}  // namespace

Result<std::optional<ClaimedUse>> claim_use(const std::filesystem::path& database,
                                            const Claim& claim) {
  const Error no_follower{ErrorKind::kNotFound,
                          "no use of a link can be counted: the follower does not run (systemctl "
                          "status grantfs-follow@NAME)"};
  auto folder = RecordFolder::open(database);
  if (!folder) {
    return folder.error().kind == ErrorKind::kNotFound ? no_follower : folder.error();
  }
  const auto line = fmt::format(R"({{"command":"claim","link":"{}","client":"{}","window":{}}})"
                                "\n",
                                claim.link.hex(), claim.client, claim.window_seconds);
  auto answer =
      ask_daemon_by_line(folder->short_path(kFollowerSocket), line, kClaimTime, "the follower");
  if (!answer) {
    return answer.error().kind == ErrorKind::kNotFound ? no_follower : answer.error();
  }
  const Emptied emptied(*answer);
  const auto used = number(*answer, "used", 0);
  if (used == 0) return std::optional<ClaimedUse>();
  const auto age = number(*answer, "age_seconds", 0);
  if (used && age) return std::optional(ClaimedUse{*used, *age});
  return Error{ErrorKind::kSystem, "the follower's answer to a claim is not understood"};
}

Result<Claim> read_claim(const nlohmann::json& request) {
  const Error senseless{ErrorKind::kInvalid, "the claim makes no sense"};
  const std::string* const link = text(request, "link");
  const std::string* const client = text(request, "client");
  const auto window = number(request, "window", 1);
  if (link == nullptr || client == nullptr || !window || *window > kLongestWindow) return senseless;
  if (client->size() > kLongestClient ||
      client->find_first_not_of(kOfAddresses) != std::string::npos) {
    return senseless;
  }
  auto hash = TokenHash::parse(*link);
  if (!hash) return senseless;
  return Claim{*hash, *client, *window};
}

nlohmann::json claim_answer(const std::optional<ClaimedUse>& claimed) {
  nlohmann::json answer = nlohmann::json::object();
  answer["used"] = claimed ? claimed->used : 0;
  if (claimed) answer["age_seconds"] = claimed->age_seconds;
  return answer;
}

}  // namespace grantfs::control
