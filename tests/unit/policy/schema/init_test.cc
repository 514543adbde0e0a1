#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "db/connection.h"
#include "db/rows.h"
#include "grantfs/admin.h"
#include "policy/schema/schema.h"
#include "support/temporary_directory.h"

namespace grantfs {
namespace {

mode_t mode_of(const std::filesystem::path& path) {
  struct stat status = {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

/// Sets the umask while it lives.
class Umask {
 public:
  explicit Umask(mode_t mask) : before_(::umask(mask)) {}
  ~Umask() { ::umask(before_); }
  Umask(const Umask&) = delete;
  Umask& operator=(const Umask&) = delete;

 private:
  mode_t before_;
};

class Init : public testing::Test {
 protected:
  TemporaryDirectory directory_;
  std::filesystem::path database_ = directory_.path() / "a/b/policy.db";
};

TEST_F(Init, MakesEverythingWithItsModeWhateverTheUmask) {
  for (const mode_t mask : {0U, 0077U, 0777U}) {
    TemporaryDirectory directory;  // before the umask, which would close it to us
    const Umask umask(mask);
    const auto database = directory.path() / "a/b/policy.db";
    auto outcome = init_database(database);
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_EQ(outcome->outcome, InitOutcome::kCreated);
    EXPECT_EQ(mode_of(directory.path() / "a"), 0755U);
    EXPECT_EQ(mode_of(directory.path() / "a/b"), 02770U);
    EXPECT_EQ(mode_of(database), 0660U);
  }
}

TEST_F(Init, TheDatabaseUsesAWriteAheadLog) {
  ASSERT_TRUE(init_database(database_));
  auto connection = db::Connection::open(database_, db::Mode::kWrite);
  ASSERT_TRUE(connection);
  auto statement = connection->prepare("PRAGMA journal_mode");
  ASSERT_TRUE(statement);
  db::Rows rows = statement->run();
  ASSERT_TRUE(*rows.next());
  EXPECT_EQ(rows.text(0), "wal");
}

TEST_F(Init, IsHarmlessTheSecondTime) {
  ASSERT_TRUE(init_database(database_));
  auto admin = Admin::open(database_);
  ASSERT_TRUE(admin);
  ASSERT_TRUE((*admin)->grant(Principal::everyone(), StorePath(), std::nullopt));
  auto again = init_database(database_);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->outcome, InitOutcome::kAlreadyCurrent);
  EXPECT_EQ((*admin)->rules(StorePath(), std::nullopt)->size(), 1U);
}

TEST_F(Init, AnExistingDirectoryKeepsItsMode) {
  std::filesystem::create_directories(database_.parent_path());
  ASSERT_EQ(::chmod(database_.parent_path().c_str(), 0750), 0);
  ASSERT_TRUE(init_database(database_));
  EXPECT_EQ(mode_of(database_.parent_path()), 0750U);
}

TEST_F(Init, ADirectoryOpenToOthersIsRefusedAndLeftEmpty) {
  std::filesystem::create_directories(database_.parent_path());
  ASSERT_EQ(::chmod(database_.parent_path().c_str(), 0755), 0);
  auto refused = init_database(database_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kInvalid);
  EXPECT_FALSE(std::filesystem::exists(database_));
}

TEST_F(Init, AForeignDatabaseIsRefusedAndLeftAsItWas) {
  std::filesystem::create_directories(database_.parent_path());
  ASSERT_EQ(::chmod(database_.parent_path().c_str(), 0770), 0);
  {
    auto foreign = db::Connection::open(database_, db::Mode::kCreate);
    ASSERT_TRUE(foreign);
    ASSERT_TRUE(foreign->execute("CREATE TABLE songs (title TEXT)"));
  }
  const auto read = [&] {
    std::ifstream file(database_, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string before = read();
  auto refused = init_database(database_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kDatabase);
  EXPECT_EQ(read(), before);
}

TEST_F(Init, AFileThatIsNoDatabaseIsRefused) {
  std::filesystem::create_directories(database_.parent_path());
  ASSERT_EQ(::chmod(database_.parent_path().c_str(), 0770), 0);
  std::ofstream(database_) << std::string(4096, 'x');
  auto refused = init_database(database_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kDatabase);
}

TEST_F(Init, APathThatCannotBeADatabaseIsRefused) {
  EXPECT_FALSE(init_database(directory_.path() / ""));
  std::filesystem::create_directories(database_);
  ASSERT_EQ(::chmod(database_.parent_path().c_str(), 0770), 0);
  EXPECT_FALSE(init_database(database_));  // a directory
  std::ofstream(directory_.path() / "file") << "x";
  EXPECT_FALSE(init_database(directory_.path() / "file/policy.db"));
}

TEST_F(Init, AnUninitialisedDatabaseCannotBeAdministered) {
  auto missing = Admin::open(database_);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::kNotFound);
}

}  // namespace
}  // namespace grantfs
