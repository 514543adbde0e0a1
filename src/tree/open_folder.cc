#include "tree/open_folder.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

namespace grantfs {
namespace {

std::uint64_t inode_of(const FolderOfView& of, std::string_view name, Found::Type type,
                       const FileId& file) {
  if (name == ".") return of.numbers.of_folder(*of.view, of.path);
  if (name == "..") return of.numbers.of_folder(*of.view, of.path.parent());
  if (type == Found::Type::kFile) return of.numbers.of_file(file);
  return of.numbers.of_folder(*of.view, of.path.child(name));
}

mode_t mode_of(Found::Type type) {
  return type == Found::Type::kFile ? S_IFREG : S_IFDIR;
}

/// Of a passage only folders are seen.
bool shows(Access access, Found::Type type) {
  return access == Access::kRead || (access == Access::kPassage && type == Found::Type::kFolder);
}

}  // namespace

Result<void, Errno> FixedFolder::read_locked(const Caller& caller, off_t offset,
                                             const FolderSink& sink) {
  if (decide_) {
    if (auto decided = decide_(caller); !decided) return decided.error();
  }
  for (auto i = static_cast<std::size_t>(offset); i < items_.size(); ++i) {
    const Item& item = items_[i];
    if (!sink({item.name, item.inode, item.type, static_cast<off_t>(i + 1)})) break;
  }
  return {};
}

std::optional<Store::Folder> FolderStreams::take(const void* listing) {
  auto streams = streams_.lock();
  const auto found = std::ranges::find(*streams, listing, &Kept::listing);
  if (found == streams->end()) return std::nullopt;
  std::optional<Store::Folder> stream(std::move(found->stream));
  streams->erase(found);
  return stream;
}

void FolderStreams::put(const void* listing, Store::Folder stream) {
  std::list<Kept> oldest;  // declared first: it goes last, outside the lock
  auto streams = streams_.lock();
  streams->push_back({listing, std::move(stream)});
  if (streams->size() > kMostKept) oldest.splice(oldest.begin(), *streams, streams->begin());
}

Result<void, Errno> StoreFolder::begin(FolderSight now) {
  names_.reset();
  if (now.access != Access::kRead) {
    auto listing = of_.decisions->list();
    if (!listing) return listing.error();
    if (listing->access != Access::kRead) names_ = std::move(listing->names);
  }
  if (located_ && located_->found.id != now.located.found.id) of_.streams->take(this);
  located_ = std::move(now.located);
  located_->fd.reset();
  decides_each_ = false;
  return {};
}

Result<void, Errno> StoreFolder::read_locked(const Caller& caller, off_t offset,
                                             const FolderSink& sink) {
  auto now = of_.decisions->look(caller);
  if (!now) return now.error();
  if (offset == 0 || !located_) {
    if (auto begun = begin(std::move(*now)); !begun) return begun;
  } else {
    if (now->located.found.id != located_->found.id) return Errno{ENOENT};
    decides_each_ = now->access != Access::kRead;
  }
  auto stream = of_.streams->take(this);
  if (!stream) {
    auto opened = of_.store.open_folder(of_.path, *located_);
    if (!opened) return opened.error();
    stream.emplace(std::move(*opened));
  }
  auto done = names_ ? read_names(*stream, offset, sink) : read_whole(*stream, offset, sink);
  of_.streams->put(this, std::move(*stream));
  return done;
}

Result<Access, Errno> StoreFolder::access_to(std::string_view name, Access listed) {
  if (!decides_each_ || name == "." || name == "..") return listed;
  return of_.decisions->access_to(name);
}

Result<void, Errno> StoreFolder::read_whole(Store::Folder& stream, off_t offset,
                                            const FolderSink& sink) {
  stream.seek(offset);
  while (true) {
    auto entry = stream.next();
    if (!entry) {
      if (entry.error().value != 0) return entry.error();
      return {};
    }
    auto access = access_to(entry->name, Access::kRead);
    if (!access) return access.error();
    if (!shows(*access, entry->type)) continue;
    if (!sink({entry->name, inode_of(of_, entry->name, entry->type, entry->id),
               mode_of(entry->type), entry->next})) {
      return {};
    }
  }
}

Result<void, Errno> StoreFolder::read_names(Store::Folder& stream, off_t offset,
                                            const FolderSink& sink) {
  constexpr std::size_t kDots = 2;
  for (auto i = static_cast<std::size_t>(offset); i < kDots + names_->size(); ++i) {
    const auto next = static_cast<off_t>(i + 1);
    if (i < kDots) {
      const std::string_view name = i == 0 ? "." : "..";
      if (!sink({name, inode_of(of_, name, Found::Type::kFolder, {}), S_IFDIR, next})) break;
      continue;
    }
    const ListedName& listed = (*names_)[i - kDots];
    auto access = access_to(listed.name, listed.access);
    if (!access) return access.error();
    if (*access == Access::kNone) continue;
    auto found = stream.find(listed.name);
    if (!found) {
      if (found.error().value == ENOENT) continue;
      return found.error();
    }
    if (!shows(*access, found->type)) continue;
    if (!sink({listed.name, inode_of(of_, listed.name, found->type, found->id),
               mode_of(found->type), next})) {
      break;
    }
  }
  return {};
}

}  // namespace grantfs
