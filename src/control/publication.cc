#include "control/publication.h"

#include <sys/stat.h>

namespace grantfs {

Result<std::unique_ptr<Publication>> Publication::publish(const std::filesystem::path& database,
                                                          gid_t group, const DaemonRecord& record,
                                                          ControlHandler handler) {
  auto folder = control::RecordFolder::make(database, group);
  if (!folder) return folder.error();
  std::string id = control::new_record_id();
  // The record first: a socket alone would stay behind if we were killed now.
  auto own = control::OwnRecord::write(*folder, id, record, group);
  if (!own) return own.error();
  auto listener = control::Listener::bind_new(folder->short_path(control::socket_name(id)), group);
  if (!listener) return listener.error();
  auto server = ControlServer::start(std::move(*listener), std::move(handler));
  if (!server) return server.error();
  std::unique_ptr<Publication> publication(
      new Publication(database, std::move(id), std::move(*folder), std::move(*own)));
  publication->server_ = std::move(*server);
  return publication;
}

Publication::~Publication() = default;

bool Publication::stands() const {
  struct stat status = {};
  const auto socket = control::record_folder(database_) / control::socket_name(id_);
  return record_->stands(database_) && ::lstat(socket.c_str(), &status) == 0;
}

}  // namespace grantfs
