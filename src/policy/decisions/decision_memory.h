#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>

#include "grantfs/identity.h"
#include "grantfs/policy.h"
#include "policy/decisions/holding.h"

namespace grantfs {

/// What was decided on one commit, and what identities counted as. Its owner clears it when
/// another commit is read. An answer counts from the time it was found at, since what has expired
/// by then was alive before, until the first expiry that it rests on. One thread at a time.
class DecisionMemory {
 public:
  /// Of each kind; the next answer makes all of the kind be forgotten.
  static constexpr std::size_t kMostKept = 8192;

  /// Under which name answers about an identity are kept; empty: not at all. Only identities that
  /// the database alone decides about have one: a system user's groups are the system's.
  static std::string name_of(const Identity& identity);

  /// The answer that counts at `now`, by the name of who asks; null if there is none.
  const Holdings* holdings(const std::string& who, Timestamp now) const;
  /// The same; whoever may read a folder may read what is in it, by the same rule.
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

  /// Under which a decision is kept: about whom, and where.
  static std::string key_of(const std::string& who, std::string_view path);
  template <class T>
  static const T* find(const Table<T>& table, const std::string& key, Timestamp now);
  template <class T>
  static void insert(Table<T>& table, const std::string& key, At<T> value);

  Table<Holdings> holdings_;
  Table<Decision> decisions_;
};

}  // namespace grantfs
