#include "views/door.h"

#include <cerrno>
#include <utility>

#include "views/every_door.h"

namespace grantfs {

std::optional<Address> address_in(const Way& way) {
  if (way.size() < 2 || way.front() != kFromName) return std::nullopt;
  auto address = Address::parse(way[1]);
  if (!address) return std::nullopt;
  return *address;
}

std::optional<gid_t> Door::passing_group() const {
  switch (traits_.passers) {
    case Passers::kServers:
      return context_.server_group;
    case Passers::kUserGroup:
      return context_.by_user_group;
    case Passers::kEveryone:
    case Passers::kAnyone:
      break;
  }
  return std::nullopt;
}

Result<std::string, Errno> Door::read_link(const Caller& /*caller*/) const {
  return Errno{EINVAL};
}

Result<Decision, Errno> Door::decide(const View& view, const StorePath& path) const {
  auto decision = context_.judge.decide(view.identity, path);
  if (!decision) return fail(EACCES);
  if (decision->access == Access::kClosed) return deny(EACCES);
  return *decision;
}

Result<Sight, Errno> Door::look(const View& view, const StorePath& path, Waiting waiting) const {
  auto decision = decide(view, path);
  if (!decision) return decision.error();
  if (decision->access == Access::kNone) {
    if (context_.denial == Denial::kHide || view.traits.hides_neighbours) return deny(ENOENT);
    const auto found = context_.store.find(path, waiting);
    if (would_wait(found)) return found.error();
    return deny(found ? EACCES : ENOENT);
  }
  auto located = context_.store.locate(path, waiting);
  if (!located) return fail(located.error().value);
  const bool is_file = located->found.type == Found::Type::kFile;
  if (is_file && decision->access != Access::kRead) return deny(ENOENT);
  return Sight{.decision = std::move(*decision), .path = path, .located = std::move(*located)};
}

}  // namespace grantfs
