#include "fuse/answering.h"

#include <cerrno>

namespace grantfs {

HandlerContext& context_of(fuse_req_t request) {
  return *static_cast<HandlerContext*>(fuse_req_userdata(request));
}

Caller caller_of(fuse_req_t request) {
  const fuse_ctx* context = fuse_req_ctx(request);
  return {context->uid, context->pid};
}

bool refuse(fuse_req_t request, Errno error, Waiting waiting) {
  if (waiting == Waiting::kRefused && error.value == EWOULDBLOCK) return false;
  fuse_reply_err(request, error.value);
  return true;
}

void refuse_for_memory(HandlerContext& context, fuse_req_t request) {
  fuse_reply_err(request, EACCES);
  context.tree.note_refusal("memory does not suffice for all requests");
}

void refuse_since_late(HandlerContext& context, fuse_req_t request, const char* why) {
  fuse_reply_err(request, EACCES);
  context.tree.note_refusal(why);
}

}  // namespace grantfs
