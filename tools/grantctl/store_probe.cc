#include "store_probe.h"

#include <cerrno>
#include <system_error>

#include "store/store.h"

namespace grantctl {

using grantfs::Found;
using grantfs::Store;

StoreContent probe_store(const std::filesystem::path& directory, const grantfs::StorePath& path) {
  const auto store = Store::open(directory, grantfs::FileIdKey{});
  if (!store) return StoreContent::kUnknown;
  const auto found = store->find(path);
  if (found) {
    return found->type == Found::Type::kFile ? StoreContent::kFile : StoreContent::kFolder;
  }
  if (found.error().value != ENOENT) return StoreContent::kUnknown;
  // To the mount it does not exist. For the explanation: is something there all the same?
  if (!store->find(path.parent())) return StoreContent::kAbsent;
  std::error_code error;
  const auto status = std::filesystem::symlink_status(directory / path.text(), error);
  return std::filesystem::exists(status) ? StoreContent::kOther : StoreContent::kAbsent;
}

}  // namespace grantctl
