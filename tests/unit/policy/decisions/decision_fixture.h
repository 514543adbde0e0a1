#pragma once

#include <memory>
#include <utility>

#include "db/preparer.h"
#include "policy/decisions/decision_database.h"
#include "support/policy_fixture.h"

namespace grantfs {

/// A policy database with a connection that decides, for the tests of what reads through one.
class DecisionTest : public PolicyTest {
 protected:
  DecisionTest() {
    const PolicyOptions options{.database = database_,
                                .clock = [this] { return now_; },
                                .groups = [this](uid_t) { return groups_; }};
    auto files = identify_database(database_);
    EXPECT_TRUE(files);
    auto opened = DecisionDatabase::open(options, files->database);
    EXPECT_TRUE(opened);
    reading_ = std::move(*opened);
  }

  /// What reads through the connection, with its statements prepared.
  template <class Part, class... Arguments>
  std::unique_ptr<Part> part(Arguments&... arguments) {
    db::Preparer prepare(reading_->connection());
    auto made = std::make_unique<Part>(*reading_, arguments..., prepare);
    EXPECT_TRUE(prepare.done());
    return made;
  }

  static Holdings holdings(std::initializer_list<const char*> principals) {
    Holdings found;
    for (const char* text : principals) found.push_back({text, found.size(), true, {}});
    return found;
  }

  std::unique_ptr<DecisionDatabase> reading_;
};

}  // namespace grantfs
