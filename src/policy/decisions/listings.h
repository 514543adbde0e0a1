#pragma once

#include "grantfs/policy.h"
#include "policy/decisions/decision_database.h"
#include "policy/decisions/identities/holding.h"
#include "policy/decisions/rules.h"

namespace grantfs {

/// Listings says which names the rules let an identity see in a folder. Reads within the snapshot
/// that its caller began. One thread at a time.
class Listings {
 public:
  /// Both must outlive it.
  Listings(DecisionDatabase& database, Rules& rules) : database_(database), rules_(rules) {}

  /// The names that an identity with these `holdings`, which must not be empty, may see. At most
  /// two seeks for each name, principal and table, however many rules lie below the name.
  Result<Listing> list(const Holdings& holdings, const StorePath& folder, Timestamp now);
  /// The names that a link lets its bearer see. In the folder that holds the link's file or folder,
  /// this is one name.
  Result<Listing> list_by_link(const Explanation::Link& link, const Holdings& holdings,
                               const StorePath& folder, Timestamp now);

 private:
  /// Names below one folder, collected from rules.
  class Names;

  DecisionDatabase& database_;
  Rules& rules_;
};

}  // namespace grantfs
