#include "fuse/handlers.h"

#include <fcntl.h>

#include <cerrno>
#include <new>
#include <vector>

namespace grantfs {
namespace {

/// How long the kernel may believe an answer without asking again. Not at all: every lookup and
/// every open is a decision.
constexpr double kAnswerLastsSeconds = 0.0;

HandlerContext& context_of(fuse_req_t request) {
  return *static_cast<HandlerContext*>(fuse_req_userdata(request));
}

/// The fsuid of the caller, in the mount's user namespace.
uid_t caller_of(fuse_req_t request) {
  return fuse_req_ctx(request)->uid;
}

/// Runs a handler's body. Nothing may be thrown into libfuse, which is C: a request that memory
/// does not suffice for is refused.
template <class Body>
void answer(fuse_req_t request, Body body) {
  try {
    body(context_of(request));
  } catch (const std::exception&) {
    fuse_reply_err(request, ENOMEM);
  }
}

void on_init(void* /*userdata*/, fuse_conn_info* connection) {
  // The kernel would accept file handles (open_by_handle_at(2)) that lead past every door.
#if defined(FUSE_CAP_NO_EXPORT_SUPPORT)
  fuse_set_feature_flag(connection, FUSE_CAP_NO_EXPORT_SUPPORT);
#else
  (void)connection;  // this libfuse cannot say so; opening by handle is still decided
#endif
}

void on_lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  answer(request, [&](HandlerContext& context) {
    auto entry = context.tree.lookup(parent, name, caller_of(request));
    if (!entry) {
      fuse_reply_err(request, entry.error().value);
      return;
    }
    fuse_entry_param reply = {};
    reply.ino = entry->node;
    reply.attr = entry->attributes;
    reply.attr_timeout = kAnswerLastsSeconds;
    reply.entry_timeout = kAnswerLastsSeconds;
    // A reply that did not arrive (the caller was interrupted) will not be forgotten either.
    if (fuse_reply_entry(request, &reply) != 0) context.tree.forget(entry->node, 1);
  });
}

void on_forget(fuse_req_t request, fuse_ino_t node, std::uint64_t count) {
  context_of(request).tree.forget(node, count);
  fuse_reply_none(request);
}

void on_forget_multi(fuse_req_t request, std::size_t count, fuse_forget_data* forgets) {
  for (std::size_t i = 0; i < count; ++i) {
    context_of(request).tree.forget(forgets[i].ino, forgets[i].nlookup);
  }
  fuse_reply_none(request);
}

void on_getattr(fuse_req_t request, fuse_ino_t node, fuse_file_info* /*info*/) {
  answer(request, [&](HandlerContext& context) {
    auto attributes = context.tree.attributes(node);
    if (attributes) {
      fuse_reply_attr(request, &*attributes, kAnswerLastsSeconds);
    } else {
      fuse_reply_err(request, attributes.error().value);
    }
  });
}

void on_readlink(fuse_req_t request, fuse_ino_t node) {
  answer(request, [&](HandlerContext& context) {
    auto target = context.tree.read_link(node, caller_of(request));
    if (target) {
      fuse_reply_readlink(request, target->c_str());
    } else {
      fuse_reply_err(request, target.error().value);
    }
  });
}

void on_open(fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
  answer(request, [&](HandlerContext& context) {
    if ((info->flags & O_ACCMODE) != O_RDONLY || (info->flags & O_TRUNC) != 0) {
      fuse_reply_err(request, EROFS);
      return;
    }
    auto file = context.tree.open(node, caller_of(request));
    if (!file) {
      fuse_reply_err(request, file.error().value);
      return;
    }
    info->fh = context.files.keep(std::make_unique<std::shared_ptr<OpenFile>>(std::move(*file)));
    // A reply that did not arrive (the caller was interrupted) brings no release either.
    if (fuse_reply_open(request, info) != 0) context.files.drop(info->fh);
  });
}

void on_read(fuse_req_t request, fuse_ino_t /*node*/, std::size_t size, off_t offset,
             fuse_file_info* info) {
  fuse_bufvec reply = FUSE_BUFVEC_INIT(size);
  reply.buf[0].flags = static_cast<fuse_buf_flags>(FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK);
  reply.buf[0].fd = (*decltype(HandlerContext::files)::get(info->fh))->file.fd.get();
  reply.buf[0].pos = offset;
  fuse_reply_data(request, &reply, static_cast<fuse_buf_copy_flags>(0));
}

void on_release(fuse_req_t request, fuse_ino_t /*node*/, fuse_file_info* info) {
  context_of(request).files.drop(info->fh);
  fuse_reply_err(request, 0);
}

void on_opendir(fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
  answer(request, [&](HandlerContext& context) {
    auto folder = context.tree.open_folder(node, caller_of(request));
    if (!folder) {
      fuse_reply_err(request, folder.error().value);
      return;
    }
    info->fh = context.folders.keep(std::move(*folder));
    if (fuse_reply_open(request, info) != 0) context.folders.drop(info->fh);
  });
}

void on_readdir(fuse_req_t request, fuse_ino_t /*node*/, std::size_t size, off_t offset,
                fuse_file_info* info) {
  answer(request, [&](HandlerContext& /*context*/) {
    std::vector<char> buffer(size);
    std::size_t used = 0;
    std::string name;
    auto read = decltype(HandlerContext::folders)::get(info->fh)->read(
        offset, [&](const FolderEntry& entry) {
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
  });
}

void on_releasedir(fuse_req_t request, fuse_ino_t /*node*/, fuse_file_info* info) {
  context_of(request).folders.drop(info->fh);
  fuse_reply_err(request, 0);
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
