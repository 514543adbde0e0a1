#include "tree/tree.h"

#include <fcntl.h>
#include <malloc.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace grantfs {
namespace {

constexpr mode_t kFileMode = S_IFREG | 0444;
constexpr mode_t kFolderMode = S_IFDIR | 0555;
constexpr mode_t kUserDoorMode = S_IFDIR | 0500;
}  // namespace

Tree::Tree(Policy& policy, const Store& store, TreeOptions options)
    : policy_(policy),
      store_(store),
      options_(std::move(options)),
      numbers_(options_.key),
      judge_(policy, options_.link_uses, options_.on_policy_error),
      nodes_(options_.lending.lease + spans::kLateness,
             spans::kLeasesBetweenUses * options_.lending.lease, options_.lending.lease),
      lender_(nodes_, store, options_.lending),
      withdrawal_(judge_, store, nodes_, lender_),
      files_(std::max<std::size_t>(options_.spare_descriptors * 2 / 5, 1)),
      pinned_(std::max<std::size_t>(options_.spare_descriptors * 3 / 5, 1)) {}

Errno Tree::deny(int error) {
  counters_.denials.fetch_add(1, std::memory_order_relaxed);
  return Errno{error};
}

Errno Tree::fail(int error) {
  if (error != ENOENT && error != EWOULDBLOCK)
    counters_.errors.fetch_add(1, std::memory_order_relaxed);
  return Errno{error};
}

void Tree::note_refusal(const char* why) noexcept {
  counters_.errors.fetch_add(1, std::memory_order_relaxed);
  try {
    judge_.report({ErrorKind::kSystem, why});
  } catch (const std::exception&) {
    return;  // there is no memory for that either
  }
}

Result<Decision, Errno> Tree::decide(const View& view, const StorePath& path) {
  auto decision = judge_.decide(view.identity, path);
  if (!decision) return fail(EACCES);
  if (decision->access == Access::kClosed) return deny(EACCES);
  return *decision;
}

Entry Tree::answer(const NodeTable::Remembered& node, struct stat shown, const View& view,
                   const Decision& decision, SteadyTime begun,
                   std::chrono::nanoseconds longest) const {
  const std::chrono::nanoseconds none{0};
  return {node.node, shown, node.lent ? lender_.left(view, decision, begun, longest) : none};
}

Entry Tree::answer_folder(const NodeTable::Remembered& node, struct stat shown, const View& view,
                          const Decision& decision, SteadyTime begun) const {
  return answer(node, shown, view, decision, begun, lender_.folder_lease(node.holds_steady));
}

Entry Tree::answer_file(NodeId parent, std::string_view name, const StorePath& path,
                        Located located, const View& view, const Decision& decision,
                        const std::optional<Loan>& lent, const NodeTable::Remembered& node,
                        SteadyTime begun) {
  const Found found = located.found;
  const bool is_steady =
      lender_.lends_steadily() && node.is_steady && node.lent &&
      lender_.lend_longer({parent, std::string(name)}, path, located, *lent, node.node, begun);
  keep_at_hand(node.node, std::move(located));
  if (node.before != 0) tell_of_change(node.before);
  const std::chrono::nanoseconds longest = is_steady ? lender_.longest() : lender_.lease();
  Entry entry = answer(node, file_attributes(view.shown_owner, found), view, decision, begun,
                       std::min(longest, node.fresh_for));
  entry.attributes_lent_for = lender_.steadily_left(node.node);
  return entry;
}

void Tree::rest() {
  files_.clear();
  pinned_.clear();
  recent_.clear();
  streams_->clear();
  if (forgot_.exchange(false)) ::malloc_trim(0);
}

Result<Entry, Errno> Tree::lookup(NodeId parent, std::string_view name, const Caller& caller,
                                  Waiting waiting) {
  auto entry = look_up(parent, name, caller, waiting);
  count(counters_.lookups, entry);
  return entry;
}

Result<Entry, Errno> Tree::look_up(NodeId parent_id, std::string_view name, const Caller& caller,
                                   Waiting waiting) {
  const auto parent = nodes_.find(parent_id);
  if (!parent) return fail(ESTALE);
  switch (parent->kind) {
    case NodeKind::kRoot:
      return lookup_at_root(name, waiting);
    case NodeKind::kByUid:
      return lookup_user(name, parent_id, caller, waiting);
    case NodeKind::kByProcess:
      return lookup_process(name, parent_id, caller, waiting);
    case NodeKind::kBySession:
    case NodeKind::kByLink:
    case NodeKind::kBySignature:
      return lookup_token(name, *parent, waiting);
    case NodeKind::kByUser:
      return lookup_by_user(name, parent_id, waiting);
    case NodeKind::kFrom:
      return lookup_address(name, parent_id);
    case NodeKind::kAddress:
      return lookup_below_address(name, *parent);
    case NodeKind::kExpired:
      return lookup_expired(name, *parent);
    case NodeKind::kByMd5:
    case NodeKind::kExpiredMd5:
      return lookup_md5_expiry(name, *parent);
    case NodeKind::kMd5Expiry:
    case NodeKind::kExpiredMd5Expiry:
      return lookup_md5(name, *parent, waiting);
    case NodeKind::kFolder:
      if (!parent->view->admits(caller)) return deny(EACCES);
      if (parent->view->is_of_uris()) return lookup_uri(*parent, name, waiting);
      return lookup_in_view(*parent, name, waiting);
    case NodeKind::kMe:
    case NodeKind::kMarker:
    case NodeKind::kFile:
      break;
  }
  return Errno{ENOTDIR};
}

Result<Entry, Errno> Tree::lookup_in_view(const Place& parent, std::string_view name,
                                          Waiting waiting) {
  if (!StorePath::is_name(name)) return Errno{ENOENT};
  const View& view = *parent.view;
  const StorePath path = parent.path.child(name);
  const auto begun = std::chrono::steady_clock::now();
  const RecallMark mark = nodes_.mark();
  auto decision = decide(view, path);
  if (!decision) return decision.error();
  if (decision->access == Access::kNone) {
    // Whoever was sent a link is not to learn what lies beside it.
    if (options_.denial == Denial::kHide || view.is_of_one_thing()) return deny(ENOENT);
    const auto found = store_.find(path, waiting);
    if (would_wait(found)) return found.error();
    return deny(found ? EACCES : ENOENT);
  }
  auto located = store_.locate(path, waiting);
  if (!located) return fail(located.error().value);
  const Found found = located->found;
  const bool whole = decision->access == Access::kRead;
  const bool is_file = found.type == Found::Type::kFile;
  if (is_file && !whole) return deny(ENOENT);

  const auto lent = lender_.offer(view, *decision, mark);
  const auto node =
      nodes_.remember(parent.id, name, *located, file_node(view), lent ? &*lent : nullptr);
  if (!node) return fail(ESTALE);
  if (is_file) {
    return answer_file(parent.id, name, path, std::move(*located), view, *decision, lent, *node,
                       begun);
  }
  return answer_folder(*node, folder_attributes(view, path, whole ? &found : nullptr), view,
                       *decision, begun);
}

FileNode Tree::file_node(const View& view) const {
  if (!options_.reads_by_node) return FileNode::kOfName;
  // Whoever may open a node can watch (inotify(7)) and lock (flock(2)) it, and so see what all do
  // who have it.
  const bool is_by_user = std::holds_alternative<Named>(view.identity);
  const bool shared = options_.server_group && view.is_behind_servers_door() &&
                      (!is_by_user || options_.by_user_group == options_.server_group);
  return shared ? FileNode::kShared : FileNode::kOfVersion;
}

void Tree::tell_of_change(NodeId node) const {
  if (options_.on_changed) options_.on_changed(node);
}

void Tree::keep_at_hand(NodeId node, Located located) {
  if (!options_.reads_by_node) {
    recent_.keep(node, std::move(located));
  } else if (pinned_.find(node) == nullptr) {
    pinned_.keep(node, std::make_shared<UniqueFd>(std::move(located.fd)));
  }
}

void Tree::pin(NodeId node, const Located& admitted) {
  if (pinned_.find(node) != nullptr) return;
  UniqueFd copy(::fcntl(admitted.fd.get(), F_DUPFD_CLOEXEC, 0));
  if (copy) pinned_.keep(node, std::make_shared<UniqueFd>(std::move(copy)));
}

bool Tree::forget(NodeId node, std::uint64_t count) {
  const auto forgotten = nodes_.forget(node, count);
  if (forgotten.much) ::malloc_trim(0);
  if (!forgotten.gone) return false;
  forgot_ = true;
  files_.drop(node);
  opened_.drop(node);
  pinned_.drop(node);
  lender_.steady_files().drop(node);
  return true;
}

Result<Attributes, Errno> Tree::attributes(NodeId node, Waiting waiting) {
  const auto place = nodes_.find(node);
  if (!place) return fail(ESTALE);
  switch (place->kind) {
    case NodeKind::kFolder:
      return attributes_of_folder(*place, waiting);
    case NodeKind::kFile:
      return attributes_of_file(*place, waiting);
    case NodeKind::kMarker:  // not lent: see enter_marker()
      return Attributes{fixed_attributes(place->kind, place->from)};
    default:
      return Attributes{fixed_attributes(place->kind, place->from), lender_.lease()};
  }
}

Result<Attributes, Errno> Tree::attributes_of_folder(const Place& place, Waiting waiting) {
  const View& view = *place.view;
  const auto begun = std::chrono::steady_clock::now();
  const RecallMark mark = nodes_.mark();
  const auto longest = lender_.folder_lease(place.holds_steady);
  const auto decision = judge_.decide(view.identity, place.path);
  bool whole = false;
  Result<Found, Errno> found = Errno{ENOENT};
  if (!view.is_of_uris() && decision && decision->access == Access::kRead) {
    found = store_.find(place.path, waiting);
    if (would_wait(found)) return found.error();
    whole = found && found->type == Found::Type::kFolder;
  }
  Attributes shown{folder_attributes(view, place.path, whole ? &*found : nullptr)};
  if (!decision || decision->access == Access::kClosed) return shown;
  // What is in use in the folder goes on as long as these do: they are lent by a decision that is
  // no worse than the one that it was lent by.
  const auto left = lender_.left(view, *decision, begun, longest);
  const bool stands =
      std::max(decision->access, Access::kNone) >= place.lent && nodes_.mark() == mark;
  if (stands) shown.lent_for = left;
  return shown;
}

Result<Attributes, Errno> Tree::attributes_of_file(const Place& place, Waiting waiting) {
  const auto begun = std::chrono::steady_clock::now();
  bool stands = true;
  // A file that views share is nobody's in particular: it is by its names that it is lent.
  if (place.view != nullptr) {
    const auto decision = judge_.decide(place.view->identity, place.path);
    stands = place.view->is_for_servers() && decision && decision->access == Access::kRead;
  }
  const auto found = examine(place, waiting);
  if (would_wait(found)) return found.error();
  const bool same = found && found->id == place.last.id;
  if (same && options_.reads_by_node && nodes_.note_change(place.id, *found)) {
    tell_of_change(place.id);
  }
  Attributes shown{file_attributes(place.view == nullptr ? 0 : place.view->shown_owner,
                                   same ? *found : place.last)};
  if (stands) {
    const auto span =
        std::max<std::chrono::nanoseconds>(lender_.lease(), lender_.steadily_left(place.id));
    shown.lent_for = Lender::left_of(span, begun);
  }
  return shown;
}

Result<Found, Errno> Tree::examine(const Place& place, Waiting waiting) {
  if (store_.opens_by_handle()) {
    if (waiting == Waiting::kRefused && !is_at_hand(place.id)) return Errno{EWOULDBLOCK};
    return store_.examine(place.handle, waiting);
  }
  if (const auto open = opened_.find(place.id)) return store_.examine(*open, waiting);
  return store_.find(place.path, waiting);
}

Result<std::shared_ptr<OpenedFile>, Errno> Tree::file_of(NodeId node, Waiting waiting) {
  if (auto kept = files_.find(node)) return kept;
  const auto place = nodes_.find(node);
  if (!place || place->kind != NodeKind::kFile) return fail(ESTALE);
  if (waiting == Waiting::kRefused && !pinned_.find(node)) return fail(EWOULDBLOCK);
  auto opened = store_.open_file(place->handle, waiting);
  if (!opened) return fail(opened.error().value);
  return files_.keep(node, std::make_shared<OpenedFile>(std::move(*opened)));
}

Result<Located, Errno> Tree::admit(NodeId node, const Caller& caller, Waiting waiting) {
  auto admitted = admit_by_name(node, caller, waiting);
  count(counters_.opens, admitted);
  return admitted;
}

Result<Located, Errno> Tree::admit_by_name(NodeId node, const Caller& caller, Waiting waiting) {
  const auto place = nodes_.find(node);
  if (!place || place->kind != NodeKind::kFile || place->view == nullptr) return fail(ESTALE);
  if (!place->view->admits(caller)) return deny(EACCES);
  auto decision = decide(*place->view, place->path);
  if (!decision) return decision.error();
  if (decision->access != Access::kRead) return deny(ENOENT);
  auto located = store_.locate(decision->file.value_or(place->path), waiting);
  if (!located) return fail(located.error().value);
  if (located->found.id != place->last.id) {
    auto recent = recent_.take(node);
    if (!recent) {
      recent_.missed();
      return Errno{ESTALE};  // the kernel walks the path again, and finds what is there now
    }
    return std::move(*recent);
  }
  // The next open may come without a lookup of its own, if this one is lent.
  if (lender_.lease().count() > 0) (void)recent_.take(node);
  // The kernel may still believe the size and time that its last lookup found. Looking again tells
  // it; but only once: a file that is always growing must open too.
  const bool changed = located->found != place->last;
  if (nodes_.look_again(node, changed)) return Errno{ESTALE};
  return located;
}

Result<UniqueFd, Errno> Tree::open_for_passthrough(const Located& admitted, Waiting waiting) {
  // No error if the kernel or the store has no such thing: the file is read in another way.
  return store_.open_for_passthrough(admitted.handle, waiting);
}

Result<std::shared_ptr<OpenedFile>, Errno> Tree::share_admitted(NodeId node,
                                                                const Located& admitted,
                                                                Waiting waiting) {
  auto open = opened_.find(node);
  // Some filesystems have the same number for what a name led to before and after a renaming.
  const bool is_other = open != nullptr && (open->found != admitted.found ||
                                            open->found.changed != admitted.found.changed);
  if (open != nullptr && !is_other) return open;
  auto opened = store_.open_file(admitted, waiting);
  if (!opened) return fail(opened.error().value);
  auto made = std::make_shared<OpenedFile>(std::move(*opened));
  if (!is_other) return opened_.share(node, std::move(made));
  opened_.replace(node, made);
  return made;
}

Result<std::shared_ptr<OpenedFile>, Errno> Tree::open(NodeId node, const Caller& caller) {
  auto admitted = admit(node, caller);
  if (!admitted) return admitted.error();
  return share_admitted(node, *admitted, Waiting::kAllowed);
}

struct stat Tree::file_attributes(uid_t owner, const Found& found) const {
  constexpr std::uint64_t kBlockBytes = 512;  // st_blocks' unit, stat(2)
  constexpr blksize_t kPreferredBytes = 4096;
  struct stat shown = {};
  shown.st_mode = kFileMode;
  shown.st_nlink = 1;
  shown.st_uid = owner;
  shown.st_ino = numbers_.of_file(found.id);
  shown.st_size = static_cast<off_t>(found.size);
  shown.st_blocks = static_cast<blkcnt_t>((found.size + kBlockBytes - 1) / kBlockBytes);
  shown.st_blksize = kPreferredBytes;
  // Access and change times would tell of other readers, and of the store's own housekeeping.
  shown.st_mtim = shown.st_atim = shown.st_ctim = found.modified;
  return shown;
}

struct stat Tree::folder_attributes(const View& view, const StorePath& path,
                                    const Found* found) const {
  struct stat shown = {};
  const bool is_door = path.is_root() && std::holds_alternative<SystemUser>(view.identity);
  shown.st_mode = is_door ? kUserDoorMode : kFolderMode;
  shown.st_nlink = 1;
  shown.st_uid = view.shown_owner;
  shown.st_ino = numbers_.of_folder(view, path);
  // The time and size of a folder that is seen in part would tell of what is not seen.
  shown.st_size = found != nullptr ? static_cast<off_t>(found->size) : 0;
  shown.st_mtim = found != nullptr ? found->modified : options_.mounted;
  shown.st_atim = shown.st_ctim = shown.st_mtim;
  return shown;
}

}  // namespace grantfs
