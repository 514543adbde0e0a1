#include "tree/folders.h"

#include <cerrno>
#include <utility>
#include <variant>
#include <vector>

namespace grantfs {

/// What may be seen of a folder of the store.
class Folders::Decisions final : public FolderDecisions {
 public:
  Decisions(Folders& folders, ViewPointer view, StorePath path)
      : folders_(folders), view_(std::move(view)), path_(std::move(path)) {}

  Result<FolderSight, Errno> look(const Caller& caller) override {
    return folders_.look(*view_, path_, caller, Waiting::kAllowed);
  }
  Result<Listing, Errno> list() override {
    TreeParts& parts = folders_.parts_;
    auto listing = parts.judge.policy().list(view_->identity, path_);
    if (!listing) {
      parts.judge.report(listing.error());
      return parts.refusals.fail(EACCES);
    }
    if (listing->access == Access::kClosed) return parts.refusals.deny(EACCES);
    return std::move(*listing);
  }
  Result<Access, Errno> access_to(std::string_view name) override {
    auto decision = folders_.parts_.doors.of(*view_).decide(*view_, path_.child(name));
    if (!decision) return decision.error();
    return decision->access;
  }

 private:
  Folders& folders_;
  const ViewPointer view_;
  const StorePath path_;
};

Result<FolderSight, Errno> Folders::look(const View& view, const StorePath& path,
                                         const Caller& caller, Waiting waiting) {
  if (!view.admits(caller)) return parts_.refusals.deny(EACCES);
  auto decision = parts_.doors.of(view).decide(view, path);
  if (!decision) return decision.error();
  // A view's own root is there for everybody who passed its door, even if it is empty.
  if (decision->access == Access::kNone && !path.is_root()) return parts_.refusals.deny(ENOENT);
  auto located = parts_.store.locate(path, waiting);
  if (!located) return parts_.refusals.fail(located.error().value);
  if (located->found.type != Found::Type::kFolder) return parts_.refusals.fail(ENOENT);
  return FolderSight{std::move(*located), decision->access};
}

Result<std::unique_ptr<OpenFolder>, Errno> Folders::open(NodeId node, const Caller& caller,
                                                         Waiting waiting) {
  const auto place = parts_.nodes.find(node);
  const bool is_folder =
      place && (place->kind == NodeKind::kDoor || place->kind == NodeKind::kFolder);
  if (!is_folder) return parts_.refusals.fail(ESTALE);
  if (node == kRootNode) return open_root();
  auto folder = open_at(*place, caller, waiting);
  if (!folder) parts_.notes.refused(*place, {}, caller, folder.error());
  return folder;
}

Result<std::unique_ptr<OpenFolder>, Errno> Folders::open_at(const Place& place,
                                                            const Caller& caller, Waiting waiting) {
  // Nobody learns which views there are, not even root.
  if (place.kind == NodeKind::kDoor) return parts_.refusals.deny(EACCES);
  if (!place.view->admits(caller)) return parts_.refusals.deny(EACCES);
  if (place.view->traits.is_of_uris) return open_empty(place, caller);

  auto now = look(*place.view, place.path, caller, waiting);
  if (!now) return now.error();
  if (!parts_.notes.listed(*place.view, place.path, caller)) return parts_.refuse_unrecorded();
  return std::unique_ptr<OpenFolder>(std::make_unique<StoreFolder>(
      FolderOfView{parts_.store, streams_, place.view, place.path, parts_.numbers,
                   std::make_unique<Decisions>(*this, place.view, place.path)}));
}

std::unique_ptr<OpenFolder> Folders::open_root() const {
  const std::uint64_t own = parts_.doors.root().traits().inode;
  std::vector<FixedFolder::Item> items{{".", own, S_IFDIR}, {"..", own, S_IFDIR}};
  for (const Door* const door : parts_.doors.at_root()) {
    const Opening opening = door->at_its_name();
    const auto* const view = std::get_if<Entrance>(&opening);
    items.push_back(
        {door->traits().name,
         view != nullptr ? parts_.numbers.of_folder(view->view, StorePath()) : door->traits().inode,
         static_cast<mode_t>(door->is_link() ? S_IFLNK : S_IFDIR)});
  }
  return std::make_unique<FixedFolder>(std::move(items));
}

Result<std::unique_ptr<OpenFolder>, Errno> Folders::open_empty(const Place& folder,
                                                               const Caller& caller) {
  const auto may_list = [this, view = folder.view,
                         path = folder.path](const Caller& who) -> Result<void, Errno> {
    if (!view->admits(who)) return parts_.refusals.deny(EACCES);
    auto decision = parts_.doors.of(*view).decide(*view, path);
    if (!decision) return decision.error();
    return {};
  };
  if (auto decided = may_list(caller); !decided) return decided.error();
  std::vector<FixedFolder::Item> items{
      {".", parts_.numbers.of_folder(*folder.view, folder.path), S_IFDIR},
      {"..", parts_.numbers.of_folder(*folder.view, folder.path.parent()), S_IFDIR}};
  return std::unique_ptr<OpenFolder>(std::make_unique<FixedFolder>(std::move(items), may_list));
}

}  // namespace grantfs
