#include "tree/tree.h"

#include <malloc.h>

#include <cerrno>
#include <exception>
#include <utility>

#include "views/every_door.h"

namespace grantfs {
namespace {

/// Counts a call once, even if it is made again because it would have had to wait.
template <class Answer>
void count(std::atomic<std::uint64_t>& counter, const Result<Answer, Errno>& answer) {
  if (!would_wait(answer)) ++counter;
}

}  // namespace

Tree::Tree(Policy& policy, const Store& store, TreeOptions options)
    : parts_(policy, store, std::move(options)),
      withdrawal_(parts_.judge, store, parts_.nodes, parts_.lender) {}

Result<Entry, Errno> Tree::lookup(NodeId parent, std::string_view name, const Caller& caller,
                                  Waiting waiting) {
  auto entry = lookups_.lookup(parent, name, caller, waiting);
  count(counters_.lookups, entry);
  return entry;
}

void Tree::sent(NodeId parent, const Entry& answer) noexcept {
  if (!answer.lent_from || !Lender::is_late(*answer.lent_from)) return;
  parts_.lender.forget_late(parent, answer.node, S_ISDIR(answer.attributes.st_mode));
}

void Tree::sent(NodeId node, const Attributes& answer) noexcept {
  if (!answer.lent_from || !Lender::is_late(*answer.lent_from)) return;
  parts_.lender.forget_late(std::nullopt, node, S_ISDIR(answer.shown.st_mode));
}

bool Tree::forget(NodeId node, std::uint64_t count) {
  const auto forgotten = parts_.nodes.forget(node, count);
  if (forgotten.much) ::malloc_trim(0);
  if (!forgotten.gone) return false;
  forgot_ = true;
  parts_.files.drop(node);
  parts_.lender.steady_files().drop(node);
  return true;
}

Result<std::string, Errno> Tree::read_link(NodeId node, const Caller& caller) {
  const auto place = parts_.nodes.find(node);
  if (!place) return parts_.refusals.fail(ESTALE);
  if (place->kind != NodeKind::kLink) return Errno{EINVAL};
  return parts_.doors[place->door].read_link(caller);
}

bool Tree::is_marker(NodeId node) {
  const auto place = parts_.nodes.find(node);
  return place && place->kind == NodeKind::kMarker;
}

Result<Located, Errno> Tree::admit(NodeId node, const Caller& caller, Waiting waiting) {
  const auto place = parts_.nodes.find(node);
  Result<Located, Errno> admitted = Errno{ESTALE};
  if (!place || place->kind != NodeKind::kFile || place->view == nullptr) {
    admitted = parts_.refusals.fail(ESTALE);
  } else {
    admitted = admit_at(*place, caller, waiting);
    if (!admitted) parts_.notes.refused(*place, {}, caller, admitted.error());
  }
  count(counters_.opens, admitted);
  return admitted;
}

Result<Located, Errno> Tree::admit_at(const Place& place, const Caller& caller, Waiting waiting) {
  if (!place.view->admits(caller)) return parts_.refusals.deny(EACCES);
  auto decision = parts_.doors.of(*place.view).decide(*place.view, place.path);
  if (!decision) return decision.error();
  if (decision->access != Access::kRead) return parts_.refusals.deny(ENOENT);
  const StorePath& path = decision->file ? *decision->file : place.path;
  auto located = parts_.store.locate(path, waiting);
  if (!located) return parts_.refusals.fail(located.error().value);
  auto current = as_looked_up(place, std::move(*located));
  if (current && !parts_.notes.opened(*place.view, path, caller)) {
    return parts_.refuse_unrecorded();
  }
  return current;
}

Result<Located, Errno> Tree::as_looked_up(const Place& place, Located located) {
  RecentLookups& recent = parts_.files.recent();
  if (located.found.id != place.last.id) {
    auto looked_up = recent.take(place.id);
    if (!looked_up) {
      recent.missed();
      return Errno{ESTALE};  // the kernel walks the path again, and finds what is there now
    }
    return std::move(*looked_up);
  }
  // The next open may come without a lookup of its own, if this one is lent.
  if (parts_.lender.lease().count() > 0) (void)recent.take(place.id);
  // The kernel may still believe the size and time of its last lookup. Another lookup corrects
  // that, but it is asked for only once, because a file that is always growing must open too.
  const bool changed = located.found != place.last;
  if (parts_.nodes.look_again(place.id, changed)) return Errno{ESTALE};
  return located;
}

Result<std::shared_ptr<OpenedFile>, Errno> Tree::open(NodeId node, const Caller& caller) {
  auto admitted = admit(node, caller);
  if (!admitted) return admitted.error();
  return share_admitted(node, *admitted, Waiting::kAllowed);
}

Result<std::unique_ptr<OpenFolder>, Errno> Tree::open_folder(NodeId node, const Caller& caller,
                                                             Waiting waiting) {
  auto folder = folders_.open(node, caller, waiting);
  count(counters_.opendirs, folder);
  return folder;
}

void Tree::trim() {
  parts_.files.clear();
  folders_.trim();
  if (forgot_.exchange(false)) ::malloc_trim(0);
}

Result<void> Tree::bind(pid_t pid, UniqueFd leader, std::string_view token) {
  if (parts_.doors.find(kByProcessName, &Door::Places::at_root) == nullptr) {
    return Error{ErrorKind::kInvalid,
                 "the mount has no by-process, in which a bound process would see its view (mount "
                 "option views=)"};
  }
  auto process = std::make_shared<BoundProcess>(
      pid, std::move(leader),
      SessionBearer{TokenHash::of(token), SharedSecret(token), std::nullopt});
  auto door = parts_.judge.policy().view_root(process->bearer());
  if (!door) return door.error();
  if (door->decision.access == Access::kClosed) {
    return Error{ErrorKind::kNotFound,
                 "the token is no live session's, or one that is bound to an address"};
  }
  return parts_.processes.bind(std::move(process));
}

Result<void> Tree::take_binding(pid_t pid, UniqueFd leader, const TokenHash& token) {
  return parts_.processes.bind_if_free(std::make_shared<BoundProcess>(
      pid, std::move(leader), SessionBearer{token, SharedSecret(), std::nullopt}));
}

void Tree::note_refusal(const char* why) noexcept {
  (void)parts_.refusals.fail(EIO);
  try {
    parts_.judge.report({ErrorKind::kSystem, why});
  } catch (const std::exception&) {
    return;  // there is no memory for that either
  }
}

}  // namespace grantfs
