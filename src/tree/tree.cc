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
/// A lease ends this long before what it rests on does: timeouts are rounded up to the kernel's
/// clock ticks, 10 ms at the most (CONFIG_HZ).
constexpr std::chrono::milliseconds kExpiryMargin{50};

}  // namespace

Tree::Tree(Policy& policy, const Store& store, TreeOptions options)
    : policy_(policy),
      store_(store),
      options_(std::move(options)),
      numbers_(options_.key),
      nodes_(options_.lease + kLeastLateness, 2 * options_.lease, options_.lease),
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

void Tree::tell(const Error& error) const {
  if (options_.on_policy_error) options_.on_policy_error(error);
}

Result<Decision> Tree::judge(const View& view, const StorePath& path) {
  if (path.text().size() > StorePath::kMaxBytes) return Decision{Access::kNone, {}};
  auto decision = policy_.decide(view.identity, path);
  if (!decision) tell(decision.error());
  if (decision && decision->uses) bind_to_use(view, *decision);
  return decision;
}

Result<Decision, Errno> Tree::decide(const View& view, const StorePath& path) {
  auto decision = judge(view, path);
  if (!decision) return fail(EACCES);
  if (decision->access == Access::kClosed) return deny(EACCES);
  return *decision;
}

std::chrono::nanoseconds Tree::time_left(Timestamp until) const {
  // A timestamp reaches further than nanoseconds can count.
  const auto now = options_.clock();
  const Timestamp far = std::chrono::ceil<std::chrono::seconds>(now) + std::chrono::hours(1);
  return std::min(until, far) - now;
}

std::chrono::nanoseconds Tree::loan_time(const View& view, const Decision& decision,
                                         std::chrono::nanoseconds longest) const {
  using std::chrono::nanoseconds;
  if (!view.is_for_servers()) return nanoseconds(0);
  if (!decision.until) return longest;
  const nanoseconds left = time_left(*decision.until);
  return std::clamp<nanoseconds>(left - kExpiryMargin, nanoseconds(0), longest);
}

Loan Tree::loan(const Decision& decision, RecallMark mark, std::chrono::seconds longest) const {
  const bool soon = decision.until && time_left(*decision.until) <= longest + kLeastLateness;
  return {decision, mark, soon};
}

std::optional<Loan> Tree::offer(const View& view, const Decision& decision, RecallMark mark) const {
  if (loan_time(view, decision, options_.lease).count() == 0) return std::nullopt;
  // Before the entry counts as lent: a recall in between must not take it that nothing is.
  if (options_.on_lent) options_.on_lent(options_.lease);
  return loan(decision, mark, options_.lease);
}

Entry Tree::answer(const NodeTable::Remembered& node, struct stat shown, const View& view,
                   const Decision& decision, SteadyTime begun,
                   std::chrono::nanoseconds longest) const {
  const std::chrono::nanoseconds none{0};
  return {node.node, shown,
          node.lent ? time_since(begun, loan_time(view, decision, longest)) : none};
}

std::chrono::nanoseconds Tree::time_since(SteadyTime begun, std::chrono::nanoseconds lent) {
  return std::max(lent - (std::chrono::steady_clock::now() - begun), std::chrono::nanoseconds(0));
}

Entry Tree::answer_folder(const NodeTable::Remembered& node, struct stat shown, const View& view,
                          const Decision& decision, SteadyTime begun) const {
  return answer(node, shown, view, decision, begun, folder_lease(node.holds_steady));
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
    if (!found && found.error().value == EWOULDBLOCK) return found.error();
    return deny(found ? EACCES : ENOENT);
  }
  auto located = store_.locate(path, waiting);
  if (!located) return fail(located.error().value);
  const Found found = located->found;
  const bool whole = decision->access == Access::kRead;
  const bool is_file = found.type == Found::Type::kFile;
  if (is_file && !whole) return deny(ENOENT);

  const auto lent = offer(view, *decision, mark);
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
  steady_.drop(node);
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
      return Attributes{fixed_attributes(place->kind, place->from), options_.lease};
  }
}

Result<Attributes, Errno> Tree::attributes_of_folder(const Place& place, Waiting waiting) {
  const View& view = *place.view;
  const auto begun = std::chrono::steady_clock::now();
  const RecallMark mark = nodes_.mark();
  const auto longest = folder_lease(place.holds_steady);
  const auto decision = judge(view, place.path);
  bool whole = false;
  Result<Found, Errno> found = Errno{ENOENT};
  if (!view.is_of_uris() && decision && decision->access == Access::kRead) {
    found = store_.find(place.path, waiting);
    if (!found && found.error().value == EWOULDBLOCK) return found.error();
    whole = found && found->type == Found::Type::kFolder;
  }
  Attributes shown{folder_attributes(view, place.path, whole ? &*found : nullptr)};
  if (!decision || decision->access == Access::kClosed) return shown;
  // What is in use in the folder goes on as long as these do: they are lent by a decision that is
  // no worse than the one that it was lent by.
  const auto left = time_since(begun, loan_time(view, *decision, longest));
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
    const auto decision = judge(*place.view, place.path);
    stands = place.view->is_for_servers() && decision && decision->access == Access::kRead;
  }
  const auto found = examine(place, waiting);
  if (!found && found.error().value == EWOULDBLOCK) return found.error();
  const bool same = found && found->id == place.last.id;
  if (same && options_.reads_by_node && nodes_.note_change(place.id, *found)) {
    tell_of_change(place.id);
  }
  Attributes shown{file_attributes(place.view == nullptr ? 0 : place.view->shown_owner,
                                   same ? *found : place.last)};
  if (stands) {
    shown.lent_for = time_since(
        begun, std::max<std::chrono::nanoseconds>(options_.lease, steadily_left(place.id)));
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
  if (waiting == Waiting::kRefused && !is_at_hand(node)) return fail(EWOULDBLOCK);
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
  if (options_.lease.count() > 0) (void)recent_.take(node);
  // The kernel may still believe the size and time that its last lookup found. Looking again tells
  // it; but only once: a file that is always growing must open too.
  const bool changed = located->found != place->last;
  if (nodes_.look_again(node, changed)) return Errno{ESTALE};
  return located;
}

Result<UniqueFd, Errno> Tree::open_for_passthrough(const Located& admitted, Waiting waiting) {
  auto file = store_.open_for_passthrough(admitted.handle, waiting);
  if (!file) return fail(file.error().value);
  return file;
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
