#include "tree/open_folder.h"

#include <sys/stat.h>

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

}  // namespace

Result<void, Errno> FixedFolder::read_locked(off_t offset, const FolderSink& sink) {
  for (auto i = static_cast<std::size_t>(offset); i < items_.size(); ++i) {
    const Item& item = items_[i];
    if (!sink({item.name, item.inode, item.type, static_cast<off_t>(i + 1)})) break;
  }
  return {};
}

Result<void, Errno> WholeFolder::read_locked(off_t offset, const FolderSink& sink) {
  if (offset == 0 || offset != position_) of_.folder.seek(offset);
  position_ = offset;
  while (true) {
    auto entry = of_.folder.next();
    if (!entry) {
      if (entry.error().value != 0) return entry.error();
      return {};
    }
    const FolderEntry line{entry->name, inode_of(of_, entry->name, entry->type, entry->id),
                           mode_of(entry->type), entry->next};
    if (!sink(line)) {
      // The stream has moved past an entry that was not taken.
      of_.folder.seek(position_);
      return {};
    }
    position_ = entry->next;
  }
}

Result<void, Errno> PartialFolder::read_locked(off_t offset, const FolderSink& sink) {
  constexpr std::size_t kDots = 2;
  for (auto i = static_cast<std::size_t>(offset); i < kDots + names_.size(); ++i) {
    const auto next = static_cast<off_t>(i + 1);
    if (i < kDots) {
      const std::string_view name = i == 0 ? "." : "..";
      if (!sink({name, inode_of(of_, name, Found::Type::kFolder, {}), S_IFDIR, next})) break;
      continue;
    }
    const ListedName& listed = names_[i - kDots];
    auto found = of_.folder.find(listed.name);
    if (!found) {
      if (found.error().value == ENOENT) continue;
      return found.error();
    }
    if (listed.access != Access::kRead && found->type != Found::Type::kFolder) continue;
    if (!sink({listed.name, inode_of(of_, listed.name, found->type, found->id),
               mode_of(found->type), next})) {
      break;
    }
  }
  return {};
}

}  // namespace grantfs
