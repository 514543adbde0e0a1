#include "fuse/handlers.h"

#include <fcntl.h>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <optional>
#include <vector>

namespace grantfs {
namespace {

HandlerContext& context_of(fuse_req_t request) {
  return *static_cast<HandlerContext*>(fuse_req_userdata(request));
}

Caller caller_of(fuse_req_t request) {
  const fuse_ctx* context = fuse_req_ctx(request);
  return {context->uid, context->pid};
}

/// While it lives, this thread is not cancelled. libfuse ends its threads so (pthread_cancel(3)),
/// which unwinds the stack from within any system call, destructors included.
class Uncancelled {
 public:
  Uncancelled() { ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  ~Uncancelled() { ::pthread_setcancelstate(before_, nullptr); }
  Uncancelled(const Uncancelled&) = delete;
  Uncancelled& operator=(const Uncancelled&) = delete;

 private:
  int before_ = 0;
};

void refuse_for_memory(HandlerContext& context, fuse_req_t request) {
  fuse_reply_err(request, EACCES);
  context.tree.note_refusal("memory does not suffice for all requests");
}

/// Runs a handler's body. Nothing may be thrown into libfuse, which is C: a request that memory
/// does not suffice for is refused, as on any trouble.
template <class Body>
void answer(fuse_req_t request, Upcall kind, Body body) {
  const Uncancelled guard;
  HandlerContext& context = context_of(request);
  context.count(kind);
  try {
    body(context);
  } catch (const std::exception&) {
    refuse_for_memory(context, request);
  }
}

void refuse_since_store_hangs(HandlerContext& context, fuse_req_t request) {
  fuse_reply_err(request, EACCES);
  context.tree.note_refusal("the store does not answer");
}

/// The same on a worker, after the handler has returned; refused if the store hangs.
template <class Body>
void answer_later(HandlerContext& context, fuse_req_t request, Body body) {
  const bool taken =
      context.workers.submit([&context, request, body = std::move(body)](StoreWorkers::Turn turn) {
        if (turn == StoreWorkers::Turn::kNeverComes) {
          refuse_since_store_hangs(context, request);
          return;
        }
        try {
          body();
        } catch (const std::exception&) {
          refuse_for_memory(context, request);
        }
      });
  if (!taken) refuse_since_store_hangs(context, request);
}

/// Runs a handler's body with Waiting::kRefused, and again on a worker, with Waiting::kAllowed, if
/// it returned false: it has not replied then. The body is copied for that, and all that it holds.
template <class Body>
void answer_now_or_later(fuse_req_t request, Upcall kind, Body body) {
  answer(request, kind, [&](HandlerContext& context) {
    if (body(context, Waiting::kRefused)) return;
    answer_later(context, request, [&context, body] { body(context, Waiting::kAllowed); });
  });
}

/// Replies with an error; false, and no reply, if the request has to wait for the store.
bool refuse(fuse_req_t request, Errno error, Waiting waiting) {
  if (waiting == Waiting::kRefused && error.value == EWOULDBLOCK) return false;
  fuse_reply_err(request, error.value);
  return true;
}

/// Has the kernel look up and list in one folder for several callers at once. It does not unless it
/// is asked, and one name that the store hangs on would stop all that is looked up beside it.
/// libfuse 3.14 knows the flag and never passes it on.
void allow_parallel_lookups([[maybe_unused]] fuse_conn_info* info) {
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
  fuse_set_feature_flag(info, FUSE_CAP_PARALLEL_DIROPS);
#endif
}

/// File handles (open_by_handle_at(2)) lead past every door, for whoever has CAP_DAC_READ_SEARCH.
/// The kernel refuses them from Linux 6.9 on, if it is asked by a libfuse from 3.17 on. Elsewhere a
/// handle leads to what the kernel has in memory and to nothing else: the kernel would send a
/// LOOKUP of "." for the rest only if FUSE_EXPORT_SUPPORT were announced (fuse_get_dentry() in
/// fs/fuse/inode.c), and on_lookup() refuses that too.
void refuse_handles(fuse_conn_info* info, Connection& connection) {
#if defined(FUSE_CAP_NO_EXPORT_SUPPORT)
  fuse_unset_feature_flag(info, FUSE_CAP_EXPORT_SUPPORT);
  connection.refuses_handles = fuse_set_feature_flag(info, FUSE_CAP_NO_EXPORT_SUPPORT);
#else
  info->want &= ~static_cast<unsigned>(FUSE_CAP_EXPORT_SUPPORT);
  (void)connection;
#endif
}

void on_init(void* userdata, fuse_conn_info* info) {
  auto& context = *static_cast<HandlerContext*>(userdata);
  Connection& connection = context.connection;
  allow_parallel_lookups(info);
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
  constexpr unsigned kFirstWithEpochs = 44;  // of FUSE 7, in linux/fuse.h
  connection.epochs = info->proto_minor >= kFirstWithEpochs;
#endif
  refuse_handles(info, connection);
#if defined(FUSE_CAP_PASSTHROUGH)
  // Asked for also where the kernel is given no file to read by itself: a mount that might hand on
  // files of a disk (depth 1; 2 would forbid passthrough altogether) counts as stacked twice, and
  // nothing can be stacked upon it (process_init_reply() in fs/fuse/inode.c,
  // FILESYSTEM_MAX_STACK_DEPTH). An overlayfs would hold entries that no recall finds.
  if (fuse_set_feature_flag(info, FUSE_CAP_PASSTHROUGH)) {
    info->max_backing_stack_depth = 1;
    connection.refuses_stacking = true;
    connection.passthrough = context.asks_at_open && context.options.passthrough != Use::kNo;
  }
#endif
  if (!context.asks_at_open && connection.epochs && connection.refuses_stacking) {
    context.tree.lend_steadily();
  }
#if defined(FUSE_CAP_OVER_IO_URING)
  connection.io_uring =
      context.options.io_uring != Use::kNo && fuse_get_feature_flag(info, FUSE_CAP_OVER_IO_URING);
#endif
  context.passthrough = connection.passthrough;
}

void forget(HandlerContext& context, fuse_ino_t node, std::uint64_t count) {
  const Uncancelled guard;
  try {
    if (context.tree.forget(node, count)) context.backings.drop(node);
  } catch (const std::exception&) {
    return;  // what is not forgotten costs memory, and nothing else
  }
}

/// False, and no reply, if the lookup has to wait for the store.
bool look_up(HandlerContext& context, fuse_req_t request, fuse_ino_t parent, std::string_view name,
             Waiting waiting) {
  auto entry = context.tree.lookup(parent, name, caller_of(request), waiting);
  if (!entry) return refuse(request, entry.error(), waiting);
  fuse_entry_param reply = {};
  reply.ino = entry->node;
  reply.attr = entry->attributes;
  reply.entry_timeout = context.timeout(entry->lent_for);
  reply.attr_timeout = context.timeout(std::max(entry->lent_for, entry->attributes_lent_for));
  // A reply that did not arrive (the caller was interrupted) will not be forgotten either.
  if (fuse_reply_entry(request, &reply) != 0) forget(context, entry->node, 1);
  return true;
}

/// The kernel resolves "." and ".." by itself. It asks for them only to find the node of a file
/// handle again, for whoever opens by handle without walking a path.
bool is_of_a_handle(std::string_view name) {
  return name == "." || name == "..";
}

void on_lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  answer(request, Upcall::kLookup, [&](HandlerContext& context) {
    if (is_of_a_handle(name)) {
      fuse_reply_err(request, ESTALE);
      return;
    }
    if (look_up(context, request, parent, name, Waiting::kRefused)) return;
    answer_later(context, request, [&context, request, parent, name = std::string(name)] {
      look_up(context, request, parent, name, Waiting::kAllowed);
    });
  });
}

void on_forget(fuse_req_t request, fuse_ino_t node, std::uint64_t count) {
  forget(context_of(request), node, count);
  fuse_reply_none(request);
}

void on_forget_multi(fuse_req_t request, std::size_t count, fuse_forget_data* forgets) {
  for (std::size_t i = 0; i < count; ++i) {
    forget(context_of(request), forgets[i].ino, forgets[i].nlookup);
  }
  fuse_reply_none(request);
}

void on_getattr(fuse_req_t request, fuse_ino_t node, fuse_file_info* /*info*/) {
  answer_now_or_later(
      request, Upcall::kGetattr, [request, node](HandlerContext& context, Waiting waiting) {
        auto attributes = context.tree.attributes(node, waiting);
        if (!attributes) return refuse(request, attributes.error(), waiting);
        fuse_reply_attr(request, &attributes->shown, context.timeout(attributes->lent_for));
        return true;
      });
}

void on_readlink(fuse_req_t request, fuse_ino_t node) {
  answer(request, Upcall::kReadlink, [&](HandlerContext& context) {
    auto target = context.tree.read_link(node, caller_of(request));
    if (target) {
      fuse_reply_readlink(request, target->c_str());
    } else {
      fuse_reply_err(request, target.error().value);
    }
  });
}

#if defined(FUSE_CAP_PASSTHROUGH)
/// Whether it is no matter of the one file, nor of what is short at the moment: we may not (EPERM),
/// or the store or the kernel cannot (ELOOP on a stacked one).
bool forbids_passthrough(int error) {
  return error == EPERM || error == ELOOP || error == EOPNOTSUPP || error == ENOTTY ||
         error == ENOSYS || error == EINVAL;
}
#endif

/// Gives the kernel the store's own file to read. False if it does not take it: for good, or this
/// once, and then nothing of this open may be cached, or the kernel would refuse the next one that
/// passes through (fuse_file_io_open() in fs/fuse/iomode.c).
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

/// Opens what has been admitted and replies; false, and no reply, if it has to wait.
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

/// False, and no reply, if the open has to wait; then `admitted` is what may be opened, if that is
/// decided.
bool open_file(HandlerContext& context, fuse_req_t request, fuse_ino_t node, fuse_file_info info,
               Waiting waiting, std::optional<Located>& admitted) {
  if (!admitted) {
    auto decided = context.tree.admit(node, caller_of(request), waiting);
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

/// A read that may have to wait: for a disk, or for whoever has a lease on the file. On a worker.
void read_patiently(HandlerContext& context, fuse_req_t request, fuse_ino_t node,
                    std::shared_ptr<OpenedFile> file, std::size_t size, off_t offset) {
  if (file == nullptr) {
    auto opened = context.tree.file_of(node, Waiting::kAllowed);
    if (!opened) {
      fuse_reply_err(request, opened.error().value);
      return;
    }
    file = std::move(*opened);
  }
  std::vector<char> buffer(size);
  std::size_t have = 0;
  while (have < size) {
    const ssize_t got = ::pread(file->fd.get(), buffer.data() + have, size - have,
                                offset + static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      fuse_reply_err(request, errno);
      return;
    }
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  fuse_reply_buf(request, buffer.data(), have);
}

/// Reads what is in memory and replies; false, and no reply, if not all of it is.
bool read_at_once(fuse_req_t request, const OpenedFile& file, std::size_t size, off_t offset) {
  std::vector<char> buffer(size);
  const iovec into{buffer.data(), buffer.size()};
  const ssize_t got = ::preadv2(file.fd.get(), &into, 1, offset, RWF_NOWAIT);
  if (got < 0) return false;
  if (static_cast<std::size_t>(got) < size) {
    struct stat status = {};
    if (::fstat(file.fd.get(), &status) != 0 || offset + got < status.st_size) return false;
  }
  fuse_reply_buf(request, buffer.data(), static_cast<std::size_t>(got));
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

void on_opendir(fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
  answer_now_or_later(request, Upcall::kOpendir,
                      [request, node, info = *info](HandlerContext& context, Waiting waiting) {
                        auto folder = context.tree.open_folder(node, caller_of(request), waiting);
                        if (!folder) return refuse(request, folder.error(), waiting);
                        fuse_file_info reply = info;
                        reply.fh = context.folders.keep(std::move(*folder));
                        if (fuse_reply_open(request, &reply) != 0) context.folders.drop(reply.fh);
                        return true;
                      });
}

void read_folder(OpenFolder& folder, fuse_req_t request, std::size_t size, off_t offset) {
  std::vector<char> buffer(size);
  std::size_t used = 0;
  std::string name;
  auto read = folder.read(caller_of(request), offset, [&](const FolderEntry& entry) {
    struct stat shown = {};  // of which the kernel is told the number and the type alone
    shown.st_ino = entry.inode;
    shown.st_mode = entry.type;
    name = entry.name;
    const std::size_t needed = fuse_add_direntry(request, buffer.data() + used, size - used,
                                                 name.c_str(), &shown, entry.next);
    if (needed > size - used) return false;
    used += needed;
    return true;
  });
  if (read || used > 0) {
    fuse_reply_buf(request, buffer.data(), used);
  } else {
    fuse_reply_err(request, read.error().value);
  }
}

/// Whether the names of a folder are in memory cannot be told: those of the store's are always read
/// on a worker.
void on_readdir(fuse_req_t request, fuse_ino_t /*node*/, std::size_t size, off_t offset,
                fuse_file_info* info) {
  answer(request, Upcall::kReaddir, [&](HandlerContext& context) {
    OpenFolder& folder = *decltype(HandlerContext::folders)::get(info->fh);
    if (!folder.may_wait()) {
      read_folder(folder, request, size, offset);
      return;
    }
    answer_later(context, request,
                 [&folder, request, size, offset] { read_folder(folder, request, size, offset); });
  });
}

void on_releasedir(fuse_req_t request, fuse_ino_t /*node*/, fuse_file_info* info) {
  answer(request, Upcall::kReleasedir, [&](HandlerContext& context) {
    context.folders.drop(info->fh);
    fuse_reply_err(request, 0);
  });
}

}  // namespace

fuse_lowlevel_ops handlers() {
  fuse_lowlevel_ops ops = {};
  ops.init = on_init;
  ops.lookup = on_lookup;
  ops.forget = on_forget;
  ops.forget_multi = on_forget_multi;
  ops.getattr = on_getattr;
  ops.readlink = on_readlink;
  ops.open = on_open;
  ops.read = on_read;
  ops.release = on_release;
  ops.opendir = on_opendir;
  ops.readdir = on_readdir;
  ops.releasedir = on_releasedir;
  return ops;
}

}  // namespace grantfs
