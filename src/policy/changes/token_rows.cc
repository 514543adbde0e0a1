#include "policy/changes/token_rows.h"

#include <algorithm>
#include <string>

#include "grantfs/token.h"

namespace grantfs {
namespace {

constexpr std::size_t kShortestIdPrefix = 8;

/// Refuses a text that cannot begin an id. The message does not repeat the text, which may be a
/// token typed by mistake.
Result<void> check_id_prefix(std::string_view id, std::string_view what) {
  const bool hexadecimal = std::ranges::all_of(
      id, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (!hexadecimal || id.size() < kShortestIdPrefix || id.size() > TokenHash::of("").hex().size()) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("not a {0} id: it is 64 lowercase hexadecimal digits, of which "
                             "the first {1} or more will do; see: grantctl {0} ls",
                             what, kShortestIdPrefix)};
  }
  return {};
}

}  // namespace

Result<std::int64_t> remove_by_id(ChangeConnection& connection, std::string_view table,
                                  std::string_view what, std::string_view id) {
  if (auto fit = check_id_prefix(id, what); !fit) return fit.error();
  // 'g' follows 'f', the last hexadecimal digit: every text that begins with `id` sorts before `id`
  // with a 'g' behind it.
  const std::string begin(id);
  const std::string end = begin + 'g';
  return connection.write([&]() -> Result<std::int64_t> {
    std::int64_t matching = 0;
    auto found = connection.for_each(
        fmt::format("SELECT 1 FROM {} WHERE id >= ?1 AND id < ?2 LIMIT 2", table),
        [&](const ChangeRow&) -> Result<void> {
          ++matching;
          return {};
        },
        begin, end);
    if (!found) return found.error();
    if (matching > 1) {
      return Error{ErrorKind::kConflict,
                   fmt::format("several {}s have ids that begin so; give more digits", what)};
    }
    return connection.change(fmt::format("DELETE FROM {} WHERE id >= ?1 AND id < ?2", table), begin,
                             end);
  });
}

}  // namespace grantfs
