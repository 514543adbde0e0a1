// The mount's own folders, and the doors of the views in them; see tree.h.
#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <utility>

#include "tree/tree.h"

namespace grantfs {
namespace {

constexpr std::string_view kBySessionName = "by-session";
constexpr std::string_view kByUserName = "by-user";
constexpr std::string_view kByLinkName = "by-link";
constexpr std::string_view kBySignatureName = "by-signature";
constexpr std::string_view kByMd5Name = "by-md5";
constexpr std::string_view kExpiredName = "expired";
constexpr std::string_view kByUidName = "by-uid";
constexpr std::string_view kByProcessName = "by-process";

/// What there can be at the mount's root. `public` is a view itself; the others hold views, or lead
/// to one.
struct AtRoot {
  std::string_view name;
  NodeKind kind;
};
constexpr std::array kAtRoot{
    AtRoot{"me", NodeKind::kMe},
    AtRoot{kByUidName, NodeKind::kByUid},
    AtRoot{kByProcessName, NodeKind::kByProcess},
    AtRoot{kBySessionName, NodeKind::kBySession},
    AtRoot{kByLinkName, NodeKind::kByLink},
    AtRoot{kBySignatureName, NodeKind::kBySignature},
    AtRoot{kByMd5Name, NodeKind::kByMd5},
    AtRoot{"from", NodeKind::kFrom},
    AtRoot{kExpiredName, NodeKind::kExpired},
    AtRoot{kByUserName, NodeKind::kByUser},
    AtRoot{"public", NodeKind::kFolder},
};

/// May be passed, but neither listed nor watched: inotify(7) needs read permission.
constexpr mode_t kUnlistableMode = S_IFDIR | 0711;
constexpr mode_t kServersOnlyMode = S_IFDIR | 0710;

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

std::uint64_t fixed_number(NodeKind kind) {
  switch (kind) {
    case NodeKind::kMe:
      return InodeNumbers::kMe;
    case NodeKind::kByUid:
      return InodeNumbers::kByUid;
    case NodeKind::kByProcess:
      return InodeNumbers::kByProcess;
    case NodeKind::kBySession:
      return InodeNumbers::kBySession;
    case NodeKind::kByUser:
      return InodeNumbers::kByUser;
    case NodeKind::kByLink:
      return InodeNumbers::kByLink;
    case NodeKind::kBySignature:
      return InodeNumbers::kBySignature;
    case NodeKind::kByMd5:
      return InodeNumbers::kByMd5;
    case NodeKind::kMd5Expiry:
      return InodeNumbers::kMd5Expiry;
    case NodeKind::kExpiredMd5:
      return InodeNumbers::kExpiredMd5;
    case NodeKind::kExpiredMd5Expiry:
      return InodeNumbers::kExpiredMd5Expiry;
    case NodeKind::kFrom:
    case NodeKind::kAddress:
      return InodeNumbers::kFrom;
    case NodeKind::kExpired:
      return InodeNumbers::kExpired;
    case NodeKind::kMarker:
      return InodeNumbers::kMarker;
    case NodeKind::kRoot:
    case NodeKind::kFolder:
    case NodeKind::kFile:
      break;
  }
  return InodeNumbers::kRoot;
}

}  // namespace

std::vector<std::string_view> Tree::all_views() {
  std::vector<std::string_view> names;
  names.reserve(kAtRoot.size());
  for (const AtRoot& there : kAtRoot) names.push_back(there.name);
  return names;
}

bool Tree::shows(std::string_view view) const {
  if (view == kByUserName) return options_.by_user_group.has_value();
  return !options_.views || std::ranges::find(*options_.views, view) != options_.views->end();
}

Result<Entry, Errno> Tree::lookup_at_root(std::string_view name, Waiting waiting) {
  const auto* const there = std::ranges::find(kAtRoot, name, &AtRoot::name);
  if (there == kAtRoot.end() || !shows(name)) return Errno{ENOENT};
  if (there->kind == NodeKind::kFolder) return enter_view(kRootNode, name, Anyone{}, waiting);
  return enter(kRootNode, name, there->kind);
}

Result<std::unique_ptr<OpenFolder>, Errno> Tree::open_root() const {
  std::vector<FixedFolder::Item> items{{".", InodeNumbers::kRoot, S_IFDIR},
                                       {"..", InodeNumbers::kRoot, S_IFDIR}};
  for (const AtRoot& there : kAtRoot) {
    if (!shows(there.name)) continue;
    const bool is_view = there.kind == NodeKind::kFolder;
    items.push_back(
        {there.name,
         is_view ? numbers_.of_folder(View{Anyone{}}, StorePath()) : fixed_number(there.kind),
         static_cast<mode_t>(there.kind == NodeKind::kMe ? S_IFLNK : S_IFDIR)});
  }
  return std::unique_ptr<OpenFolder>(std::make_unique<FixedFolder>(std::move(items)));
}

Result<Entry, Errno> Tree::enter(NodeId parent, std::string_view name, NodeKind kind,
                                 const std::optional<Address>& from) {
  const auto node = nodes_.remember_door(parent, name, kind, nullptr, nullptr);
  if (!node) return fail(ESTALE);
  return Entry{node->node, fixed_attributes(kind, from), lender_.lease()};
}

Result<Entry, Errno> Tree::lookup_user(std::string_view name, NodeId parent, const Caller& caller,
                                       Waiting waiting) {
  const auto uid = parse_uid(name);
  if (!uid) return Errno{ENOENT};
  const View view{SystemUser{*uid}, *uid};
  if (!view.admits(caller)) return deny(EACCES);
  const auto node =
      nodes_.remember_door(parent, name, NodeKind::kFolder, std::make_shared<View>(view), nullptr);
  if (!node) return fail(ESTALE);
  auto shown = attributes(node->node, waiting);
  if (!shown) {
    nodes_.forget(node->node, 1);
    return shown.error();
  }
  return Entry{node->node, shown->shown};
}

Result<Entry, Errno> Tree::lookup_process(std::string_view name, NodeId parent,
                                          const Caller& caller, Waiting waiting) {
  // The caller's own session or none: whatever else is bound, and to whom, is the same EACCES.
  auto process = processes_.of(caller);
  if (process == nullptr || name != std::to_string(process->session()) ||
      !process->admits(caller)) {
    return deny(EACCES);
  }
  const Identity bearer = process->bearer();
  return enter_view(parent, name, bearer, waiting, std::move(process));
}

Result<void> Tree::bind(pid_t pid, UniqueFd leader, std::string_view token) {
  if (!shows(kByProcessName)) {
    return Error{ErrorKind::kInvalid,
                 "the mount has no by-process, in which a bound process would see its view (mount "
                 "option views=)"};
  }
  auto process = std::make_shared<BoundProcess>(
      pid, std::move(leader),
      SessionBearer{TokenHash::of(token), std::string(token), std::nullopt});
  auto door = policy_.door(process->bearer());
  if (!door) return door.error();
  if (door->decision.access == Access::kClosed) {
    return Error{ErrorKind::kNotFound,
                 "the token is no live session's, or one that is bound to an address"};
  }
  return processes_.bind(std::move(process));
}

Result<Entry, Errno> Tree::lookup_token(std::string_view token, const Place& parent,
                                        Waiting waiting) {
  if (!StorePath::is_name(token)) return deny(EACCES);  // longer than a name can be (NAME_MAX)
  if (parent.kind == NodeKind::kBySignature) {
    auto signature = Signature::parse(token);
    if (!signature) return deny(EACCES);
    return enter_view(parent.id, token, SignatureBearer{std::move(*signature), parent.from},
                      waiting);
  }
  const TokenHash hash = TokenHash::of(token);
  if (parent.kind == NodeKind::kByLink) {
    return enter_view(parent.id, token, LinkBearer{hash, parent.from}, waiting);
  }
  return enter_view(parent.id, token, SessionBearer{hash, std::string(token), parent.from},
                    waiting);
}

Result<Entry, Errno> Tree::lookup_by_user(std::string_view name, NodeId parent, Waiting waiting) {
  auto user = Principal::parse("user:" + std::string(name));
  if (!user) return deny(EACCES);
  return enter_view(parent, name, Named{std::move(*user)}, waiting);
}

Result<Entry, Errno> Tree::lookup_address(std::string_view name, NodeId parent) {
  const auto address = Address::parse(name);
  if (!address) return deny(EACCES);
  return enter(parent, name, NodeKind::kAddress, *address);
}

Result<Entry, Errno> Tree::lookup_below_address(std::string_view name, const Place& parent) {
  constexpr std::array kBelow{kBySessionName, kByLinkName, kBySignatureName, kByMd5Name,
                              kExpiredName};
  if (std::ranges::find(kBelow, name) == kBelow.end() || !shows(name)) return Errno{ENOENT};
  const auto* const there = std::ranges::find(kAtRoot, name, &AtRoot::name);
  return enter(parent.id, name, there->kind, parent.from);
}

Result<Entry, Errno> Tree::lookup_expired(std::string_view token, const Place& parent) {
  if (token == kByMd5Name && shows(token))
    return enter(parent.id, token, NodeKind::kExpiredMd5, parent.from);
  if (!StorePath::is_name(token)) return Errno{ENOENT};
  auto expired = policy_.has_expired(TokenHash::of(token));
  if (auto signature = Signature::parse(token); expired && !*expired && signature) {
    expired = policy_.has_expired(*signature);
  }
  if (!expired) {
    judge_.report(expired.error());
    return fail(EACCES);
  }
  if (!*expired) return deny(ENOENT);
  return enter_marker(parent.id, token);
}

Result<Entry, Errno> Tree::enter_marker(NodeId parent, std::string_view name) {
  auto entry = enter(parent, name, NodeKind::kMarker);
  if (entry) entry->lent_for = {};
  return entry;
}

Result<Entry, Errno> Tree::enter_view(NodeId parent, std::string_view name,
                                      const Identity& identity, Waiting waiting,
                                      std::shared_ptr<const BoundProcess> process) {
  const auto begun = std::chrono::steady_clock::now();
  const RecallMark mark = nodes_.mark();
  auto door = judge_.enter(identity);
  if (!door) return fail(EACCES);
  const View view{identity, 0, std::move(door->root), false, std::move(process)};
  Decision& decision = door->decision;
  if (decision.access == Access::kClosed) return deny(EACCES);
  std::optional<Found> whole;
  if (decision.access == Access::kRead) {
    auto found = store_.find(view.root, waiting);
    if (!found) return fail(found.error().value);
    whole = *found;
  }
  const auto shown = folder_attributes(view, view.root, whole ? &*whole : nullptr);
  // A door where uses are counted is never lent: behind it the kernel would not ask for the next.
  // Nor is one that can be made up: see enter_virtual().
  const bool lends = !decision.uses && (!view.is_of_uris() || nodes_.leads_to_uri(parent, name));
  const auto lent = lends ? lender_.offer(view, decision, mark) : std::nullopt;
  // By its name the kernel can be told to forget the door: for a session that is the token.
  const auto node = nodes_.remember_door(parent, name, NodeKind::kFolder,
                                         std::make_shared<View>(view), lent ? &*lent : nullptr);
  if (!node) return fail(ESTALE);
  return answer_folder(*node, shown, view, decision, begun);
}

Result<std::string, Errno> Tree::read_link(NodeId node, const Caller& caller) {
  const auto place = nodes_.find(node);
  if (!place) return fail(ESTALE);
  if (place->kind != NodeKind::kMe) return Errno{EINVAL};
  if (caller.uid == kNobodyAtAll) return deny(EACCES);
  if (const auto process = processes_.of(caller)) {
    return std::string(kByProcessName) + '/' + std::to_string(process->session());
  }
  return std::string(kByUidName) + '/' + std::to_string(caller.uid);
}

bool Tree::is_marker(NodeId node) {
  const auto place = nodes_.find(node);
  return place && place->kind == NodeKind::kMarker;
}

struct stat Tree::fixed_attributes(NodeKind kind, const std::optional<Address>& from) const {
  struct stat shown = {};
  shown.st_nlink = 1;
  shown.st_mtim = shown.st_atim = shown.st_ctim = options_.mounted;
  shown.st_ino = from ? numbers_.below_address(*from, fixed_number(kind)) : fixed_number(kind);
  switch (kind) {
    case NodeKind::kMe:
      shown.st_mode = S_IFLNK | 0777;  // what symlink(7) has; no size, as for /proc/self
      break;
    case NodeKind::kByUid:
    case NodeKind::kByProcess:
      shown.st_mode = kUnlistableMode;
      break;
    case NodeKind::kByUser:
      shown.st_mode = kServersOnlyMode;
      shown.st_gid = options_.by_user_group.value_or(0);
      break;
    case NodeKind::kBySession:
    case NodeKind::kByLink:
    case NodeKind::kBySignature:
    case NodeKind::kByMd5:
    case NodeKind::kMd5Expiry:
    case NodeKind::kFrom:
    case NodeKind::kAddress:
    case NodeKind::kExpired:
    case NodeKind::kExpiredMd5:
    case NodeKind::kExpiredMd5Expiry:
      shown.st_mode = options_.server_group ? kServersOnlyMode : kUnlistableMode;
      shown.st_gid = options_.server_group.value_or(0);
      break;
    case NodeKind::kMarker:
      shown.st_mode = S_IFREG | 0444;
      break;
    case NodeKind::kRoot:
    case NodeKind::kFolder:
    case NodeKind::kFile:
      shown.st_mode = S_IFDIR | 0555;
      break;
  }
  return shown;
}

}  // namespace grantfs
