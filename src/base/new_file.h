#pragma once

#include <filesystem>
#include <string>
#include <system_error>

#include "base/unique_fd.h"

namespace grantfs {

/// A file with mode 0600 beside the one that is wanted, whose place it takes when it is whole; gone
/// with this otherwise, and with it what SQLite had beside it.
class NewFile {
 public:
  explicit NewFile(const std::filesystem::path& wanted);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  /// Why there is none; none of it otherwise.
  std::error_code trouble() const { return trouble_; }
  const std::string& path() const { return path_; }
  /// Open for reading and writing, until close().
  const UniqueFd& fd() const { return fd_; }
  /// For whoever opens it by its path, such as SQLite, whose locks closing it later would drop.
  void close() { fd_.reset(); }

  /// Puts it in the place of the wanted one, and both it and its name on the disk. If the last of
  /// that fails, it is in that place all the same.
  std::error_code keep();

 private:
  const std::filesystem::path wanted_;
  std::string path_;
  UniqueFd fd_;
  std::error_code trouble_;
  bool is_ours_ = false;
};

}  // namespace grantfs
