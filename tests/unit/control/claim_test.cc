// Claims of uses of links: what a daemon asks of its follower, and what it makes of the answer.

#include "control/claim.h"

#include <chrono>
#include <fstream>

#include "control_fixture.h"
#include "daemon/claimed_uses.h"

namespace grantfs {
namespace {

using control::ClaimedUse;
using nlohmann::json;

const LinkClient kVisitor{TokenHash::of("0123456789abcdef"), "192.0.2.1"};

class ClaimTest : public ControlTest {
 protected:
  ClaimTest() {
    std::ofstream(database_) << "";
    folder_.emplace(*control::RecordFolder::make(database_, ::getegid()));
    socket_ = folder_->path() / control::kFollowerSocket;
  }

  void answer(const json& request, const ControlReply& reply) override {
    asked_ = request;
    ++times_asked_;
    if (silent_) {
      kept_ = reply;
    } else {
      reply(answer_);
    }
  }

  Result<std::optional<LinkUse>> count() {
    return uses_.count(kVisitor, 3, std::chrono::seconds(600));
  }

  std::optional<control::RecordFolder> folder_;
  json answer_;
  json asked_;
  std::atomic<int> times_asked_{0};
  std::atomic<bool> silent_{false};
  ControlReply kept_;
  Timestamp now_{std::chrono::seconds{1'000'000}};
  ClaimedUses uses_{database_, [this] { return now_; }};
};

TEST_F(ClaimTest, AUseHasTheAgeThatItHasUpstream) {
  const auto server = start();
  answer_ = control::claim_answer(ClaimedUse{2, 17});
  const auto use = count();
  ASSERT_TRUE(use && *use);
  EXPECT_EQ((*use)->used, 2);
  EXPECT_EQ((*use)->began, now_ - std::chrono::seconds{17});
  const auto claim = control::read_claim(asked_);
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->link, kVisitor.link);
  EXPECT_EQ(claim->client, kVisitor.client);
  EXPECT_EQ(claim->window_seconds, 600);
}

TEST_F(ClaimTest, WhereThereAreNoMoreUsesThereIsNone) {
  const auto server = start();
  answer_ = control::claim_answer(std::nullopt);
  const auto use = count();
  ASSERT_TRUE(use);
  EXPECT_FALSE(*use);
}

TEST_F(ClaimTest, AnAnswerThatMakesNoSenseIsAnError) {
  const auto server = start();
  for (const char* text :
       {R"({})", R"({"used":-1,"age_seconds":0})", R"({"used":1})",
        R"({"used":1,"age_seconds":-1})", R"({"used":"1","age_seconds":0})",
        R"({"used":1.5,"age_seconds":0})", R"({"ok":false,"error":"not connected"})"}) {
    answer_ = json::parse(text);
    EXPECT_FALSE(count()) << text;
  }
}

TEST_F(ClaimTest, WithoutAFollowerItIsAnErrorThatSaysSo) {
  auto use = count();
  ASSERT_FALSE(use);
  EXPECT_NE(use.error().message.find("the follower does not run"), std::string::npos);
  std::filesystem::remove_all(folder_->path());
  EXPECT_FALSE(count());
}

TEST_F(ClaimTest, AFollowerThatIsSilentIsWaitedForOnce) {
  const auto server = start();
  silent_ = true;
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_FALSE(count());
  EXPECT_FALSE(count());
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 2 * control::kClaimTime);
  EXPECT_EQ(times_asked_, 1);
}

TEST(ClaimRequest, ThatMakesNoSenseIsRefused) {
  const json good{{"link", kVisitor.link.hex()}, {"client", "2001:db8::/64"}, {"window", 86400}};
  EXPECT_TRUE(control::read_claim(good));
  const std::vector<std::pair<const char*, json>> bad{{"link", "x"},
                                                      {"link", std::string(64, 'g')},
                                                      {"link", 7},
                                                      {"client", "x"},
                                                      {"client", "1'"},
                                                      {"client", std::string("1\0", 2)},
                                                      {"client", std::string(65, '1')},
                                                      {"client", nullptr},
                                                      {"window", 0},
                                                      {"window", -1},
                                                      {"window", 86401},
                                                      {"window", "600"},
                                                      {"window", 1.5},
                                                      {"window", 18'446'744'073'709'551'615U}};
  for (const auto& [key, value] : bad) {
    json claim = good;
    claim[key] = value;
    EXPECT_FALSE(control::read_claim(claim)) << key << value;
    claim.erase(key);
    EXPECT_FALSE(control::read_claim(claim)) << key;
  }
}

}  // namespace
}  // namespace grantfs
