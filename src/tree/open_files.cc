#include "tree/open_files.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace grantfs {

OpenFiles::OpenFiles(const Store& store, NodeTable& nodes, Refusals& refusals, std::size_t most)
    : store_(store),
      nodes_(nodes),
      refusals_(refusals),
      files_(std::max<std::size_t>(most * 2 / 5, 1)),
      pinned_(std::max<std::size_t>(most * 3 / 5, 1)) {}

void OpenFiles::keep_at_hand(NodeId node, Located located, bool reads_by_node) {
  if (!reads_by_node) {
    recent_.keep(node, std::move(located));
  } else {
    (void)pinned_.keep_made(node,
                            [&] { return std::make_shared<UniqueFd>(std::move(located.fd)); });
  }
}

void OpenFiles::pin(NodeId node, const Located& located) {
  if (pinned_.find(node) != nullptr) return;
  UniqueFd copy(::fcntl(located.fd.get(), F_DUPFD_CLOEXEC, 0));
  if (copy) pinned_.keep(node, std::make_shared<UniqueFd>(std::move(copy)));
}

Result<std::shared_ptr<OpenedFile>, Errno> OpenFiles::file_of(NodeId node, Waiting waiting) {
  if (auto kept = files_.find(node)) return kept;
  const auto place = nodes_.find(node);
  if (!place || place->kind != NodeKind::kFile) return refusals_.fail(ESTALE);
  if (waiting == Waiting::kRefused && !pinned_.find(node)) return refusals_.fail(EWOULDBLOCK);
  auto opened = store_.open_file(place->handle, waiting);
  if (!opened) return refusals_.fail(opened.error().value);
  return files_.keep(node, std::make_shared<OpenedFile>(std::move(*opened)));
}

Result<std::shared_ptr<OpenedFile>, Errno> OpenFiles::share(NodeId node, const Located& located,
                                                            Waiting waiting) {
  auto open = opened_.find(node);
  // Some filesystems have the same number for what a name led to before and after a renaming.
  const bool is_other = open != nullptr && (open->found != located.found ||
                                            open->found.changed != located.found.changed);
  if (open != nullptr && !is_other) return open;
  auto opened = store_.open_file(located, waiting);
  if (!opened) return refusals_.fail(opened.error().value);
  auto made = std::make_shared<OpenedFile>(std::move(*opened));
  if (!is_other) return opened_.share(node, std::move(made));
  opened_.replace(node, made);
  return made;
}

Result<Found, Errno> OpenFiles::examine(const Place& file, Waiting waiting) {
  if (store_.opens_by_handle()) {
    if (waiting == Waiting::kRefused && !is_at_hand(file.id)) return Errno{EWOULDBLOCK};
    return store_.examine(file.handle, waiting);
  }
  if (const auto open = opened_.find(file.id)) return store_.examine(*open, waiting);
  return store_.find(file.path, waiting);
}

void OpenFiles::drop(NodeId node) {
  files_.drop(node);
  opened_.drop(node);
  pinned_.drop(node);
}

void OpenFiles::clear() {
  files_.clear();
  pinned_.clear();
  recent_.clear();
}

}  // namespace grantfs
