// What Tree shows of folders; see tree.h and open_folder.h.
#include <cerrno>
#include <utility>

#include "tree/tree.h"

namespace grantfs {
namespace {

bool is_folder(NodeKind kind) {
  return kind != NodeKind::kFile && kind != NodeKind::kMe && kind != NodeKind::kMarker;
}

}  // namespace

/// What may be seen of a folder of the store.
class Tree::Decisions final : public FolderDecisions {
 public:
  Decisions(Tree& tree, ViewPointer view, StorePath path)
      : tree_(tree), view_(std::move(view)), path_(std::move(path)) {}

  Result<FolderSight, Errno> look(const Caller& caller) override {
    return tree_.look_at_folder(*view_, path_, caller, Waiting::kAllowed);
  }
  Result<Listing, Errno> list() override {
    auto listing = tree_.policy_.list(view_->identity, path_);
    if (!listing) {
      tree_.judge_.report(listing.error());
      return tree_.fail(EACCES);
    }
    if (listing->access == Access::kClosed) return tree_.deny(EACCES);
    return std::move(*listing);
  }
  Result<Access, Errno> access_to(std::string_view name) override {
    auto decision = tree_.decide(*view_, path_.child(name));
    if (!decision) return decision.error();
    return decision->access;
  }

 private:
  Tree& tree_;
  const ViewPointer view_;
  const StorePath path_;
};

Result<FolderSight, Errno> Tree::look_at_folder(const View& view, const StorePath& path,
                                                const Caller& caller, Waiting waiting) {
  if (!view.admits(caller)) return deny(EACCES);
  auto decision = decide(view, path);
  if (!decision) return decision.error();
  // A view's own root is there for whoever passed its door, be there anything in it or not.
  if (decision->access == Access::kNone && !path.is_root()) return deny(ENOENT);
  auto located = store_.locate(path, waiting);
  if (!located) return fail(located.error().value);
  if (located->found.type != Found::Type::kFolder) return fail(ENOENT);
  return FolderSight{std::move(*located), decision->access};
}

Result<std::unique_ptr<OpenFolder>, Errno> Tree::open_folder(NodeId node, const Caller& caller,
                                                             Waiting waiting) {
  auto folder = open_folder_of(node, caller, waiting);
  count(counters_.opendirs, folder);
  return folder;
}

Result<std::unique_ptr<OpenFolder>, Errno> Tree::open_folder_of(NodeId node, const Caller& caller,
                                                                Waiting waiting) {
  const auto place = nodes_.find(node);
  if (!place || !is_folder(place->kind)) return fail(ESTALE);
  if (place->kind == NodeKind::kRoot) return open_root();
  // Whose views there are is nobody's business, root's included.
  if (place->kind != NodeKind::kFolder || !place->view->admits(caller)) return deny(EACCES);
  if (place->view->is_of_uris()) return open_uri(*place, caller);

  auto now = look_at_folder(*place->view, place->path, caller, waiting);
  if (!now) return now.error();
  return std::unique_ptr<OpenFolder>(std::make_unique<StoreFolder>(
      FolderOfView{store_, streams_, place->view, place->path, numbers_,
                   std::make_unique<Decisions>(*this, place->view, place->path)}));
}

}  // namespace grantfs
