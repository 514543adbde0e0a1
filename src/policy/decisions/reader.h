#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "db/preparer.h"
#include "grantfs/policy.h"
#include "policy/decisions/decision_database.h"
#include "policy/decisions/decision_memory.h"
#include "policy/decisions/explainer.h"
#include "policy/decisions/identities/identities.h"
#include "policy/decisions/listings.h"
#include "policy/decisions/rules.h"
#include "policy/decisions/signatures/signatures.h"

namespace grantfs {

/// A reader answers the questions of Policy by one connection, each question from one snapshot. It
/// asks the types for identities, rules, signatures, listings and explanations, and remembers
/// decisions until the next commit. One thread at a time.
///
/// After an error the reader is of no further use: its owner closes it and opens another.
class Reader {
 public:
  /// Opens the database, which must be `file`, and checks that it is fit to be believed.
  static Result<std::unique_ptr<Reader>> open(const PolicyOptions& options,
                                              DatabaseFiles::File file);

  DatabaseFiles::File file() const { return database_->file(); }

  /// Adds the source: from now on its rules count besides those of the policy database.
  void use_source(std::unique_ptr<Source> source) { database_->use_source(std::move(source)); }

  // As Policy's methods of these names.
  Result<Decision> decide(const Identity& identity, const StorePath& path);
  Result<ViewRoot> view_root(const Identity& identity);
  Result<bool> has_expired(const TokenHash& token);
  Result<bool> has_expired(const Signature& signature);
  Result<Decision> expired(const Md5Bearer& bearer, const StorePath& uri);
  Result<bool> knows_link(const TokenHash& link);
  Result<std::vector<Principal>> count_as(const Principal& principal, std::size_t most);
  Result<Listing> list(const Identity& identity, const StorePath& folder);
  Result<Explanation> explain(const Identity& identity, const StorePath& path);
  Result<std::array<unsigned char, 16>> inode_key();
  Result<std::string> copy_of() { return database_->copy_of(); }
  Result<std::vector<std::string>> query_plans();
  Result<std::vector<std::string>> source_advice();

 private:
  Reader(std::unique_ptr<DecisionDatabase> database, db::Preparer& prepare);

  /// Begins a snapshot, and forgets what was read before if something was committed since.
  Result<DecisionDatabase::Snapshot> snapshot(int patience = 1);
  /// decide(), within a snapshot.
  Result<Decision> decide_at(const Identity& identity, const StorePath& path, Timestamp now);
  /// All principals that the identity counts as at `now`, remembered or found now. Never null;
  /// valid until the next call.
  Result<const Holdings*> holdings(const Identity& identity, Timestamp now);
  /// The name under which answers about the identity are remembered, if they are.
  DecisionMemory::Name memory_name(const Identity& identity) const;
  /// The path under which a decision on `path` is remembered: as high as it counts. A rule counts
  /// from its path on, but for a bearer who may see no more than a path of `least` bytes.
  static std::string_view known_at(const StorePath& path, const Decision& decision,
                                   std::size_t least = 0);

  std::unique_ptr<DecisionDatabase> database_;  // before what has statements, which must go first
  DecisionMemory memory_;
  Holdings found_;  ///< by holdings(), the last time that they were not remembered
  Identities identities_;
  Rules rules_;
  Listings listings_;
  Explainer explainer_;
  Signatures signatures_;
};

}  // namespace grantfs
