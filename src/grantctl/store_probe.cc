#include "grantctl/store_probe.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <future>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>

#include "base/quote.h"
#include "grantctl/output.h"
#include "store/store.h"

namespace grantctl {

using grantfs::Found;
using grantfs::Store;
using grantfs::StorePath;

namespace {

/// The number of the mount that a path is on; none if nothing is there. A symbolic link at the
/// path's end is not followed (statx(2)).
std::optional<std::uint64_t> mount_of(const std::filesystem::path& path) {
  struct statx status = {};
  constexpr int kFlags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
  if (::statx(AT_FDCWD, path.c_str(), kFlags, STATX_MNT_ID, &status) != 0 ||
      (status.stx_mask & STATX_MNT_ID) == 0) {
    return std::nullopt;
  }
  return status.stx_mnt_id;
}

/// The result of `look`, or `otherwise` if the store does not answer soon. A command says something
/// of the store only as an extra, and no command waits for a disk that hangs. A look that hangs
/// goes on by itself.
template <class Look, class Answer = std::invoke_result_t<Look>>
Answer look_in_time(Look look, Answer otherwise) {
  constexpr std::chrono::seconds kLongest{2};
  std::packaged_task<Answer()> task(std::move(look));
  auto found = task.get_future();
  std::thread(std::move(task)).detach();
  return found.wait_for(kLongest) == std::future_status::ready ? found.get() : otherwise;
}

StoreContent probe(const Store& store, const std::filesystem::path& directory,
                   const StorePath& path) {
  const auto found = store.find(path);
  if (found) {
    return found->type == Found::Type::kFile ? StoreContent::kFile : StoreContent::kFolder;
  }
  if (found.error().value != ENOENT) return StoreContent::kUnknown;
  // The mount shows nothing here. The explanation says whether something lies there all the same.
  if (mount_inside(directory, path)) return StoreContent::kMount;
  if (!store.find(path.parent())) return StoreContent::kAbsent;
  std::error_code error;
  const auto status = std::filesystem::symlink_status(directory / path.text(), error);
  return std::filesystem::exists(status) ? StoreContent::kOther : StoreContent::kAbsent;
}

}  // namespace

StoreContent probe_store(const std::filesystem::path& directory, const StorePath& path) {
  return look_in_time(
      [directory, path] {
        const auto store = Store::open(directory, grantfs::FileIdKey{});
        return store ? probe(*store, directory, path) : StoreContent::kUnknown;
      },
      StoreContent::kUnknown);
}

std::optional<StorePath> mount_inside(const std::filesystem::path& store, const StorePath& path) {
  const auto outside = mount_of(store / ".");
  auto folders = path.self_and_ancestors();
  while (outside && !folders.empty()) {  // the outermost folder first
    const std::filesystem::path folder = store / folders.back();
    std::error_code error;
    if (std::filesystem::is_symlink(folder, error)) return std::nullopt;
    const auto mount = mount_of(folder);
    if (!mount) return std::nullopt;
    if (*mount != *outside) {
      auto point = StorePath::parse(folders.back());
      return point ? std::optional(*point) : std::nullopt;
    }
    folders.pop_back();
  }
  return std::nullopt;
}

std::optional<std::filesystem::path> store_of(Context& context) {
  auto daemons = context.daemons();
  if (!daemons || daemons->found.empty() || daemons->found.front().store.empty()) {
    return std::nullopt;
  }
  return daemons->found.front().store;
}

StoreContent look_in_store(Context& context, const StorePath& path) {
  const auto store = store_of(context);
  return store ? probe_store(*store, path) : StoreContent::kUnknown;
}

void note_absent(Context& context, const std::vector<StorePath>& paths) {
  const auto directory = store_of(context);
  if (!directory) return;
  const auto contents = look_in_time(
      [directory, paths] {
        std::vector<StoreContent> found;
        const auto store = Store::open(*directory, grantfs::FileIdKey{});
        if (!store) return found;
        for (const StorePath& path : paths) found.push_back(probe(*store, *directory, path));
        return found;
      },
      std::vector<StoreContent>());
  // At most 10 notes are printed. A table with a whole lot of paths that lie elsewhere would
  // otherwise bury the command's other messages.
  constexpr std::size_t kMostNotes = 10;
  std::size_t absent = 0;
  for (std::size_t i = 0; i < contents.size(); ++i) {
    const StorePath& path = paths[i];
    const StoreContent content = contents[i];
    const char* what = content == StoreContent::kAbsent  ? "there is no such file or folder"
                       : content == StoreContent::kMount ? "another file system is mounted there"
                       : content == StoreContent::kOther ? "it is neither a file nor a folder there"
                                                         : nullptr;
    if (what == nullptr || ++absent > kMostNotes) continue;
    complain(fmt::format("note: {} is not in the store {} as the mount would show it: {}",
                         grantfs::quoted(shown(path)), grantfs::quoted(directory->native()), what));
  }
  if (absent > kMostNotes) {
    complain(fmt::format("note: and {} more are not in the store", absent - kMostNotes));
  }
}

}  // namespace grantctl
