// What the policy says of signatures: their keys, their paths, their times.

#include <gtest/gtest.h>

#include "support/at.h"
#include "support/policy_fixture.h"

namespace grantfs {
namespace {

constexpr std::string_view kKeysSecret = "0123456789abcdefghijklmnopqrstuv";

class SignedPolicyTest : public PolicyTest {
 protected:
  SignedPolicyTest() {
    sql("INSERT INTO signing_keys (id, format, path, secret) VALUES"
        " ('k1', 'hmac-sha256', 'up', CAST('0123456789abcdefghijklmnopqrstuv' AS BLOB))");
    sql("INSERT INTO signing_keys (id, format, uri_prefix, path, secret) VALUES"
        " ('m1', 'md5:$secure_link_expires$uri$remote_addr $secret', '/s/', 'up', x'736563726574'),"
        " ('m2', 'md5:$secure_link_expires$uri $secret', '/s/', 'up', x'736563726574')");
  }

  Identity signature(const std::string& of, std::int64_t expires = kNow + 100,
                     const std::string& address = "", const std::string& from = "",
                     std::string_view secret = kKeysSecret) {
    auto token = sign({"k1", at(expires), address, path(of)}, secret);
    EXPECT_TRUE(token);
    SignatureBearer bearer{std::move(*Signature::parse(token->view()))};
    if (!from.empty()) bearer.from = *Address::parse(from);
    return bearer;
  }

  Identity md5(const std::string& uri, std::int64_t expires = kNow + 100,
               const std::string& address = "", const std::string& secret = "secret") {
    const auto expression = Md5Expression::parse(Md5Expression::kDocumented);
    Md5Bearer bearer{{{at(expires)}, *expression->digest({at(expires)}, uri, address, secret)}};
    if (!address.empty()) bearer.from = *Address::parse(address);
    return bearer;
  }
};

TEST_F(SignedPolicyTest, ASignatureIsForItsPathAndWhatIsBelow) {
  const Identity one = signature("up/a");
  for (int again = 0; again < 2; ++again) {  // from memory, too
    EXPECT_EQ(decide(one, "up/a"), Access::kRead);
    EXPECT_EQ(decide(one, "up/a/b/c"), Access::kRead);
    EXPECT_EQ(decide(one, "up"), Access::kPassage);
    for (const char* other : {"", "up/b", "up/ab", "up/a.", "other", "a"}) {
      EXPECT_EQ(decide(one, other), Access::kNone) << other;
    }
  }
  EXPECT_EQ(policy_->view_root(one)->root, path("up"));
  EXPECT_EQ(policy_->decide(one, path("up/a"))->until, at(kNow + 100));
  auto listing = policy_->list(one, path("up"));
  ASSERT_EQ(listing->names.size(), 1U);
  EXPECT_EQ(listing->names[0].name, "a");
  EXPECT_EQ(policy_->list(one, path("up/a"))->access, Access::kRead);
  EXPECT_FALSE(policy_->view_root(one)->principal);
}

TEST_F(SignedPolicyTest, WhatAKeyMayNotSignForIsClosed) {
  for (const char* of : {"", "other", "upper", "u"}) {
    EXPECT_EQ(decide(signature(of), of), Access::kClosed) << of;
  }
  EXPECT_EQ(decide(signature("up"), "up"), Access::kRead);
  EXPECT_EQ(decide(signature("up", kNow + 100, "", "", std::string(32, 'x')), "up"),
            Access::kClosed);
}

TEST_F(SignedPolicyTest, NoRuleOfTheDatabaseCountsForASignature) {
  sql("INSERT INTO grants (principal, path) VALUES ('public', 'other'), ('public', 'up/b')");
  EXPECT_EQ(decide(signature("up/a"), "other"), Access::kNone);
  EXPECT_EQ(decide(signature("up/a"), "up/b"), Access::kNone);
}

TEST_F(SignedPolicyTest, ASignatureEndsWithItsTimeAndWithItsKey) {
  EXPECT_EQ(decide(signature("up/a", kNow), "up/a"), Access::kClosed);
  const Identity one = signature("up/a", kNow + 1);
  EXPECT_EQ(decide(one, "up/a"), Access::kRead);
  now_ += std::chrono::seconds(1);
  EXPECT_EQ(decide(one, "up/a"), Access::kClosed);

  const Identity other = signature("up/a", kNow + 100);
  sql("UPDATE signing_keys SET retired = 2000000050 WHERE id = 'k1'");
  EXPECT_EQ(policy_->decide(other, path("up/a"))->until, at(kNow + 50));
  now_ = at(kNow + 50);
  EXPECT_EQ(decide(other, "up/a"), Access::kClosed);
  EXPECT_TRUE(*policy_->has_expired(std::get<SignatureBearer>(other).signature));
  now_ = at(kNow + 49);
  EXPECT_EQ(decide(other, "up/a"), Access::kRead);
  EXPECT_FALSE(*policy_->has_expired(std::get<SignatureBearer>(other).signature));
  sql("DELETE FROM signing_keys WHERE id = 'k1'");
  EXPECT_EQ(decide(other, "up/a"), Access::kClosed);
  EXPECT_FALSE(*policy_->has_expired(std::get<SignatureBearer>(other).signature));
}

TEST_F(SignedPolicyTest, AnAddressCountsOnlyWhereTheServerSaysIt) {
  EXPECT_EQ(decide(signature("up", kNow + 9, "192.0.2.0/24", "192.0.2.7"), "up"), Access::kRead);
  EXPECT_EQ(decide(signature("up", kNow + 9, "192.0.2.0/24", "192.0.3.7"), "up"), Access::kClosed);
  EXPECT_EQ(decide(signature("up", kNow + 9, "192.0.2.0/24"), "up"), Access::kClosed);
  EXPECT_EQ(decide(signature("up", kNow + 9, "", "192.0.2.7"), "up"), Access::kRead);
  EXPECT_EQ(decide(signature("up", kNow + 9, "0/0/0", "192.0.2.7"), "up"), Access::kClosed);
}

TEST_F(SignedPolicyTest, AnMd5IsForOneUriAlone) {
  const Identity one = md5("/s/a/b", kNow + 100, "192.0.2.7");
  auto decision = policy_->decide(one, path("s/a/b"));
  EXPECT_EQ(decision->access, Access::kRead);
  EXPECT_EQ(decision->file, path("up/a/b"));
  EXPECT_EQ(decision->until, at(kNow + 100));
  for (const char* other : {"", "s", "s/a", "s/a/b/c", "s/a/c", "up/a/b", "a/b"}) {
    auto none = policy_->decide(one, path(other));
    EXPECT_EQ(none->access, Access::kNone) << other;
    EXPECT_FALSE(none->file) << other;
    EXPECT_EQ(none->until, at(kNow + 100)) << other;
  }
  EXPECT_EQ(decide(md5("/s/a/b", kNow), "s/a/b"), Access::kClosed);
  EXPECT_EQ(decide(md5("/s/a/b", kNow + 1, "192.0.2.7", "other"), "s/a/b"), Access::kNone);
}

TEST_F(SignedPolicyTest, AnMd5WithoutAnAddressDoesNotCountWhereOneIsPartOfIt) {
  // m1 with an empty address and m2 make the same of it: only m2 must count.
  const Identity one = md5("/s/a");
  EXPECT_EQ(decide(one, "s/a"), Access::kRead);
  sql("DELETE FROM signing_keys WHERE id = 'm2'");
  EXPECT_EQ(decide(one, "s/a"), Access::kNone);
}

TEST_F(SignedPolicyTest, AFolderSignedIsForWhatIsInItAndForNoFolderTooDeepToBeTried) {
  sql("INSERT INTO signing_keys (id, format, uri_prefix, path, secret) VALUES"
      " ('f1', 'md5:$arg_e$folder $secret', '/f/', 'up', x'736563726574')");
  const auto expression = Md5Expression::parse("$arg_e$folder $secret");
  const auto of_folder = [&](const std::string& folder) {
    const Md5Expires until{at(kNow + 100)};
    return Identity(Md5Bearer{{until, *expression->digest(until, folder, "", "secret")}});
  };
  EXPECT_EQ(decide(of_folder("/f/a"), "f/a/b/c"), Access::kRead);
  EXPECT_EQ(policy_->decide(of_folder("/f/a"), path("f/a/b/c"))->file, path("up/a/b/c"));
  EXPECT_EQ(policy_->decide(of_folder("/f/a"), path("f/a/b/c"))->rule_path_bytes, 3U);
  EXPECT_EQ(decide(of_folder("/f"), "f/a/b/c"), Access::kRead);
  for (const char* other : {"f/a", "f/ab/c", "f", "f/b/c", "s/a/b", "a/b"}) {
    EXPECT_EQ(decide(of_folder("/f/a"), other), Access::kNone) << other;
  }
  for (const char* folder : {"", "/", "/f/a/", "/f/a/b/c", "/f/", "f/a", "/f/a/b/"}) {
    EXPECT_EQ(decide(of_folder(folder), "f/a/b/c"), Access::kNone) << folder;
  }
  std::string deepest = "/f";
  for (std::size_t i = 1; i < kMaxSignedFolders; ++i) deepest += "/x";
  EXPECT_EQ(decide(of_folder(deepest), deepest.substr(1) + "/y/z"), Access::kRead);
  EXPECT_EQ(decide(of_folder(deepest + "/x"), deepest.substr(1) + "/x/z"), Access::kNone);
}

TEST_F(SignedPolicyTest, AnMd5EndsWithItsTimeAndWithItsKey) {
  const Identity one = md5("/s/a", kNow + 10);
  const auto& bearer = std::get<Md5Bearer>(one);
  EXPECT_EQ(policy_->expired(bearer, path("s/a"))->access, Access::kClosed);
  now_ = at(kNow + 10);
  EXPECT_EQ(decide(one, "s/a"), Access::kClosed);
  EXPECT_EQ(policy_->expired(bearer, path("s/a"))->access, Access::kRead);
  EXPECT_EQ(policy_->expired(bearer, path("s/b"))->access, Access::kClosed);
  now_ = at(kNow);
  sql("UPDATE signing_keys SET retired = 2000000000 WHERE id = 'm2'");
  EXPECT_EQ(decide(one, "s/a"), Access::kNone);
}

TEST_F(SignedPolicyTest, AKeyThatIsNoKeyMakesNothingAndDisturbsNoOther) {
  sql("PRAGMA ignore_check_constraints = ON;"
      "INSERT INTO signing_keys (id, format, uri_prefix, path, secret) VALUES"
      " ('a', 'md5:$uri', '/s/', 'up', x'61'), ('b', 'md5:$secure_link_expires$uri$secret', 's/',"
      " 'up', x'61'), ('c', 'sha1', NULL, 'up', x'61'), ('d', 'md5:', '/', 'up', x'61'),"
      " ('e', 'md5:$secure_link_expires$uri$secret', '/s/', '../up', x'61')");
  EXPECT_EQ(decide(md5("/s/a"), "s/a"), Access::kRead);
  EXPECT_EQ(decide(signature("up"), "up"), Access::kRead);
}

TEST_F(SignedPolicyTest, CheckSaysWhatIsWrong) {
  auto good = policy_->explain(signature("up/a"), path("up/a"));
  EXPECT_EQ(good->access, Access::kRead);
  EXPECT_TRUE(good->signature->is_genuine);
  auto forged = policy_->explain(signature("other"), path("other"));
  EXPECT_EQ(forged->access, Access::kClosed);
  EXPECT_FALSE(forged->signature->is_genuine);
  auto expired = policy_->explain(signature("up/a", kNow - 1), path("up/a"));
  EXPECT_EQ(expired->access, Access::kClosed);
  EXPECT_TRUE(expired->signature->is_genuine);
  EXPECT_EQ(expired->signature->until, at(kNow - 1));
}

/// Two keys of one secret, the prefix of one beginning with the other's; and what feeds on them.
class NestedPrefixes : public SignedPolicyTest {
 protected:
  NestedPrefixes() {
    sql("DELETE FROM signing_keys");
    add("outer", "/s/", "up");
    add("within", "/s/vip/", "vip");
  }

  void add(const std::string& id, const std::string& prefix, const std::string& of,
           const std::string& secret = "x'736563726574'") {
    sql("INSERT INTO signing_keys (id, format, uri_prefix, path, secret) VALUES ('" + id +
        "', 'md5:$secure_link_expires$uri $secret', '" + prefix + "', '" + of + "', " + secret +
        ")");
  }

  /// Where in the store the URI leads, signed with the one secret; "-": nowhere.
  std::string file_of(const std::string& uri, const std::string& secret = "secret") {
    auto decision =
        policy_->decide(md5(uri, kNow + 100, "", secret), StorePath::parse(uri.substr(1)).value());
    EXPECT_TRUE(decision);
    return decision->access == Access::kRead ? decision->file->text() : "-";
  }
};

TEST_F(NestedPrefixes, TheKeyWithTheLongestPrefixDecidesAlone) {
  EXPECT_EQ(file_of("/s/a"), "up/a");
  EXPECT_EQ(file_of("/s/vip"), "up/vip");
  EXPECT_EQ(file_of("/s/vipa/b"), "up/vipa/b");
  EXPECT_EQ(file_of("/s/vip/a"), "vip/a");
  sql("DELETE FROM signing_keys");
  add("within", "/s/vip", "vip");  // whatever the order, and the slash at the end
  add("outer", "/s", "up");
  add("root", "/", ".");
  EXPECT_EQ(file_of("/s/vip/a"), "vip/a");
  EXPECT_EQ(file_of("/s/a"), "up/a");
  EXPECT_EQ(file_of("/a"), "a");
}

TEST_F(NestedPrefixes, AUrlOfTheShorterPrefixEndsWhereTheLongerBegins) {
  sql("UPDATE signing_keys SET secret = x'6f74686572' WHERE id = 'within'");
  EXPECT_EQ(file_of("/s/vip/a"), "-");
  EXPECT_EQ(file_of("/s/vip/a", "other"), "vip/a");
  EXPECT_EQ(file_of("/s/a"), "up/a");
}

TEST_F(NestedPrefixes, ARetiredKeyKeepsItsPrefixAndARemovedOneGivesItBack) {
  const Identity one = md5("/s/vip/a");
  sql("UPDATE signing_keys SET retired = 2000000000 WHERE id = 'within'");
  EXPECT_EQ(file_of("/s/vip/a"), "-");
  EXPECT_EQ(policy_->expired(std::get<Md5Bearer>(one), path("s/vip/a"))->access, Access::kRead);
  EXPECT_EQ(policy_->expired(std::get<Md5Bearer>(md5("/s/a")), path("s/a"))->access,
            Access::kClosed);
  add("renewed", "/s/vip", "vip");
  EXPECT_EQ(file_of("/s/vip/a"), "vip/a");
  EXPECT_EQ(policy_->expired(std::get<Md5Bearer>(one), path("s/vip/a"))->access, Access::kClosed);
  sql("DELETE FROM signing_keys WHERE path = 'vip'");
  EXPECT_EQ(file_of("/s/vip/a"), "up/vip/a");
}

TEST_F(NestedPrefixes, AKeyThatMakesNothingKeepsItsPrefix) {
  for (const char* wrong : {"format = 'md5:$uri'",
                            "format = 'md5:$uri$remote_addr$secret"
                            "$secure_link_expires'",
                            "path = '../up'"}) {
    sql(std::string("PRAGMA ignore_check_constraints = ON; UPDATE signing_keys SET ") + wrong +
        " WHERE id = 'within'");
    EXPECT_EQ(file_of("/s/vip/a"), "-") << wrong;
    EXPECT_EQ(file_of("/s/a"), "up/a") << wrong;
  }
}

TEST_F(NestedPrefixes, APathTooLongForTheLongerPrefixIsNotTheShorters) {
  sql("UPDATE signing_keys SET path = '" + std::string(StorePath::kMaxBytes - 3, 'x') +
      "' WHERE id = 'within'");
  EXPECT_EQ(file_of("/s/vip/abcdef"), "-");
}

TEST_F(NestedPrefixes, TwoKeysThatLeadOneUrlToTwoPlacesLeadNowhere) {
  add("twin", "/s/vip", "elsewhere");
  EXPECT_EQ(file_of("/s/vip/a"), "-");
  sql("UPDATE signing_keys SET retired = 1 WHERE id = 'twin'");
  EXPECT_EQ(file_of("/s/vip/a"), "-");
  sql("UPDATE signing_keys SET secret = x'78' WHERE id = 'twin'");
  EXPECT_EQ(file_of("/s/vip/a"), "vip/a");
}

TEST_F(NestedPrefixes, WhateverLeadsAUriElsewhereIsALossOfEverything) {
  EXPECT_TRUE(policy_->losses());
  const std::vector<std::pair<const char*, bool>> changes{
      {"UPDATE signing_keys SET retired = 5 WHERE id = 'within'", false},
      {"DELETE FROM signing_keys WHERE id = 'within'", true},
      {"INSERT INTO signing_keys (id, format, uri_prefix, path, secret) VALUES"
       " ('new', 'md5:x', '/s/vip', 'vip', x'61')",
       true},
      {"INSERT INTO signing_keys (id, format, uri_prefix, path, secret) VALUES"
       " ('same', 'md5:x', '/s', 'up', x'62')",
       false},
      {"INSERT INTO signing_keys (id, format, uri_prefix, path, secret) VALUES"
       " ('twin', 'md5:x', '/s/vip/', 'v', x'62')",
       true},
      {"INSERT INTO signing_keys (id, format, uri_prefix, path, secret) VALUES"
       " ('beside', 'md5:x', '/t/', 'v', x'62'), ('above', 'md5:x', '/', 'v', x'62')",
       false},
      {"UPDATE signing_keys SET path = 'w' WHERE id = 'beside'", true},
      {"UPDATE signing_keys SET created = 7", false},
  };
  for (const auto& [change, everything] : changes) {
    sql(change);
    EXPECT_EQ(policy_->losses()->unexplained, everything) << change;
  }
  // One that was there in between only has lent, too.
  sql("DELETE FROM signing_keys WHERE id NOT IN ('outer')");
  EXPECT_TRUE(policy_->losses());
  add("brief", "/s/vip/", "vip");
  sql("DELETE FROM signing_keys WHERE id = 'brief'");
  EXPECT_TRUE(policy_->losses()->unexplained);
}

}  // namespace
}  // namespace grantfs
