#include <sys/stat.h>

#include <fstream>

#include "control/record.h"
#include "control_fixture.h"

namespace grantfs {
namespace {

class ControlRecordTest : public ControlTest {
 protected:
  ControlRecordTest() { record_ = {"/var/lib/x/policy.db", "/srv/view", 42, 1.5}; }

  std::string content() const {
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::filesystem::path path_ = directory_.path() / "x.json";
};

TEST_F(ControlRecordTest, LiesBesideTheSocketAndGoesWithIt) {
  {
    auto server = start();
    ASSERT_TRUE(server) << server.error().message;
    EXPECT_EQ(nlohmann::json::parse(content()),
              (nlohmann::json{{"database", "/var/lib/x/policy.db"},
                              {"mountpoint", "/srv/view"},
                              {"pid", 42},
                              {"lease_seconds", 1.5}}));
    struct stat status = {};
    ASSERT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode, S_IFREG | 0640U);
    EXPECT_EQ(status.st_gid, ::getegid());
    const auto record = control::read_record(socket_);
    ASSERT_TRUE(record) << record.error().message;
    EXPECT_EQ(record->database, record_.database);
    EXPECT_EQ(record->mountpoint, record_.mountpoint);
    EXPECT_EQ(record->pid, 42);
    EXPECT_EQ(record->lease_seconds, 1.5);
  }
  std::filesystem::remove(directory_.path() / ".grantfs.lock");  // which stays, for the next one
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST_F(ControlRecordTest, IsNamedAfterTheSocket) {
  EXPECT_EQ(control::record_path("/run/grantfs/a.b.sock"), "/run/grantfs/a.b.json");
  EXPECT_EQ(control::record_path("/run/grantfs/a.ctl"), "/run/grantfs/a.ctl.json");
  EXPECT_EQ(control::record_path("/run/grantfs/a"), "/run/grantfs/a.json");
}

TEST_F(ControlRecordTest, KeepsTheBytesOfADatabasesName) {
  record_.database = "/var/lib/\xff\n/policy.db";
  auto server = start();
  ASSERT_TRUE(server);
  const auto record = control::read_record(socket_);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->database, record_.database);
}

TEST_F(ControlRecordTest, ReplacesWhatTheDeadLeft) {
  for (const std::string left :
       {"", "{\"database\":\"/d\",\"mountpoint\":\"/m\",\"pid\":1,\"lease_seconds\":0}\n"}) {
    std::ofstream(path_) << left;
    std::ofstream(path_.string() + ".new") << "half a rec";
    auto server = start();
    ASSERT_TRUE(server) << server.error().message;
    EXPECT_EQ(control::read_record(socket_)->pid, 42);
    EXPECT_FALSE(std::filesystem::exists(path_.string() + ".new"));
  }
}

TEST_F(ControlRecordTest, LeavesWhatIsNoRecordAlone) {
  std::ofstream(path_) << "{\"precious\":true}";
  auto refused = start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kConflict);
  EXPECT_EQ(content(), "{\"precious\":true}");
  EXPECT_FALSE(std::filesystem::exists(socket_));
}

TEST_F(ControlRecordTest, ADaemonThatIsRefusedLeavesTheRecordOfTheLivingAlone) {
  auto first = start();
  ASSERT_TRUE(first);
  const std::string before = content();
  record_.pid = 43;
  ASSERT_FALSE(start());
  EXPECT_EQ(content(), before);
}

TEST_F(ControlRecordTest, ASuccessorsRecordIsLeftAlone) {
  auto first = start();
  ASSERT_TRUE(first);
  std::filesystem::remove(socket_);
  record_.pid = 43;
  auto second = start();
  ASSERT_TRUE(second);
  first->reset();
  ASSERT_TRUE(control::read_record(socket_));
  EXPECT_EQ(control::read_record(socket_)->pid, 43);
}

TEST_F(ControlRecordTest, WhatMakesNoSenseIsNoRecord) {
  EXPECT_EQ(control::read_record(socket_).error().kind, ErrorKind::kNotFound);
  for (const std::string text :
       {"", "garbage", "[]", "{}", "{\"database\":7}",
        R"({"database":"/d","mountpoint":"/m","pid":1,"lease_seconds":-1})",
        R"({"database":"/d","mountpoint":"/m","pid":1,"lease_seconds":"1"})",
        R"({"database":"/d","mountpoint":"/m","pid":1,"lease_seconds":1e999})",
        R"({"database":"/d","mountpoint":"/m","pid":"1","lease_seconds":1})",
        R"({"database":"/d","database_hex":"2","mountpoint":"/m","pid":1,"lease_seconds":1})"}) {
    std::ofstream(path_) << text;
    const auto record = control::read_record(socket_);
    ASSERT_FALSE(record) << text;
    EXPECT_EQ(record.error().kind, ErrorKind::kNotFound) << text;
  }
  std::filesystem::remove(path_);
  std::filesystem::create_symlink("/etc/passwd", path_);
  EXPECT_EQ(control::read_record(socket_).error().kind, ErrorKind::kNotFound);
}

}  // namespace
}  // namespace grantfs
