#pragma once

#include <fuse_lowlevel.h>

#include <exception>
#include <utility>

#include "base/errno.h"
#include "fuse/handler_context.h"
#include "fuse/uncancelled.h"
#include "nodes/caller.h"
#include "store/store_workers.h"
#include "store/waiting.h"

namespace grantfs {

// How handlers answer: at once, or on a worker where they would have to wait for the store.

HandlerContext& context_of(fuse_req_t request);
Caller caller_of(fuse_req_t request);

/// Notes that the store has answered a request that could wait for it. Call it before the reply.
inline void note_answer(HandlerContext& context, Waiting waiting) {
  if (waiting == Waiting::kAllowed) context.workers.note_answer();
}
/// Replies with an error. False, without a reply, if the request has to wait for the store.
bool refuse(fuse_req_t request, Errno error, Waiting waiting);
/// Refuses a request for lack of memory.
void refuse_for_memory(HandlerContext& context, fuse_req_t request);
/// Refuses a request because what it waits for hangs.
void refuse_since_late(HandlerContext& context, fuse_req_t request, const char* why);

/// Runs a handler's body, and refuses the request if the body throws for lack of memory. Nothing
/// may be thrown into libfuse, which is C.
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

/// Runs a body on one of these workers, after the handler has returned. If they hang, the request
/// is refused for the reason `late`, a literal.
template <class Body>
void answer_by(StoreWorkers& workers, const char* late, HandlerContext& context, fuse_req_t request,
               Body body) {
  const bool taken =
      workers.submit([&context, request, late, body = std::move(body)](StoreWorkers::Turn turn) {
        if (turn == StoreWorkers::Turn::kNeverComes) {
          refuse_since_late(context, request, late);
          return;
        }
        try {
          body();
        } catch (const std::exception&) {
          refuse_for_memory(context, request);
        }
      });
  if (!taken) refuse_since_late(context, request, late);
}

/// Runs a body on a worker that may wait for the store.
template <class Body>
void answer_later(HandlerContext& context, fuse_req_t request, Body body) {
  answer_by(context.workers, "the store does not answer", context, request, std::move(body));
}

/// Runs a handler's body with Waiting::kRefused. If the body returns false, it has not replied:
/// then a copy of it, and of all that it holds, runs on a worker with Waiting::kAllowed.
template <class Body>
void answer_now_or_later(fuse_req_t request, Upcall kind, Body body) {
  answer(request, kind, [&](HandlerContext& context) {
    if (body(context, Waiting::kRefused)) return;
    answer_later(context, request, [&context, body] { body(context, Waiting::kAllowed); });
  });
}

}  // namespace grantfs
