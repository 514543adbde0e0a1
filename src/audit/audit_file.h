#pragma once

#include <filesystem>
#include <memory>

#include "audit/destination.h"
#include "base/unique_fd.h"

namespace grantfs {

/// A file that records are appended to, a line each. If the file is renamed or removed, the next
/// write makes a new one (logrotate).
class AuditFile final : public AuditDestination {
 public:
  /// Opens or makes it, with mode 0640. `path` is absolute. kInvalid if it is no regular file, or
  /// if others than root and this user could write to it or put another in its place; kSystem
  /// if the system refuses.
  static Result<std::unique_ptr<AuditFile>> open(std::filesystem::path path);

  Result<void> write(std::string& lines) override;
  void reopen() override { file_.reset(); }
  Result<void> sync() override;

 private:
  explicit AuditFile(std::filesystem::path path) : path_(std::move(path)) {}
  Result<void> open();
  /// Whether the path still leads to the open file.
  bool is_there() const;
  Error failed(const char* what) const;

  const std::filesystem::path path_;
  UniqueFd file_;
  std::size_t begun_ = 0;  ///< how many bytes of the first line are in the file already
};

}  // namespace grantfs
