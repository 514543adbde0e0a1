#include "control/publication.h"

#include <sys/stat.h>
#include <unistd.h>

#include <new>

namespace grantfs {

Result<std::unique_ptr<Publication>> Publication::publish(const std::filesystem::path& database,
                                                          gid_t group, const DaemonRecord& record,
                                                          ControlHandler handler) {
  auto folder = control::RecordFolder::make(database, group);
  if (!folder) return folder.error();
  std::string id = control::new_record_id();
  // The record comes before the socket: if a signal killed the daemon between the two, a socket
  // without a record would stay behind for ever.
  auto own = control::OwnRecord::write(*folder, id, record, group);
  if (!own) return own.error();
  auto listener = control::Listener::bind_new(folder->short_path(control::socket_name(id)), group);
  if (!listener) return listener.error();
  auto server = ControlServer::start(std::move(*listener), std::move(handler));
  if (!server) return server.error();
  std::unique_ptr<Publication> publication(new Publication(database, record.control, std::move(id),
                                                           std::move(*folder), std::move(*own)));
  publication->server_ = std::move(*server);
  return publication;
}

std::filesystem::path Publication::record_path() const {
  return control::record_folder(database_) / control::record_name(id_);
}

void Publication::link_from_control() {
  if (control_.empty()) return;
  std::filesystem::path control = control_;
  control.replace_extension(".json");
  const auto record = record_path();
  // Only a symbolic link is replaced: a killed daemon may have left one.
  std::error_code ignored;
  if (std::filesystem::is_symlink(control, ignored)) ::unlink(control.c_str());
  if (::symlink(record.c_str(), control.c_str()) == 0) link_ = std::move(control);
}

Publication::~Publication() {
  try {
    std::error_code ignored;
    // Another daemon may have been given this control socket's path meanwhile; its link stays.
    if (std::filesystem::read_symlink(link_, ignored) == record_path()) ::unlink(link_.c_str());
  } catch (const std::bad_alloc&) {
    return;  // a link that leads nowhere stays; the next daemon replaces it
  }
}

bool Publication::stands() const {
  struct stat status = {};
  const auto socket = control::record_folder(database_) / control::socket_name(id_);
  return record_->stands(database_) && ::lstat(socket.c_str(), &status) == 0;
}

}  // namespace grantfs
