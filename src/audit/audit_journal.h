#pragma once

#include "audit/destination.h"

namespace grantfs {

/// systemd's journal: each record is the message of an entry with SYSLOG_IDENTIFIER=grantfs-audit.
class AuditJournal final : public AuditDestination {
 public:
  Result<void> write(std::string& lines) override;
};

}  // namespace grantfs
