#include <sys/stat.h>

#include <string>
#include <vector>

#include "fuse/answering.h"
#include "fuse/handlers.h"

namespace grantfs {
namespace {

void on_opendir(fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
  answer_now_or_later(request, Upcall::kOpendir,
                      [request, node, info = *info](HandlerContext& context, Waiting waiting) {
                        auto folder = context.tree.open_folder(node, caller_of(request), waiting);
                        note_answer(context, waiting);
                        if (!folder) return refuse(request, folder.error(), waiting);
                        fuse_file_info reply = info;
                        reply.fh = context.folders.keep(std::move(*folder));
                        if (fuse_reply_open(request, &reply) != 0) context.folders.drop(reply.fh);
                        return true;
                      });
}

void read_folder(HandlerContext& context, OpenFolder& folder, fuse_req_t request, std::size_t size,
                 off_t offset, Waiting waiting) {
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
  note_answer(context, waiting);
  if (read || used > 0) {
    fuse_reply_buf(request, buffer.data(), used);
  } else {
    fuse_reply_err(request, read.error().value);
  }
}

/// Reads the names of a folder of the store on a worker, because nothing tells whether they are in
/// memory.
void on_readdir(fuse_req_t request, fuse_ino_t /*node*/, std::size_t size, off_t offset,
                fuse_file_info* info) {
  answer(request, Upcall::kReaddir, [&](HandlerContext& context) {
    OpenFolder& folder = *decltype(HandlerContext::folders)::get(info->fh);
    if (!folder.may_wait()) {
      read_folder(context, folder, request, size, offset, Waiting::kRefused);
      return;
    }
    answer_later(context, request, [&context, &folder, request, size, offset] {
      read_folder(context, folder, request, size, offset, Waiting::kAllowed);
    });
  });
}

void on_releasedir(fuse_req_t request, fuse_ino_t /*node*/, fuse_file_info* info) {
  answer(request, Upcall::kReleasedir, [&](HandlerContext& context) {
    context.folders.drop(info->fh);
    fuse_reply_err(request, 0);
  });
}

}  // namespace

void add_folder_handlers(fuse_lowlevel_ops& operations) {
  operations.opendir = on_opendir;
  operations.readdir = on_readdir;
  operations.releasedir = on_releasedir;
}

}  // namespace grantfs
