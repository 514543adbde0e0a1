#include "views/doors.h"

#include <algorithm>
#include <set>
#include <variant>

#include "nodes/inode_numbers.h"
#include "support/policy_fixture.h"
#include "views/every_door.h"

namespace grantfs {
namespace {

class DoorsTest : public PolicyTest {
 protected:
  using Views = std::optional<std::vector<std::string>>;

  Doors make(const Views& views = {}, std::optional<gid_t> by_user_group = 7) {
    return Doors({.policy = *policy_,
                  .store = store_,
                  .judge = judge_,
                  .processes = processes_,
                  .refusals = refusals_,
                  .server_group = 33,
                  .by_user_group = by_user_group},
                 views);
  }
  static std::vector<std::string_view> names_at_root(const Doors& doors) {
    std::vector<std::string_view> names;
    for (const Door* door : doors.at_root()) names.push_back(door->traits().name);
    return names;
  }
  /// The view that the last name leads to; none if one on the way is refused, or it is no view.
  std::optional<View> view_at(const Doors& doors, const Way& names) {
    const Door* door = &doors.root();
    Way way;
    for (const std::string& name : names) {
      auto opening = door->open({name, kCaller, way});
      if (!opening) return std::nullopt;
      if (const auto* entrance = std::get_if<Entrance>(&*opening)) return entrance->view;
      if (std::holds_alternative<Marker>(*opening)) return std::nullopt;
      door = std::get<const Door*>(*opening);
      way.push_back(name);
    }
    return std::nullopt;
  }

  static constexpr Caller kCaller{1001};
  static constexpr FileIdKey kKey{7};
  Store store_ = std::move(*Store::open(directory_.path(), kKey));
  Judge judge_{*policy_, nullptr, {}};
  BoundProcesses processes_;
  Refusals refusals_;
};

TEST_F(DoorsTest, TheRootHasTheViewsThatAreAskedForInTheOrderOfTheTable) {
  EXPECT_EQ(names_at_root(make()), Doors::all_views());
  EXPECT_EQ(names_at_root(make(Views({"public", "me", "by-uid"}), std::nullopt)),
            (std::vector<std::string_view>{"me", "by-uid", "public"}));
  EXPECT_EQ(names_at_root(make(Views(std::vector<std::string>{}))),
            std::vector<std::string_view>{"by-user"});
}

TEST_F(DoorsTest, NumbersAreTheirOwn) {
  const Doors doors = make();
  std::set<std::uint64_t> inodes{9};  // a marker's
  std::set<const Door*> seen;
  const auto see = [&](const Door& door) {
    if (!seen.insert(&door).second) return;
    EXPECT_EQ(&doors[door.number()], &door);
    const std::uint64_t inode = door.traits().inode;
    EXPECT_LE(inode, InodeNumbers::kLastFixed);
    const bool is_view = std::holds_alternative<Entrance>(door.at_its_name());
    const bool is_new = is_view || inodes.insert(inode).second;
    EXPECT_TRUE(is_new) << door.traits().name;
  };
  see(doors.root());
  for (const Door* door : doors.at_root()) see(*door);
}

TEST_F(DoorsTest, WhatIsNotAskedForIsNowhere) {
  const Doors doors = make(Views({"from", "expired", "by-session"}));
  EXPECT_TRUE(view_at(doors, {"from", "192.0.2.1", "by-session", "token"}));
  EXPECT_FALSE(view_at(doors, {"from", "192.0.2.1", "by-link", "token"}));
  EXPECT_FALSE(view_at(doors, {"expired", "by-md5", "1700000000", "AAAAAAAAAAAAAAAAAAAAAA"}));
}

TEST_F(DoorsTest, AnIdentityComesFromTheAddressThatTheWayNames) {
  const Doors doors = make();
  const auto bearer = [&](const Way& names) {
    return std::get<SessionBearer>(view_at(doors, names)->identity);
  };
  EXPECT_FALSE(bearer({"by-session", "token"}).from);
  const auto from = bearer({"from", "192.0.2.1", "by-session", "token"}).from;
  EXPECT_EQ(from, Address::parse("192.0.2.1").value());
  EXPECT_FALSE(view_at(doors, {"from", "192.0.2.1", "from", "192.0.2.2", "by-session", "token"}));
  EXPECT_FALSE(view_at(doors, {"from", "192.0.2.1", "by-uid", "1001"}));
}

TEST_F(DoorsTest, ViewsDifferByTheirLabelsAndNoLabelTellsAToken) {
  const Doors doors = make();
  const std::string md5 = "AAAAAAAAAAAAAAAAAAAAAA";
  std::set<std::string> labels;
  for (const Way& names :
       std::initializer_list<Way>{{"public"},
                                  {"by-uid", "1001"},
                                  {"by-session", "token"},
                                  {"from", "192.0.2.1", "by-session", "token"},
                                  {"from", "192.0.2.2", "by-session", "token"},
                                  {"by-link", "token"},
                                  {"from", "192.0.2.1", "by-link", "token"},
                                  {"by-user", "alice"},
                                  {"by-md5", "1700000000", md5},
                                  {"by-md5", "1700000001", md5},
                                  {"expired", "by-md5", "1700000000", md5},
                                  {"from", "192.0.2.1", "expired", "by-md5", "1700000000", md5}}) {
    const auto view = view_at(doors, names);
    ASSERT_TRUE(view) << names.back();
    EXPECT_TRUE(labels.insert(view->label).second) << view->label;
    EXPECT_EQ(view->label.find("token"), std::string::npos);
  }
}

TEST_F(DoorsTest, OnlyServersViewsAreLentAndOnlyThoseBehindTheirDoorShareFiles) {
  const Doors doors = make();
  const auto traits = [&](const Way& names) { return view_at(doors, names)->traits; };
  EXPECT_FALSE(traits({"by-uid", "1001"}).may_be_lent);
  EXPECT_FALSE(traits({"expired", "by-md5", "1700000000", "AAAAAAAAAAAAAAAAAAAAAA"}).may_be_lent);
  EXPECT_TRUE(traits({"public"}).may_be_lent);
  EXPECT_FALSE(traits({"public"}).shares_files);
  EXPECT_TRUE(traits({"by-session", "token"}).shares_files);
  EXPECT_FALSE(traits({"by-user", "alice"}).shares_files);  // another group passes that door
}

}  // namespace
}  // namespace grantfs
