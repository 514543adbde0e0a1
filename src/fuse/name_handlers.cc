#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <exception>
#include <string>
#include <string_view>

#include "fuse/answering.h"
#include "fuse/handlers.h"

namespace grantfs {
namespace {

void forget(HandlerContext& context, fuse_ino_t node, std::uint64_t count) {
  const Uncancelled guard;
  try {
    if (context.tree.forget(node, count)) context.backings.drop(node);
  } catch (const std::exception&) {
    return;  // what is not forgotten costs memory, and nothing else
  }
}

/// What a lookup has to wait for before it can be answered.
enum class Awaited { kNothing, kStore, kUse };

/// Looks a name up and replies, unless the lookup has to wait.
Awaited look_up(HandlerContext& context, fuse_req_t request, fuse_ino_t parent,
                std::string_view name, Waiting waiting) {
  auto entry = context.tree.lookup(parent, name, caller_of(request), waiting);
  note_answer(context, waiting);
  if (!entry && waiting == Waiting::kRefused && entry.error().value == EINPROGRESS) {
    return Awaited::kUse;
  }
  if (!entry) {
    return refuse(request, entry.error(), waiting) ? Awaited::kNothing : Awaited::kStore;
  }
  fuse_entry_param reply = {};
  reply.ino = entry->node;
  reply.attr = entry->attributes;
  reply.entry_timeout = context.timeout(entry->lent_for);
  reply.attr_timeout = context.timeout(std::max(entry->lent_for, entry->attributes_lent_for));
  if (fuse_reply_entry(request, &reply) == 0) {
    context.tree.sent(parent, *entry);
  } else {
    // It did not arrive (the caller was interrupted), and will not be forgotten either.
    forget(context, entry->node, 1);
  }
  return Awaited::kNothing;
}

/// Looks a name up once the store has answered. A link that nobody has a use of is closed.
void look_up_later(HandlerContext& context, fuse_req_t request, fuse_ino_t parent,
                   const std::string& name) {
  answer_later(context, request, [&context, request, parent, name] {
    look_up(context, request, parent, name, Waiting::kAllowed);
  });
}

/// Begins a use of a link, and then looks its door up.
void look_up_with_use(HandlerContext& context, fuse_req_t request, fuse_ino_t parent,
                      const std::string& name) {
  answer_by(context.use_workers, "uses of links are not counted in time", context, request,
            [&context, request, parent, name] {
              context.tree.begin_use(parent, name, caller_of(request));
              if (look_up(context, request, parent, name, Waiting::kRefused) == Awaited::kNothing) {
                return;
              }
              look_up_later(context, request, parent, name);
            });
}

/// The kernel resolves "." and ".." by itself. It asks for them only to find the node of a file
/// handle again, when a process opens by handle without walking a path.
bool is_of_a_handle(std::string_view name) {
  return name == "." || name == "..";
}

void on_lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  answer(request, Upcall::kLookup, [&](HandlerContext& context) {
    if (is_of_a_handle(name)) {
      fuse_reply_err(request, ESTALE);
      return;
    }
    switch (look_up(context, request, parent, name, Waiting::kRefused)) {
      case Awaited::kNothing:
        return;
      case Awaited::kStore:
        return look_up_later(context, request, parent, name);
      case Awaited::kUse:
        return look_up_with_use(context, request, parent, name);
    }
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
        note_answer(context, waiting);
        if (!attributes) return refuse(request, attributes.error(), waiting);
        fuse_reply_attr(request, &attributes->shown, context.timeout(attributes->lent_for));
        context.tree.sent(node, *attributes);
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

/// STATFS fails for all but root where the kernel cannot refuse stacking and opens what is lent
/// without asking. A file system that is stacked on a folder needs it: overlayfs does not mount
/// without an answer (ovl_check_namelen() in fs/overlayfs/super.c).
bool may_ask_for_statfs(const HandlerContext& context, const Caller& caller) {
  return context.asks_at_open || context.connection.refuses_stacking || caller.uid == 0;
}

/// Tells nothing: neither free space nor the number of files.
void on_statfs(fuse_req_t request, fuse_ino_t /*node*/) {
  const Uncancelled guard;
  if (!may_ask_for_statfs(context_of(request), caller_of(request))) {
    fuse_reply_err(request, EACCES);
    return;
  }
  constexpr unsigned long kBlockBytes = 512;  // as libfuse says for whoever has no such handler
  struct statvfs status = {};
  status.f_bsize = kBlockBytes;
  status.f_namemax = NAME_MAX;
  fuse_reply_statfs(request, &status);
}

}  // namespace

void add_name_handlers(fuse_lowlevel_ops& operations) {
  operations.lookup = on_lookup;
  operations.forget = on_forget;
  operations.forget_multi = on_forget_multi;
  operations.getattr = on_getattr;
  operations.readlink = on_readlink;
  operations.statfs = on_statfs;
}

}  // namespace grantfs
