#include "fuse/handlers.h"

#include "fuse/handler_context.h"
#include "fuse/negotiation.h"

namespace grantfs {
namespace {

void on_init(void* userdata, fuse_conn_info* info) {
  auto& context = *static_cast<HandlerContext*>(userdata);
  context.connection = negotiate(info, context.options);
  context.passthrough = context.connection.passthrough;
  if (!context.asks_at_open && context.connection.epochs && context.connection.refuses_stacking) {
    context.tree.lend_steadily();
  }
}

}  // namespace

fuse_lowlevel_ops handlers() {
  fuse_lowlevel_ops operations = {};
  operations.init = on_init;
  add_name_handlers(operations);
  add_file_handlers(operations);
  add_folder_handlers(operations);
  return operations;
}

}  // namespace grantfs
