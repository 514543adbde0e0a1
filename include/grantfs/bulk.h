#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "grantfs/principal.h"
#include "grantfs/result.h"
#include "grantfs/secret.h"
#include "grantfs/store_path.h"
#include "grantfs/timestamp.h"
#include "grantfs/token.h"

namespace grantfs {

/// What a grant allows, as the schema spells it.
enum class Rights { kRead, kWrite, kOwn };

/// The columns of a link that PolicyRow does not have: all but principal, path and expiry.
struct LinkRow {
  TokenHash id;
  std::string address = {};               ///< canonical; empty: not bound to one
  std::optional<std::int64_t> uses = {};  ///< 1 to kMostLinkUses
  std::optional<Timestamp> created = {};  ///< none: that of the row there is, or else now
  std::string label = {};  ///< of check_link_label(); empty: that of the row there is
};

/// The columns of a signing key that PolicyRow does not have: all but the path.
struct KeyRow {
  std::string id;
  std::string format;           ///< "hmac-sha256" or "md5:EXPRESSION"; see grantfs-schema(5)
  std::string uri_prefix = {};  ///< empty: none
  Secret secret = {};
  std::optional<Timestamp> created = {};  ///< none: that of the row there is, or else now
  Expiry retired = {};
};

/// A row of the policy, as it is imported and exported: an owner, a grant, a membership, a link or
/// a signing key.
struct PolicyRow {
  enum class Kind { kOwner, kGrant, kMember, kLink, kKey };
  Kind kind;
  Principal principal;  ///< of a membership: the member; of a key, of no meaning
  StorePath path = {};  ///< of every row but a membership
  std::optional<Principal> group =
      {};                            ///< of a membership, which needs one: what it is a member of
  Rights rights = Rights::kRead;     ///< of a grant
  Expiry expires = {};               ///< of a grant, a membership or a link
  std::optional<LinkRow> link = {};  ///< of a link, which needs one
  std::optional<KeyRow> key = {};    ///< of a signing key, which needs one
  std::int64_t number = 0;           ///< of the line or row in the input, for messages
};

struct ImportOptions {
  /// What a message puts before a row's number: "photos.csv line" makes "photos.csv line 7".
  std::string numbered = "row";
  /// Whether an import of rows of one kind deletes all other rows of that kind: never, if it has at
  /// least one row of that kind, or always.
  enum class Replace { kNo, kIfThereAreAny, kYes };
  Replace owners = Replace::kNo;
  Replace grants = Replace::kNo;
  Replace members = Replace::kNo;
  Replace links = Replace::kNo;
  Replace signing_keys = Replace::kNo;
  /// The import is refused if it would delete more rows than this, or more than this share of the
  /// rows of the kinds that it replaces (0.1 is a tenth). None: any number.
  std::optional<std::int64_t> most_removed = {};
  std::optional<double> largest_share_removed = {};
};

/// What an import did to one table.
struct ImportedTable {
  std::int64_t added = 0;
  std::int64_t changed = 0;  ///< rows that had another owner, other rights, another expiry, ...
  std::int64_t removed = 0;
  std::int64_t unchanged = 0;
};

struct ImportCounts {
  ImportedTable owners;
  ImportedTable grants;
  ImportedTable members;
  ImportedTable links;
  ImportedTable signing_keys;
  /// Whether somebody may have lost access, so that leases must be recalled. New keys count: for
  /// MD5, a key takes over the URIs below its prefix from keys with shorter prefixes.
  bool may_take_away() const {
    std::int64_t rows = signing_keys.added;
    for (const ImportedTable* table : {&owners, &grants, &members, &links, &signing_keys}) {
      rows += table->changed + table->removed;
    }
    return rows > 0;
  }
};

/// Hands out the rows to import one after the other; none at the end. An error ends the import.
using PolicyRowSource = std::function<Result<std::optional<PolicyRow>>()>;

}  // namespace grantfs
