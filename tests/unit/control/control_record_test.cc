#include "control/record.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "control/publication.h"
#include "control/search.h"
#include "control_fixture.h"

namespace grantfs {
namespace {

class RecordTest : public testing::Test {
 protected:
  RecordTest() { std::ofstream(database_) << "x"; }

  std::unique_ptr<Publication> publish(double lease_seconds = 1.5, gid_t group = ::getegid()) {
    auto published =
        Publication::publish(database_, group, {"/srv/view", "/run/x.sock", 42, lease_seconds},
                             [](const auto&, const auto&, const auto& reply) {
                               reply({{"mountpoint", "/srv/view"}});
                             });
    EXPECT_TRUE(published) << published.error().message;
    return published ? std::move(*published) : nullptr;
  }

  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      found.push_back(entry.path().filename());
    }
    return found;
  }

  /// The file of the only record.
  std::filesystem::path record() const {
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      if (entry.path().extension() == ".json") return entry.path();
    }
    return {};
  }

  TemporaryDirectory directory_;
  std::filesystem::path database_ = directory_.path() / "policy.db";
  std::filesystem::path folder_ = directory_.path() / "policy.db.daemons";
};

TEST_F(RecordTest, IsFoundAsLongAsItsDaemonLives) {
  auto published = publish();
  const auto known = control::known_daemons(database_);
  ASSERT_EQ(known.daemons.size(), 1U);
  EXPECT_FALSE(known.trouble);
  const control::KnownDaemon& daemon = known.daemons[0];
  ASSERT_TRUE(daemon.record);
  EXPECT_EQ(daemon.record->mountpoint, "/srv/view");
  EXPECT_EQ(daemon.record->control, "/run/x.sock");
  EXPECT_EQ(daemon.record->pid, 42);
  EXPECT_EQ(daemon.record->lease_seconds, 1.5);
  EXPECT_EQ(ask_status(daemon.socket)->mountpoint, "/srv/view");
  EXPECT_FALSE(daemon.has_gone());
  published.reset();
  EXPECT_TRUE(daemon.has_gone());
  EXPECT_TRUE(control::known_daemons(database_).daemons.empty());
  EXPECT_EQ(names(), std::vector<std::string>());
}

TEST_F(RecordTest, OneThatOnlyStoppedAnsweringIsStillKnown) {
  const auto published = publish();
  published->stop_answering();
  const auto known = control::known_daemons(database_);
  ASSERT_EQ(known.daemons.size(), 1U);
  EXPECT_EQ(ask_status(known.daemons[0].socket).error().kind, ErrorKind::kNotFound);
}

TEST_F(RecordTest, TheFolderIsForItsGroupAlone) {
  const auto published = publish();
  struct stat status = {};
  ASSERT_EQ(::stat(folder_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0770U);
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    ASSERT_EQ(::stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, entry.path().extension() == ".json" ? 0640U : 0660U);
    EXPECT_EQ(status.st_gid, ::getegid());
  }
}

TEST_F(RecordTest, TheDatabaseIsKnownByWhateverPath) {
  const auto published = publish();
  const auto elsewhere = directory_.path() / "elsewhere";
  std::filesystem::create_directory(elsewhere);
  std::filesystem::create_symlink(database_, elsewhere / "alias.db");
  std::filesystem::create_directory_symlink(directory_.path(), elsewhere / "folder");
  EXPECT_EQ(control::known_daemons(elsewhere / "alias.db").daemons.size(), 1U);
  EXPECT_EQ(control::known_daemons(elsewhere / "folder" / "policy.db").daemons.size(), 1U);
  EXPECT_EQ(control::known_daemons(elsewhere / ".." / "policy.db").daemons.size(), 1U);
  EXPECT_TRUE(control::known_daemons(elsewhere / "other.db").daemons.empty());
}

TEST_F(RecordTest, APathTooLongForASocketIsNoHindrance) {
  const auto deep = directory_.path() / std::string(100, 'x') / std::string(100, 'y');
  std::filesystem::create_directories(deep);
  database_ = deep / "policy.db";
  std::ofstream(database_) << "x";
  const auto published = publish();
  ASSERT_NE(published, nullptr);
  EXPECT_TRUE(published->stands());
  const auto known = control::known_daemons(database_);
  ASSERT_EQ(known.daemons.size(), 1U);
  EXPECT_TRUE(ask_status(known.daemons[0].socket));
}

TEST_F(RecordTest, WhatDaemonsThatWereKilledLeftIsToldUntilItIsRemoved) {
  std::filesystem::create_directory(folder_);
  std::ofstream(folder_ / "0123456789abcdef.json") << R"({"mountpoint":"/m","lease_seconds":30})";
  std::ofstream(folder_ / "0123456789abcdef.sock") << "";
  const auto unfinished = folder_ / ".fedcba9876543210.json";
  std::ofstream(unfinished) << "";
  const auto known = control::known_daemons(database_);
  EXPECT_TRUE(known.daemons.empty());
  ASSERT_EQ(known.killed.size(), 1U);
  EXPECT_EQ(known.killed[0].record->lease_seconds, 30);
  EXPECT_TRUE(known.killed[0].was_killed());
  EXPECT_EQ(names().size(), 3U);
  control::remove_record(known, known.killed[0]);
  EXPECT_EQ(names(), std::vector<std::string>{unfinished.filename()});  // it may be in the making
  const auto old = std::filesystem::file_time_type::clock::now() - std::chrono::minutes{5};
  std::filesystem::last_write_time(unfinished, old);
  EXPECT_TRUE(control::known_daemons(database_).daemons.empty());
  EXPECT_TRUE(names().empty());
}

TEST_F(RecordTest, WhatIsNoRecordIsLeftAlone) {
  std::filesystem::create_directory(folder_);
  for (const char* name : {"notes.json", "README", "0123456789ABCDEF.json", "x.sock"}) {
    std::ofstream(folder_ / name) << "precious";
  }
  EXPECT_TRUE(control::known_daemons(database_).daemons.empty());
  EXPECT_EQ(names().size(), 4U);
}

TEST_F(RecordTest, ALockedRecordThatMakesNoSenseIsADaemonOfWhichNothingIsKnown) {
  const auto published = publish();
  for (const char* text : {"", "garbage", "[]", "{}", R"({"lease_seconds":-1})",
                           R"({"lease_seconds":"1"})", R"({"lease_seconds":1e999})"}) {
    std::ofstream(record()) << text;
    const auto known = control::known_daemons(database_);
    ASSERT_EQ(known.daemons.size(), 1U) << text;
    EXPECT_FALSE(known.daemons[0].record) << text;
  }
}

TEST_F(RecordTest, KeepsNamesThatAreNoUnicode) {
  const DaemonRecord record{"/srv/\xff", "/run/\xfe", 7, 0.5};
  const auto read = control::from_text(control::to_text(record));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->lease_seconds, 0.5);
  EXPECT_EQ(read->pid, 7);
}

TEST_F(RecordTest, ADaemonNoticesThatItIsNotFoundAnyMore) {
  const auto published = publish();
  EXPECT_TRUE(published->stands());
  const auto away = directory_.path() / "away";
  const auto gone_and_back = [&](const std::filesystem::path& path) {
    std::filesystem::rename(path, away);
    EXPECT_FALSE(published->stands()) << path;
    std::filesystem::rename(away, path);
    EXPECT_TRUE(published->stands()) << path;
  };
  gone_and_back(record());
  gone_and_back(folder_);
  std::filesystem::copy_file(record(), away);
  std::filesystem::rename(away, record());
  EXPECT_FALSE(published->stands());  // another file of the same name
}

TEST_F(RecordTest, AFolderThatMayNotBeReadIsTrouble) {
  if (::geteuid() != 0) GTEST_SKIP() << "becomes another user: run it as root";
  const auto published = publish(1, 54321);
  std::filesystem::permissions(directory_.path(), std::filesystem::perms{0755});
  ASSERT_EQ(::seteuid(65534), 0);
  const auto known = control::known_daemons(database_);
  ASSERT_EQ(::seteuid(0), 0);
  ASSERT_TRUE(known.trouble);
  EXPECT_NE(known.trouble->message.find("policy.db.daemons"), std::string::npos);
}

TEST_F(RecordTest, ALinkInPlaceOfTheFolderIsNotFollowed) {
  const auto target = directory_.path() / "target";
  std::filesystem::create_directory(target);
  std::filesystem::create_directory_symlink(target, folder_);
  EXPECT_TRUE(control::known_daemons(database_).trouble);
  EXPECT_FALSE(Publication::publish(database_, ::getegid(), {}, {}));
  EXPECT_TRUE(std::filesystem::is_empty(target));
}

}  // namespace
}  // namespace grantfs
