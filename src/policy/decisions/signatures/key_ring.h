#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/preparer.h"
#include "db/rows.h"
#include "db/statement.h"
#include "grantfs/decision.h"
#include "grantfs/signature.h"
#include "grantfs/store_path.h"
#include "grantfs/timestamp.h"

namespace grantfs {

/// The `format` of a key that makes our own signatures; any other is kMd5Format and an expression.
inline constexpr std::string_view kHmacFormat = "hmac-sha256";
inline constexpr std::string_view kMd5Format = "md5:";

/// The path that a genuine signature opens, and its end: its own expiry, or the key's retirement if
/// that is sooner. The end may have passed already.
struct Signed {
  StorePath path;
  Timestamp until;
  /// Of an MD5, how many bytes of the URI, without its leading slash, were signed: all of them, or
  /// a folder's.
  std::size_t uri_bytes = 0;
  RuleHash key{};  ///< of the path that the key may sign for
};

/// The signing keys of one connection, kept from one commit to the next. One thread at a time.
class KeyRing {
 public:
  /// Makes an empty ring. It is of no use if the statements could not be prepared.
  explicit KeyRing(db::Preparer& prepare);
  /// The statements that must be index seeks.
  static std::vector<std::string_view> statements();

  /// Forgets and wipes every key, because the database may have others by now.
  void clear();

  /// What a signature opens. None unless a key made the signature, for a path that the key may sign
  /// for. Costs one seek the first time, and a MAC. The address that a signature may be bound to is
  /// not looked at.
  Result<std::optional<Signed>> verify(const Signature& signature);

  /// None unless a key made this MD5 for the URI (with its leading slash). Of all prefixes that the
  /// URI lies below, the longest decides alone, whatever has become of its keys: a URI has one
  /// place in the store. If several keys of that prefix made the MD5, the one that lasts longest
  /// counts; none if they lead to different places. `address` stands for $remote_addr: without it,
  /// no key counts whose expression has $remote_addr. Costs an MD5 for each key of the prefix,
  /// whether one fits or not. A key that signs folders costs one for each folder below the prefix,
  /// and may sign the first kMaxSignedFolders of them.
  Result<std::optional<Signed>> verify(const Md5Mark& mark, std::string_view uri,
                                       const std::optional<std::string>& address);
  /// Whether there is any key that makes such MD5s.
  Result<bool> has_md5_keys();

 private:
  struct Key {
    StorePath path;
    Secret secret;
    Expiry retired;
    std::string uri_prefix;
    std::optional<Md5Expression> expression;  ///< none: a key for our own signatures
  };

  /// Keys for MD5 by the prefix of the URIs that they sign, without the slash at its end. A prefix
  /// may have no key that could be used, and decides all the same.
  using Prefixes = std::map<std::string, std::vector<Key>, std::less<>>;

  /// How much of the URI the key signed with this MD5; none: nothing of it.
  static std::optional<std::size_t> signed_bytes(const Key& key, const Md5Mark& mark,
                                                 std::string_view uri, const std::string& address);
  /// None if it is no key that could be used.
  static std::optional<Key> key_in(const db::Rows& rows);
  Result<const Prefixes*> md5_prefixes();
  /// The keys of the longest prefix that the URI lies below; null: there is none.
  static const std::vector<Key>* keys_for(const Prefixes& prefixes, std::string_view uri);

  db::Statement by_id_;
  db::Statement all_;
  std::map<std::string, Key, std::less<>> hmac_;
  std::optional<Prefixes> md5_;  ///< none: not read yet
};

}  // namespace grantfs
