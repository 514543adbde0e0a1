#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "fuse/answering.h"
#include "fuse/handlers.h"

namespace grantfs {
namespace {

#if defined(FUSE_CAP_PASSTHROUGH)
/// Whether an error of passthrough concerns every file and not this one, nor a shortage that
/// passes: the daemon may not (EPERM), or the store or the kernel cannot (ELOOP on a stacked
/// store).
bool forbids_passthrough(int error) {
  return error == EPERM || error == ELOOP || error == EOPNOTSUPP || error == ENOTTY ||
         error == ENOSYS || error == EINVAL;
}
#endif

/// Gives the kernel the store's own file to read. False if the kernel does not take the file, for
/// good or this once. Then nothing of this open may be cached: otherwise the kernel would refuse
/// the next open with passthrough (fuse_file_io_open() in fs/fuse/iomode.c).
Result<bool, Errno> open_passthrough(HandlerContext& context, fuse_ino_t node,
                                     const Located& admitted, Waiting waiting, OpenHandle& handle,
                                     fuse_file_info& info) {
#if defined(FUSE_CAP_PASSTHROUGH)
  handle.backing = context.backings.find(node);
  if (handle.backing == nullptr) {
    auto file = context.tree.open_for_passthrough(admitted, waiting);
    if (!file && file.error().value == EWOULDBLOCK) return file.error();
    auto made = file ? context.backings.make(node, *file) : file.error();
    if (!made) {
      if (!forbids_passthrough(made.error().value)) {
        info.direct_io = 1;
      } else if (context.passthrough.exchange(false)) {
        spdlog::warn(
            "the kernel does not read this store by itself ({}); files are read through "
            "the daemon",
            std::strerror(made.error().value));
      }
      return false;
    }
    handle.backing = std::move(*made);
  }
  info.backing_id = handle.backing->id();
  return true;
#else
  (void)context, (void)node, (void)admitted, (void)waiting, (void)handle, (void)info;
  return false;
#endif
}

/// Opens the admitted file and replies. False, without a reply, if the open has to wait.
bool open_admitted(HandlerContext& context, fuse_req_t request, fuse_ino_t node,
                   const Located& admitted, Waiting waiting, fuse_file_info info) {
  auto handle = std::make_unique<OpenHandle>();
  bool passes = false;
  if (context.passthrough) {
    auto passed = open_passthrough(context, node, admitted, waiting, *handle, info);
    if (!passed) return false;
    passes = *passed;
  }
  if (!passes && !context.tree.reads_by_handle()) {
    auto file = context.tree.share_admitted(node, admitted, waiting);
    note_answer(context, waiting);
    if (!file) return refuse(request, file.error(), waiting);
    handle->file = std::move(*file);
  } else if (!passes) {
    context.tree.pin(node, admitted);
  }
  info.fh = context.files.keep(std::move(handle));
  // A reply that did not arrive (the caller was interrupted) brings no release either.
  if (fuse_reply_open(request, &info) != 0) context.files.drop(info.fh);
  return true;
}

/// False, without a reply, if the open has to wait. Then `admitted` is the file that may be opened,
/// if that is decided already.
bool open_file(HandlerContext& context, fuse_req_t request, fuse_ino_t node, fuse_file_info info,
               Waiting waiting, std::optional<Located>& admitted) {
  if (!admitted) {
    auto decided = context.tree.admit(node, caller_of(request), waiting);
    note_answer(context, waiting);
    if (!decided && context.tree.is_marker(node)) {
      info.fh = context.files.keep(std::make_unique<OpenHandle>());
      if (fuse_reply_open(request, &info) != 0) context.files.drop(info.fh);
      return true;
    }
    if (!decided) return refuse(request, decided.error(), waiting);
    admitted = std::move(*decided);
  }
  return open_admitted(context, request, node, *admitted, waiting, info);
}

void on_open(fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
  answer(request, Upcall::kOpen, [&](HandlerContext& context) {
    if (!context.asks_at_open) {
      fuse_reply_err(request, ENOSYS);  // and never ask again; fuse_file_open() in fs/fuse/file.c
      return;
    }
    if ((info->flags & O_ACCMODE) != O_RDONLY || (info->flags & O_TRUNC) != 0) {
      fuse_reply_err(request, EROFS);
      return;
    }
    std::optional<Located> admitted;
    if (open_file(context, request, node, *info, Waiting::kRefused, admitted)) return;
    answer_later(context, request,
                 [&context, request, node, info = *info,
                  admitted = std::make_shared<std::optional<Located>>(std::move(admitted))] {
                   open_file(context, request, node, info, Waiting::kAllowed, *admitted);
                 });
  });
}

/// Memory for the bytes of a READ, which nothing writes to before the bytes come.
// NOLINTNEXTLINE(modernize-avoid-c-arrays): no container leaves its memory as it is
std::unique_ptr<char[]> make_buffer(std::size_t size) {
  return std::make_unique_for_overwrite<char[]>(size);  // NOLINT(modernize-avoid-c-arrays)
}

/// Reads on a worker, because the read may have to wait for a disk, or for a process that has a
/// lease on the file (F_SETLEASE).
void read_patiently(HandlerContext& context, fuse_req_t request, fuse_ino_t node,
                    std::shared_ptr<OpenedFile> file, std::size_t size, off_t offset) {
  if (file == nullptr) {
    auto opened = context.tree.file_of(node, Waiting::kAllowed);
    note_answer(context, Waiting::kAllowed);
    if (!opened) {
      fuse_reply_err(request, opened.error().value);
      return;
    }
    file = std::move(*opened);
  }
  const auto buffer = make_buffer(size);
  std::size_t have = 0;
  int error = 0;
  while (have < size) {
    const ssize_t got = ::pread(file->fd.get(), buffer.get() + have, size - have,
                                offset + static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) error = errno;
    if (got <= 0) break;
    have += static_cast<std::size_t>(got);
  }
  note_answer(context, Waiting::kAllowed);
  if (error != 0) {
    fuse_reply_err(request, error);
  } else {
    fuse_reply_buf(request, buffer.get(), have);
  }
}

/// Reads bytes that are in memory and replies. False, without a reply, if some of them are not.
bool read_at_once(fuse_req_t request, const OpenedFile& file, std::size_t size, off_t offset) {
  const auto buffer = make_buffer(size);
  const iovec into{buffer.get(), size};
  const ssize_t got = ::preadv2(file.fd.get(), &into, 1, offset, RWF_NOWAIT);
  if (got < 0) return false;
  if (static_cast<std::size_t>(got) < size) {
    struct stat status = {};
    if (::fstat(file.fd.get(), &status) != 0 || offset + got < status.st_size) return false;
  }
  fuse_reply_buf(request, buffer.get(), static_cast<std::size_t>(got));
  return true;
}

/// Cost: one or two system calls while the file is in memory and known; on a worker otherwise.
void on_read(fuse_req_t request, fuse_ino_t node, std::size_t size, off_t offset,
             fuse_file_info* info) {
  answer(request, Upcall::kRead, [&](HandlerContext& context) {
    std::shared_ptr<OpenedFile> file;
    if (context.asks_at_open) file = decltype(context.files)::get(info->fh)->file;
    if (file == nullptr) {
      auto opened = context.tree.file_of(node, Waiting::kRefused);
      if (!opened && opened.error().value != EWOULDBLOCK) {
        fuse_reply_err(request, opened.error().value);
        return;
      }
      if (opened) file = std::move(*opened);
    }
    if (file != nullptr && read_at_once(request, *file, size, offset)) return;
    answer_later(context, request, [&context, request, node, file = std::move(file), size, offset] {
      read_patiently(context, request, node, file, size, offset);
    });
  });
}

void on_release(fuse_req_t request, fuse_ino_t /*node*/, fuse_file_info* info) {
  answer(request, Upcall::kRelease, [&](HandlerContext& context) {
    context.files.drop(info->fh);
    fuse_reply_err(request, 0);
  });
}

}  // namespace

void add_file_handlers(fuse_lowlevel_ops& operations) {
  operations.open = on_open;
  operations.read = on_read;
  operations.release = on_release;
}

}  // namespace grantfs
