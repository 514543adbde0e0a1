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

  /// The name under which answers about an identity are kept. Valid as long as the identity is.
  struct Name {
    enum class Kind : char { kNone, kSession, kLink, kSignature, kPrincipal };
    Kind kind = Kind::kNone;  ///< kNone: they are not kept
    std::string_view id{};
    std::string from{};  ///< the address that it comes from; empty: not known
    friend bool operator==(const Name&, const Name&) = default;
    explicit operator bool() const { return kind != Kind::kNone; }
  };
  /// Only identities that the database alone decides about have a name: a system user's groups are
  /// the system's. Allocates nothing where no address is known.
  static Name name_of(const Identity& identity);

  /// The answer that counts at `now`; null if there is none. Allocates nothing, like the next.
  const Holdings* holdings(const Name& who, Timestamp now) const;
  /// The decision on a path that counts at `now`. An identity that may read a folder may read all
  /// that is in it, by the same rule.
  const Decision* decision(const Name& who, const StorePath& path, Timestamp now) const;

  void keep(const Name& who, const Holdings& holdings, Timestamp now);
  /// Keeps a decision on the path of this text. With kRead it is one on everything below, too.
  void keep(const Name& who, std::string_view path, const Decision& decision, Timestamp now);

  void clear();

 private:
  template <class T>
  struct At {
    T value;
    Timestamp since;
    Expiry until;
  };
  /// What an answer is about.
  struct Question {
    Name::Kind kind;
    std::string_view id;
    std::string_view from;
    std::string_view path;
    friend bool operator==(const Question&, const Question&) = default;
  };
  static Question about(const Name& who, std::string_view path) {
    return {who.kind, who.id, who.from, path};
  }
  struct Key {
    explicit Key(const Question& question)
        : kind(question.kind), id(question.id), from(question.from), path(question.path) {}
    // NOLINTNEXTLINE(google-explicit-constructor): a key is found as the question that it is of
    operator Question() const { return {kind, id, from, path}; }

    Name::Kind kind;
    std::string id;
    std::string from;
    std::string path;
  };
  /// Of keys and of questions, so that no key is made to find one.
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const Question& question) const;
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const Question& a, const Question& b) const { return a == b; }
  };
  template <class T>
  using Table = std::unordered_map<Key, At<T>, Hash, Equal>;

  template <class T>
  static const T* find(const Table<T>& table, const Question& question, Timestamp now);
  template <class T>
  static void insert(Table<T>& table, const Question& question, At<T> value);

  Table<Holdings> holdings_;
  Table<Decision> decisions_;
};

}  // namespace grantfs
