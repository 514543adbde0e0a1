#pragma once

#include "grantfs/policy.h"
#include "policy/decisions/decision_database.h"
#include "policy/decisions/holding.h"
#include "policy/decisions/rules.h"

namespace grantfs {

/// What may be seen in a folder by the rules. Reads within the snapshot that its caller began. One
/// thread at a time.
class Listings {
 public:
  /// Both must outlive it.
  Listings(DecisionDatabase& database, Rules& rules) : database_(database), rules_(rules) {}

  /// What those may see who count as `holdings`, which must not be empty. At most two seeks for
  /// each name, principal and table, however many rules lie below the name.
  Result<Listing> list(const Holdings& holdings, const StorePath& folder, Timestamp now);
  /// The same through a link: in the folder that holds what the link is on, that name alone.
  Result<Listing> list_by_link(const Explanation::Link& link, const Holdings& holdings,
                               const StorePath& folder, Timestamp now);

 private:
  /// Names below one folder, collected from rules.
  class Names;

  DecisionDatabase& database_;
  Rules& rules_;
};

}  // namespace grantfs
