#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "grantfs/principal.h"
#include "grantfs/result.h"
#include "grantfs/store_path.h"
#include "grantfs/timestamp.h"

namespace grantfs {

/// What a grant allows, as the schema spells it.
enum class Rights { kRead, kWrite, kOwn };

/// A row of the policy, as it is imported and exported: an owner, a grant or a membership.
struct PolicyRow {
  enum class Kind { kOwner, kGrant, kMember };
  Kind kind;
  Principal principal;  ///< of a membership: the member
  StorePath path = {};  ///< of an owner or a grant
  std::optional<Principal> group =
      {};                         ///< of a membership, which needs one: what it is a member of
  Rights rights = Rights::kRead;  ///< of a grant
  Expiry expires = {};            ///< of a grant or a membership
  std::int64_t number = 0;        ///< where it stood in what is imported, for messages
};

struct ImportOptions {
  /// What a row's number counts, for messages: "photos.csv line".
  std::string numbered = "row";
  /// Rows of these kinds that are not among those imported are deleted.
  bool replace_owners = false;
  bool replace_grants = false;
  bool replace_members = false;
};

/// What an import did to one table.
struct ImportedTable {
  std::int64_t added = 0;
  std::int64_t changed = 0;  ///< had another owner, other rights or another expiry
  std::int64_t removed = 0;
  std::int64_t unchanged = 0;
};

struct ImportCounts {
  ImportedTable owners;
  ImportedTable grants;
  ImportedTable members;
  /// Whether somebody may have lost access.
  bool may_take_away() const {
    return owners.changed + grants.changed + members.changed + owners.removed + grants.removed +
               members.removed >
           0;
  }
};

/// Hands out the rows to import one after the other; none at the end. An error ends the import.
using PolicyRowSource = std::function<Result<std::optional<PolicyRow>>()>;

}  // namespace grantfs
