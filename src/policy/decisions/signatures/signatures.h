#pragma once

#include "db/preparer.h"
#include "grantfs/policy.h"
#include "policy/decisions/signatures/key_ring.h"

namespace grantfs {

/// Signatures decides on signed URLs. For their bearers no rule of the database counts, only the
/// keys that signed. Reads within the snapshot that its caller began. One thread at a time.
class Signatures {
 public:
  explicit Signatures(db::Preparer& prepare) : keys_(prepare) {}

  /// Forgets the keys, after a commit.
  void clear() { keys_.clear(); }

  Result<Decision> decide(const SignatureBearer& bearer, const StorePath& path, Timestamp now);
  /// The decision on a URI. The path in the store is not the URI, but Decision::file.
  Result<Decision> decide(const Md5Bearer& bearer, const StorePath& uri, Timestamp now);
  Result<Listing> list(const SignatureBearer& bearer, const StorePath& folder, Timestamp now);
  Result<Explanation> explain(const SignatureBearer& bearer, const StorePath& path, Timestamp now);

  /// As Policy::has_expired() and Policy::expired().
  Result<bool> has_expired(const Signature& signature, Timestamp now);
  Result<Decision> expired(const Md5Bearer& bearer, const StorePath& uri, Timestamp now);

 private:
  KeyRing keys_;
};

}  // namespace grantfs
