// The views of URLs that nginx's secure_link knows: by-md5/EXPIRES/MD5/URI, and the same in
// expired. Only the whole URI tells which file it is, so every name on the way is an empty folder,
// whatever the store has; see tree.h.
#include <cerrno>
#include <utility>

#include "tree/tree.h"

namespace grantfs {

namespace {

/// Whether what was signed is a folder above the URI, and not the URI itself.
bool is_within_signed_folder(const Decision& decision, const StorePath& uri) {
  return decision.rule_path_bytes < uri.text().size();
}

}  // namespace

Result<bool, Errno> Tree::is_folder_on_the_way(const Decision& decision, const StorePath& uri,
                                               Waiting waiting) {
  if (!is_within_signed_folder(decision, uri)) return false;
  const auto found = store_.find(*decision.file, waiting);
  if (would_wait(found)) return found.error();
  return found && found->type == Found::Type::kFolder;
}

Result<Entry, Errno> Tree::lookup_md5_expiry(std::string_view name, const Place& parent) {
  if (!Md5Expires::parse(name)) return deny(EACCES);
  const bool expired = parent.kind == NodeKind::kExpiredMd5;
  return enter(parent.id, name, expired ? NodeKind::kExpiredMd5Expiry : NodeKind::kMd5Expiry,
               parent.from);
}

Result<Entry, Errno> Tree::lookup_md5(std::string_view name, const Place& parent, Waiting waiting) {
  const auto md5 = Md5Mark::parse_md5(name);
  if (!md5 || !parent.expires) return deny(EACCES);
  const Md5Bearer bearer{{*parent.expires, *md5}, parent.from};
  if (parent.kind == NodeKind::kMd5Expiry) return enter_view(parent.id, name, bearer, waiting);
  View view{bearer};
  view.shows_expired = true;
  const auto node = nodes_.remember_door(parent.id, name, NodeKind::kFolder,
                                         std::make_shared<View>(view), nullptr);
  if (!node) return fail(ESTALE);
  return Entry{node->node, folder_attributes(view, StorePath(), nullptr)};
}

Result<Entry, Errno> Tree::lookup_uri(const Place& parent, std::string_view name, Waiting waiting) {
  if (!StorePath::is_name(name)) return Errno{ENOENT};
  const View& view = *parent.view;
  if (view.shows_expired) return lookup_expired_uri(parent, name, waiting);
  const StorePath uri = parent.path.child(name);
  if (uri.text().size() > StorePath::kMaxBytes) return Errno{ENOENT};
  const auto begun = std::chrono::steady_clock::now();
  const RecallMark mark = nodes_.mark();
  auto decision = decide(view, uri);
  if (!decision) return decision.error();
  if (decision->access != Access::kRead) return enter_virtual(parent, name, *decision, mark, begun);

  auto located = store_.locate(*decision->file, waiting);
  if (!located) return fail(located.error().value);
  const Found found = located->found;
  if (is_within_signed_folder(*decision, uri) && found.type == Found::Type::kFolder) {
    return enter_virtual(parent, name, Decision{Access::kNone, decision->until}, mark, begun);
  }
  if (found.type != Found::Type::kFile) return fail(ENOENT);
  const auto lent = lender_.offer(view, *decision, mark);
  const auto node =
      nodes_.remember(parent.id, name, *located, file_node(view), lent ? &*lent : nullptr);
  if (!node) return fail(ESTALE);
  return answer_file(parent.id, name, *decision->file, std::move(*located), view, *decision, lent,
                     *node, begun);
}

Result<Entry, Errno> Tree::lookup_expired_uri(const Place& parent, std::string_view name,
                                              Waiting waiting) {
  const StorePath uri = parent.path.child(name);
  if (uri.text().size() > StorePath::kMaxBytes) return Errno{ENOENT};
  auto expired = policy_.expired(std::get<Md5Bearer>(parent.view->identity), uri);
  if (!expired) {
    judge_.report(expired.error());
    return fail(EACCES);
  }
  if (expired->access == Access::kRead) {
    const auto is_folder = is_folder_on_the_way(*expired, uri, waiting);
    if (!is_folder) return is_folder.error();
    if (!*is_folder) return enter_marker(parent.id, name);
  }
  auto entry = enter_virtual(parent, name, Decision{}, RecallMark(), {});
  if (entry) entry->lent_for = {};
  return entry;
}

Result<Entry, Errno> Tree::enter_virtual(const Place& parent, std::string_view name,
                                         const Decision& decision, RecallMark mark,
                                         SteadyTime begun) {
  const View& view = *parent.view;
  // Such names can be made up without end: lent are those alone that have led to a file.
  const bool lends = decision.access != Access::kClosed && nodes_.leads_to_uri(parent.id, name);
  const auto lent = lends ? lender_.offer(view, decision, mark) : std::nullopt;
  const auto node =
      nodes_.remember_door(parent.id, name, NodeKind::kFolder, nullptr, lent ? &*lent : nullptr);
  if (!node) return fail(ESTALE);
  return answer_folder(*node, folder_attributes(view, parent.path.child(name), nullptr), view,
                       decision, begun);
}

Result<std::unique_ptr<OpenFolder>, Errno> Tree::open_uri(const Place& folder,
                                                          const Caller& caller) {
  const auto may_list = [this, view = folder.view,
                         path = folder.path](const Caller& who) -> Result<void, Errno> {
    if (!view->admits(who)) return deny(EACCES);
    if (view->shows_expired) return {};
    auto decision = decide(*view, path);
    if (!decision) return decision.error();
    return {};
  };
  if (auto decided = may_list(caller); !decided) return decided.error();
  std::vector<FixedFolder::Item> items{
      {".", numbers_.of_folder(*folder.view, folder.path), S_IFDIR},
      {"..", numbers_.of_folder(*folder.view, folder.path.parent()), S_IFDIR}};
  return std::unique_ptr<OpenFolder>(std::make_unique<FixedFolder>(std::move(items), may_list));
}

}  // namespace grantfs
