#include "tree/tree.h"

#include <cerrno>
#include <charconv>
#include <utility>

namespace grantfs {
namespace {

constexpr std::string_view kMeName = "me";
constexpr std::string_view kByUidName = "by-uid";
constexpr std::string_view kBySessionName = "by-session";
constexpr std::string_view kPublicName = "public";

constexpr mode_t kFileMode = S_IFREG | 0444;
constexpr mode_t kFolderMode = S_IFDIR | 0555;
constexpr mode_t kUserDoorMode = S_IFDIR | 0500;
/// May be passed, but neither listed nor watched: inotify(7) needs read permission.
constexpr mode_t kUnlistableMode = S_IFDIR | 0711;
constexpr mode_t kServersOnlyMode = S_IFDIR | 0710;
constexpr uid_t kNobodyAtAll = static_cast<uid_t>(-1);

/// A uid as by-uid spells it: decimal, no leading zeros, below (uid_t)-1.
std::optional<uid_t> parse_uid(std::string_view name) {
  if (name.empty() || (name.size() > 1 && name.front() == '0')) return std::nullopt;
  uid_t uid = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), uid);
  if (error != std::errc() || end != name.data() + name.size() || uid == kNobodyAtAll) {
    return std::nullopt;
  }
  return uid;
}

bool is_folder(NodeKind kind) {
  return kind != NodeKind::kFile && kind != NodeKind::kMe;
}

}  // namespace

Tree::Tree(Policy& policy, const Store& store, TreeOptions options)
    : policy_(policy), store_(store), options_(std::move(options)), numbers_(options_.key) {}

Errno Tree::deny(int error) {
  counters_.denials.fetch_add(1, std::memory_order_relaxed);
  return Errno{error};
}

Errno Tree::fail(int error) {
  if (error != ENOENT) counters_.errors.fetch_add(1, std::memory_order_relaxed);
  return Errno{error};
}

Result<Access, Errno> Tree::decide(const View& view, const StorePath& path) {
  if (path.text().size() > StorePath::kMaxBytes) return Access::kNone;
  auto access = policy_.decide(view.identity, path);
  if (!access) {
    if (options_.on_policy_error) options_.on_policy_error(access.error());
    return fail(EACCES);
  }
  if (*access == Access::kClosed) return deny(EACCES);
  return *access;
}

Result<Entry, Errno> Tree::lookup(NodeId parent_id, std::string_view name, uid_t caller) {
  counters_.lookups.fetch_add(1, std::memory_order_relaxed);
  const auto parent = nodes_.find(parent_id);
  if (!parent) return fail(ESTALE);
  switch (parent->kind) {
    case NodeKind::kRoot:
      return lookup_at_root(name);
    case NodeKind::kByUid:
      return lookup_user(name, parent_id, caller);
    case NodeKind::kBySession:
      return lookup_session(name, parent_id);
    case NodeKind::kFolder:
      if (!parent->view->admits(caller)) return deny(EACCES);
      return lookup_in_view(*parent, name);
    case NodeKind::kMe:
    case NodeKind::kFile:
      break;
  }
  return Errno{ENOTDIR};
}

Result<Entry, Errno> Tree::lookup_at_root(std::string_view name) {
  if (name == kMeName) return enter(kRootNode, name, NodeKind::kMe);
  if (name == kByUidName) return enter(kRootNode, name, NodeKind::kByUid);
  if (name == kBySessionName) return enter(kRootNode, name, NodeKind::kBySession);
  if (name == kPublicName) {
    return enter(kRootNode, name, NodeKind::kFolder, std::make_shared<View>(View{Anyone{}}));
  }
  return Errno{ENOENT};
}

Result<Entry, Errno> Tree::lookup_user(std::string_view name, NodeId parent, uid_t caller) {
  const auto uid = parse_uid(name);
  if (!uid) return Errno{ENOENT};
  const View view{SystemUser{*uid}, *uid};
  if (!view.admits(caller)) return deny(EACCES);
  return enter(parent, name, NodeKind::kFolder, std::make_shared<View>(view));
}

Result<Entry, Errno> Tree::lookup_session(std::string_view token, NodeId parent) {
  // From here on only the hash: the token is in no node, and so in no message made of one.
  const View view{SessionBearer{TokenHash::of(token)}};
  auto access = decide(view, StorePath());
  if (!access) return access.error();
  return enter(parent, std::get<SessionBearer>(view.identity).session.hex(), NodeKind::kFolder,
               std::make_shared<View>(view));
}

Result<Entry, Errno> Tree::enter(NodeId parent, std::string_view name, NodeKind kind,
                                 ViewPointer view) {
  const auto id = nodes_.remember_door(parent, name, kind, std::move(view));
  if (!id) return fail(ESTALE);
  auto shown = attributes(*id);
  if (!shown) {
    nodes_.forget(*id, 1);
    return shown.error();
  }
  return Entry{*id, *shown};
}

Result<Entry, Errno> Tree::lookup_in_view(const Place& parent, std::string_view name) {
  if (!StorePath::is_name(name)) return Errno{ENOENT};
  const StorePath path = parent.path.child(name);
  auto access = decide(*parent.view, path);
  if (!access) return access.error();
  if (*access == Access::kNone) {
    const bool tell = options_.denial == Denial::kForbid && store_.find(path).ok();
    return deny(tell ? EACCES : ENOENT);
  }
  auto located = store_.locate(path);
  if (!located) return fail(located.error().value);
  const Found found = located->found;
  const bool is_file = found.type == Found::Type::kFile;
  if (is_file && *access != Access::kRead) return deny(ENOENT);

  const auto id = nodes_.remember(parent.id, name, found);
  if (!id) return fail(ESTALE);
  if (is_file) {
    recent_.keep(*id, std::move(*located));
    return Entry{*id, file_attributes(*parent.view, found)};
  }
  const bool whole = *access == Access::kRead;
  return Entry{*id, folder_attributes(*parent.view, path, whole ? &found : nullptr)};
}

Result<struct stat, Errno> Tree::attributes(NodeId node) {
  const auto place = nodes_.find(node);
  if (!place) return fail(ESTALE);
  switch (place->kind) {
    case NodeKind::kFolder: {
      const auto access = policy_.decide(place->view->identity, place->path);
      const auto found = store_.find(place->path);
      const bool whole =
          access && *access == Access::kRead && found && found->type == Found::Type::kFolder;
      return folder_attributes(*place->view, place->path, whole ? &*found : nullptr);
    }
    case NodeKind::kFile: {
      const auto found = place->open ? store_.examine(place->open->file) : store_.find(place->path);
      const bool same = found && found->id == place->last.id;
      return file_attributes(*place->view, same ? *found : place->last);
    }
    default:
      return fixed_attributes(place->kind);
  }
}

Result<std::string, Errno> Tree::read_link(NodeId node, uid_t caller) {
  const auto place = nodes_.find(node);
  if (!place) return fail(ESTALE);
  if (place->kind != NodeKind::kMe) return Errno{EINVAL};
  if (caller == kNobodyAtAll) return deny(EACCES);
  return std::string(kByUidName) + '/' + std::to_string(caller);
}

Result<std::shared_ptr<OpenFile>, Errno> Tree::open(NodeId node, uid_t caller) {
  counters_.opens.fetch_add(1, std::memory_order_relaxed);
  const auto place = nodes_.find(node);
  if (!place || place->kind != NodeKind::kFile) return fail(ESTALE);
  if (!place->view->admits(caller)) return deny(EACCES);
  auto access = decide(*place->view, place->path);
  if (!access) return access.error();
  if (*access != Access::kRead) return deny(ENOENT);
  auto located = store_.locate(place->path);
  if (!located) return fail(located.error().value);
  if (located->found.id != place->last.id) {
    auto recent = recent_.take(node);
    if (!recent) {
      recent_.missed();
      return Errno{ESTALE};  // the kernel walks the path again, and finds what is there now
    }
    *located = std::move(*recent);
  }
  auto opened = store_.open_file(*located);
  if (!opened) return fail(opened.error().value);
  return nodes_.share_open(node, std::move(*opened));
}

Result<std::unique_ptr<OpenFolder>, Errno> Tree::open_folder(NodeId node, uid_t caller) {
  counters_.opendirs.fetch_add(1, std::memory_order_relaxed);
  const auto place = nodes_.find(node);
  if (!place || !is_folder(place->kind)) return fail(ESTALE);
  if (place->kind == NodeKind::kRoot) {
    const View anyone{Anyone{}};
    return std::unique_ptr<OpenFolder>(std::make_unique<FixedFolder>(std::vector<FixedFolder::Item>{
        {".", InodeNumbers::kRoot, S_IFDIR},
        {"..", InodeNumbers::kRoot, S_IFDIR},
        {kMeName, InodeNumbers::kMe, S_IFLNK},
        {kByUidName, InodeNumbers::kByUid, S_IFDIR},
        {kBySessionName, InodeNumbers::kBySession, S_IFDIR},
        {kPublicName, numbers_.of_folder(anyone, StorePath()), S_IFDIR}}));
  }
  // Whose views there are is nobody's business, root's included.
  if (place->kind != NodeKind::kFolder || !place->view->admits(caller)) return deny(EACCES);

  auto listing = policy_.list(place->view->identity, place->path);
  if (!listing) {
    if (options_.on_policy_error) options_.on_policy_error(listing.error());
    return fail(EACCES);
  }
  if (listing->access == Access::kClosed) return deny(EACCES);
  // A view's own root is there for whoever passed its door, be there anything in it or not.
  if (listing->access == Access::kNone && !place->path.is_root()) return deny(ENOENT);
  auto folder = store_.open_folder(place->path);
  if (!folder) return fail(folder.error().value);
  FolderOfView of{std::move(*folder), place->view, place->path, numbers_};
  if (listing->access == Access::kRead) {
    return std::unique_ptr<OpenFolder>(std::make_unique<WholeFolder>(std::move(of)));
  }
  return std::unique_ptr<OpenFolder>(
      std::make_unique<PartialFolder>(std::move(of), std::move(listing->names)));
}

struct stat Tree::fixed_attributes(NodeKind kind) const {
  struct stat shown = {};
  shown.st_nlink = 1;
  shown.st_mtim = shown.st_atim = shown.st_ctim = options_.mounted;
  switch (kind) {
    case NodeKind::kMe:
      shown.st_mode = S_IFLNK | 0777;  // what symlink(7) has; no size, as for /proc/self
      shown.st_ino = InodeNumbers::kMe;
      break;
    case NodeKind::kByUid:
      shown.st_mode = kUnlistableMode;
      shown.st_ino = InodeNumbers::kByUid;
      break;
    case NodeKind::kBySession:
      shown.st_mode = options_.server_group ? kServersOnlyMode : kUnlistableMode;
      shown.st_gid = options_.server_group.value_or(0);
      shown.st_ino = InodeNumbers::kBySession;
      break;
    default:
      shown.st_mode = kFolderMode;
      shown.st_ino = InodeNumbers::kRoot;
      break;
  }
  return shown;
}

struct stat Tree::file_attributes(const View& view, const Found& found) const {
  constexpr std::uint64_t kBlockBytes = 512;  // st_blocks' unit, stat(2)
  constexpr blksize_t kPreferredBytes = 4096;
  struct stat shown = {};
  shown.st_mode = kFileMode;
  shown.st_nlink = 1;
  shown.st_uid = view.shown_owner;
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
