#pragma once

#include <fmt/core.h>

#include <array>
#include <cstdlib>
#include <initializer_list>
#include <random>
#include <string>
#include <vector>

#include "support/policy_fixture.h"

namespace grantfs {

/// A policy database that is changed at random, in every way that an application could. The seed is
/// printed, and can be given by GRANTFS_SEED.
class RandomPolicyTest : public PolicyTest {
 protected:
  RandomPolicyTest() {
    const char* given = std::getenv("GRANTFS_SEED");
    seed_ = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
    fmt::print("seed {} (repeat with GRANTFS_SEED={})\n", seed_, seed_);
    random_.seed(seed_);
    sql("PRAGMA synchronous = OFF");
  }

  template <class Choices>
  const auto& pick(const Choices& choices) {
    return choices[std::uniform_int_distribution<std::size_t>(0, choices.size() - 1)(random_)];
  }
  std::string pick(std::initializer_list<const char*> choices) {
    return pick(std::vector<const char*>(choices));
  }

  std::string any_path() { return pick({"'.'", "'a'", "'a/b'", "'a/b/c'", "'a/d'", "'e'"}); }
  std::string any_principal() {
    return pick({"'user:a'", "'user:b'", "'group:g'", "'group:h'", "'uid:7'", "'public'"});
  }
  std::string any_group() { return pick({"'group:g'", "'group:h'"}); }
  std::string any_expiry() {
    return pick(std::vector<std::string>{"NULL", "NULL", std::to_string(kNow),
                                         std::to_string(kNow + 1), std::to_string(kNow + 9)});
  }
  std::string any_id() { return pick({"NULL", "NULL", "1", "2", "3", "4"}); }
  std::string any_rights() { return pick({"'read'", "'write'", "'own'"}); }
  std::string any_token() { return "'" + pick(tokens_).hex() + "'"; }
  std::string any_address() { return pick({"NULL", "NULL", "'::1'"}); }

  /// Any way there is to change a table.
  std::string any_change() {
    const std::string insert =
        pick({"INSERT INTO", "INSERT OR REPLACE INTO", "REPLACE INTO", "INSERT OR IGNORE INTO"});
    const std::string update = pick({"UPDATE", "UPDATE OR REPLACE", "UPDATE OR IGNORE"});
    switch (std::uniform_int_distribution(0, 18)(random_)) {
      case 0:
      case 1:
        return fmt::format("{} owners (path, principal) VALUES ({}, {})", insert, any_path(),
                           any_principal());
      case 2:
        return fmt::format(
            "INSERT INTO owners (path, principal) VALUES ({}, {})"
            " ON CONFLICT DO UPDATE SET principal = excluded.principal",
            any_path(), any_principal());
      case 3:
        return fmt::format("{} owners SET path = {}, principal = {} WHERE path = {}", update,
                           any_path(), any_principal(), any_path());
      case 4:
        return fmt::format("DELETE FROM owners WHERE path = {}", any_path());
      case 5:
      case 6:
        return fmt::format(
            "{} grants (id, principal, path, rights, expires) VALUES ({}, {}, {}, {}, {})", insert,
            any_id(), any_principal(), any_path(), any_rights(), any_expiry());
      case 7:
        return fmt::format(
            "INSERT INTO grants (principal, path, expires) VALUES ({}, {}, {})"
            " ON CONFLICT DO UPDATE SET expires = excluded.expires",
            any_principal(), any_path(), any_expiry());
      case 8:
        return fmt::format(
            "{} grants SET id = coalesce({}, id), path = {}, rights = {}, expires = {}"
            " WHERE principal = {}",
            update, any_id(), any_path(), any_rights(), any_expiry(), any_principal());
      case 9:
        return fmt::format("DELETE FROM grants WHERE path = {}", any_path());
      case 10:
        return fmt::format("{} members (id, member, parent, expires) VALUES ({}, {}, {}, {})",
                           insert, any_id(), any_principal(), any_group(), any_expiry());
      case 11:
        return fmt::format(
            "{} members SET id = coalesce({}, id), {} = {}, expires = {} WHERE id = {}", update,
            any_id(), pick({"member", "parent"}), any_group(), any_expiry(), any_id());
      case 12:
        return fmt::format("DELETE FROM members WHERE member = {}", any_principal());
      case 13:
        return fmt::format("{} sessions (id, principal, expires, address) VALUES ({}, {}, {}, {})",
                           insert, any_token(), any_principal(), any_expiry(), any_address());
      case 14:
        return fmt::format(
            "{} sessions SET id = {}, principal = {}, expires = {}, address = {} WHERE id = {}",
            update, any_token(), any_principal(), any_expiry(), any_address(), any_token());
      case 15:
        return fmt::format(
            "{} links (id, principal, path, expires, address) VALUES ({}, {}, {}, {}, {})", insert,
            any_token(), any_principal(), any_path(), any_expiry(), any_address());
      case 16:
        return fmt::format(
            "{} links SET id = {}, principal = {}, path = {}, expires = {}, address = {}"
            " WHERE id = {}",
            update, any_token(), any_principal(), any_path(), any_expiry(), any_address(),
            any_token());
      case 17:
        return fmt::format("DELETE FROM links WHERE id = {}", any_token());
      default:
        return fmt::format("DELETE FROM sessions WHERE id = {}", any_token());
    }
  }

  struct Commit {
    std::string statements;  ///< those that took effect
    bool refused = false;    ///< a constraint refused one of them, which then counts for nothing
  };

  /// Runs some statements in one transaction.
  Commit commit(const std::vector<std::string>& statements) {
    Commit done;
    sql("BEGIN");
    for (const std::string& statement : statements) {
      if (writer_->execute(statement.c_str())) {
        done.statements += statement + "\n";
      } else {
        done.refused = true;
      }
    }
    sql(std::bernoulli_distribution(0.05)(random_) ? "ROLLBACK" : "COMMIT");
    return done;
  }

  static constexpr std::array kTokens{"0123456789abcdef", "0123456789abcdeg", "0123456789abcdeh"};

  std::uint64_t seed_ = 0;
  std::mt19937_64 random_;
  const std::vector<TokenHash> tokens_{TokenHash::of(kTokens[0]), TokenHash::of(kTokens[1]),
                                       TokenHash::of(kTokens[2])};
};

}  // namespace grantfs
