#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "db/database.h"
#include "grantfs/policy.h"
#include "policy/decisions/key_ring.h"
#include "policy/schema/database_file.h"
#include "policy/source/source.h"

namespace grantfs {

/// One connection and the statements that decide. One thread at a time.
///
/// Every public method reads one snapshot: the newest commit when it began. After an error the
/// reader is of no further use: its owner closes it and opens another.
class Reader {
 public:
  /// Opens the database, which must be `file`, and checks that it is fit to be believed.
  static Result<std::unique_ptr<Reader>> open(const PolicyOptions& options,
                                              DatabaseFiles::File file);

  DatabaseFiles::File file() const { return file_; }

  /// From now on its rules count besides those of the policy database.
  void use_source(std::unique_ptr<Source> source) { source_ = std::move(source); }

  Result<Decision> decide(const Identity& identity, const StorePath& path);
  Result<Door> door(const Identity& identity);
  Result<bool> has_expired(const TokenHash& token);
  Result<bool> has_expired(const Signature& signature);
  Result<Decision> expired(const Md5Bearer& bearer, const StorePath& uri);
  Result<bool> knows_link(const TokenHash& link);
  Result<std::vector<Principal>> principals(const Identity& identity);
  Result<Listing> list(const Identity& identity, const StorePath& folder);
  Result<Explanation> explain(const Identity& identity, const StorePath& path);
  Result<std::array<unsigned char, 16>> inode_key();
  Result<std::vector<std::string>> query_plans();
  /// As Policy::source_advice().
  Result<std::vector<std::string>> source_advice();

 private:
  /// A principal that an identity turned out to be, and how.
  struct Holding {
    std::string principal;
    std::size_t via;   ///< index of the member that this one follows from; its own for a seed
    bool live = true;  ///< false if an expired membership lies on the way
    Expiry until;      ///< when the first of the session and memberships on the way ends
  };
  using Holdings = std::vector<Holding>;
  enum class Expired { kIgnore, kFollow };

  /// Statements, all of them index seeks; see reader.cc for the SQL.
  struct Statements {
    db::Statement version;
    db::Statement session;
    db::Statement link;
    db::Statement parents;
    db::Statement owner_at;  ///< whoever it is: for explanations alone
    db::Statement grant_at;
    db::Statement rules_at;
    db::Statement next_owned;
    db::Statement next_granted;
  };

  Reader(PolicyOptions options, DatabaseFiles::File file, db::Connection connection,
         Statements statements, KeyRing keys);

  /// Begins the read that the snapshot lasts for, and checks the schema if anything was committed
  /// since the last time.
  struct Snapshot {
    db::Rows policy;
    std::optional<db::Rows> source;
  };
  Result<Snapshot> snapshot();
  /// The same for what may take so many times longer than a decision.
  Result<Snapshot> snapshot(int patience);
  /// Is what was committed still of our schema, with our tables?
  Result<void> check_fit();
  /// decide(), within a snapshot.
  Result<Decision> decide_at(const Identity& identity, const StorePath& path, Timestamp now);
  /// What the rules say, whatever the identity is.
  Result<Decision> by_rules(const Holdings& holdings, const StorePath& path, Timestamp now);
  /// The same through a link: what it is on, and the folder that holds that.
  Result<Decision> by_link(const Explanation::Link& link, const Holdings& holdings,
                           const StorePath& path, Timestamp now);
  /// What signatures say: no rule of the database counts for their bearers.
  Result<Decision> by_signature(const SignatureBearer& bearer, const StorePath& path,
                                Timestamp now);
  Result<Decision> by_md5(const Md5Bearer& bearer, const StorePath& uri, Timestamp now);
  Result<Listing> list_signed(const SignatureBearer& bearer, const StorePath& folder,
                              Timestamp now);
  Result<Explanation> explain_signature(const SignatureBearer& bearer, const StorePath& path,
                                        Timestamp now);
  /// Everything the identity counts as at `now`; empty if the identity itself is void. `why`, if
  /// given, is told of the identity's session or link.
  Result<Holdings> holdings(const Identity& identity, Timestamp now, Expired expired,
                            Explanation* why = nullptr);
  /// The principal that a token stands for, with the token's own expiry.
  struct Bearer {
    Principal principal;
    Expiry until;
  };
  /// None if the token stands for nobody, now and from there.
  Result<std::optional<Bearer>> bearer_of(const Identity& identity, Timestamp now,
                                          Explanation* why);
  Result<std::optional<Explanation::Session>> find_session(const TokenHash& id);
  Result<std::optional<Explanation::Link>> find_link(const TokenHash& id);
  /// A rule on the path or a folder above it, as a decision; none if there is none. For each of
  /// those and each principal one statement, whatever others have there.
  Result<std::optional<Decision>> covered(const Holdings& holdings, const StorePath& path,
                                          Timestamp now);
  /// A rule below the path, as a decision; none if there is none.
  Result<std::optional<Decision>> passage(const Holdings& holdings, const StorePath& path,
                                          Timestamp now);
  /// Whose session the source says it is, if it is one.
  Result<std::optional<Explanation::Session>> session_by_source(const SessionBearer& bearer);
  Result<std::vector<Rule>> rules_at(const Holding& holding, std::string_view path, Timestamp now);

  /// What was decided on the snapshot that data_version stands for. Only of identities that the
  /// database alone decides about: a system user's groups are the system's.
  class Remembered {
   public:
    void clear() {
      holdings_.clear();
      decisions_.clear();
    }
    /// Null if there is none that counts at `now`.
    const Holdings* holdings(const std::string& who, Timestamp now) const;
    const Decision* decision(const std::string& who_and_where, Timestamp now) const;
    void keep(const std::string& who, const Holdings& holdings, Timestamp now);
    void keep(const std::string& who_and_where, const Decision& decision, Timestamp now);

   private:
    static constexpr std::size_t kMostKept = 8192;
    template <class T>
    struct At {
      T value;
      Timestamp since;  ///< before that, what has expired by then was alive
      Expiry until;
    };
    template <class T>
    using Table = std::unordered_map<std::string, At<T>>;
    template <class T>
    static const T* find(const Table<T>& table, const std::string& key, Timestamp now);
    template <class T>
    static void keep(Table<T>& table, const std::string& key, At<T> value);

    Table<Holdings> holdings_;
    Table<Decision> decisions_;
  };

  /// Under which name what an identity is and may is remembered; empty: not at all.
  std::string memory_name(const Identity& identity) const;
  /// What was decided before, if that counts at `now`. `who` is the identity's memory_name().
  const Decision* recall(const std::string& who, const StorePath& path, Timestamp now) const;
  /// Reads what holdings() remembers.
  Result<Holdings> find_holdings(const Identity& identity, Timestamp now, Expired expired,
                                 Explanation* why);

  PolicyOptions options_;
  Remembered remembered_;
  DatabaseFiles::File file_;
  std::int64_t checked_version_ = -1;  ///< data_version at which the schema was last checked
  std::int64_t checked_cookie_ = -1;   ///< schema_version at which the tables were last checked
  /// Of what is remembered: the newest commit when the last snapshot was about to begin.
  std::optional<db::CommitStamp> remembered_commit_;
  db::Connection connection_;  // before the statements, which must go first
  Statements statements_;
  KeyRing keys_;
  std::unique_ptr<Source> source_;  ///< null: none
};

}  // namespace grantfs
