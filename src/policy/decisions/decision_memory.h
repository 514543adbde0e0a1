#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>

#include "grantfs/identity.h"
#include "grantfs/policy.h"
#include "policy/decisions/identities/holding.h"

namespace grantfs {

/// The decisions made on one commit, and the principals that identities were found to be. The owner
/// clears the memory when another commit is read. An answer counts from the time at which it was
/// found until the first expiry that it rests on; before that time, rules that have expired since
/// were alive. One thread at a time.
class DecisionMemory {
 public:
  /// The most answers of each kind. One more answer empties the memory of that kind.
  static constexpr std::size_t kMostKept = 8192;

  /// The name under which answers about an identity are kept; empty: they are not kept. Only
  /// identities that the database alone decides about have one: a system user's groups are the
  /// system's.
  static std::string name_of(const Identity& identity);

  /// The answer that counts at `now`, by the name of the identity; null if there is none.
  const Holdings* holdings(const std::string& who, Timestamp now) const;
  /// The decision on a path that counts at `now`. An identity that may read a folder may read all
  /// that is in it, by the same rule.
  const Decision* decision(const std::string& who, const StorePath& path, Timestamp now) const;

  void keep(const std::string& who, const Holdings& holdings, Timestamp now);
  void keep(const std::string& who, const StorePath& path, const Decision& decision, Timestamp now);

  void clear();

 private:
  template <class T>
  struct At {
    T value;
    Timestamp since;
    Expiry until;
  };
  template <class T>
  using Table = std::unordered_map<std::string, At<T>>;

  /// The key of a decision: the identity's name and the path.
  static std::string key_of(const std::string& who, std::string_view path);
  template <class T>
  static const T* find(const Table<T>& table, const std::string& key, Timestamp now);
  template <class T>
  static void insert(Table<T>& table, const std::string& key, At<T> value);

  Table<Holdings> holdings_;
  Table<Decision> decisions_;
};

}  // namespace grantfs
