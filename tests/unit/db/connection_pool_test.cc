#include "db/connection_pool.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace grantfs::db {
namespace {

/// How many connections of a kind there are, and were opened.
struct Count {
  int live = 0;
  int opened = 0;
};

template <int kind>
class Fake {
 public:
  Fake(Count& count, int file) : count_(count), file_(file) {
    ++count_.live;
    ++count_.opened;
  }
  ~Fake() { --count_.live; }
  Fake(const Fake&) = delete;
  Fake& operator=(const Fake&) = delete;
  int file() const { return file_; }

 private:
  Count& count_;
  int file_;
};
using Reader = Fake<0>;
using Feed = Fake<1>;

/// The files are one number.
struct FakeTrust {
  using Look = int;
  bool is_replaced(const Look& look) const { return last && *last != look; }
  Result<void> follow(const Look& look) {
    if (look < 0) return Error{ErrorKind::kDatabase, "refused"};
    last = look;
    return {};
  }
  bool is_torn() const { return torn_now; }
  void mend() { torn_now = false; }
  Error torn() const { return {ErrorKind::kDatabase, "torn"}; }
  template <class Kind>
  bool is_current(const Kind& connection) const {
    return last == connection.file();
  }

  std::optional<int> last;
  bool torn_now = false;
};

class ConnectionPoolTest : public testing::Test {
 protected:
  template <class Kind, class Ask>
  auto with(int look, Ask ask) {
    return pool_.with<Kind>(
        look,
        [&, look]() -> Result<std::unique_ptr<Kind>> {
          if (cannot_open_) return Error{ErrorKind::kDatabase, "cannot open"};
          return std::make_unique<Kind>(count<Kind>(), look);
        },
        ask);
  }
  template <class Kind = Reader>
  Result<int> use(int look = 1) {
    return with<Kind>(look, [](Kind& connection) { return Result(connection.file()); });
  }
  template <class Kind>
  Count& count() {
    if constexpr (std::is_same_v<Kind, Reader>) {
      return readers_;
    } else {
      return feeds_;
    }
  }
  void tear() {
    pool_.with_trust([](FakeTrust& trust) { trust.torn_now = true; });
  }

  bool cannot_open_ = false;
  Count readers_;
  Count feeds_;
  ConnectionPool<FakeTrust, Reader, Feed> pool_{FakeTrust{}};
};

TEST_F(ConnectionPoolTest, AnIdleConnectionOfTheKindIsUsedAgain) {
  EXPECT_TRUE(use());
  EXPECT_TRUE(use());
  EXPECT_EQ(readers_.opened, 1);
  EXPECT_TRUE(use<Feed>());
  EXPECT_EQ(feeds_.opened, 1);
  EXPECT_EQ(readers_.live, 1);
}

TEST_F(ConnectionPoolTest, CallsAtOnceHaveAConnectionEach) {
  auto inner = with<Reader>(1, [&](Reader&) { return use(); });
  EXPECT_TRUE(inner);
  EXPECT_EQ(readers_.live, 2);
}

TEST_F(ConnectionPoolTest, AConnectionThatMetAnErrorIsClosed) {
  auto answer = with<Reader>(1, [](Reader&) {
    return Result<int>(Error{ErrorKind::kDatabase, "damaged"});
  });
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().message, "damaged");
  EXPECT_EQ(readers_.live, 0);
}

TEST_F(ConnectionPoolTest, AConnectionThatThrewIsClosedAndCountedOut) {
  EXPECT_THROW(
      (void)with<Reader>(1, [](Reader&) -> Result<int> { throw std::runtime_error("short"); }).ok(),
      std::runtime_error);
  EXPECT_EQ(readers_.live, 0);
  tear();
  EXPECT_TRUE(use());
}

TEST_F(ConnectionPoolTest, OneThatCannotBeOpenedIsCountedOut) {
  cannot_open_ = true;
  EXPECT_EQ(use().error().message, "cannot open");
  cannot_open_ = false;
  tear();
  EXPECT_TRUE(use());
}

TEST_F(ConnectionPoolTest, OtherFilesCloseWhatIsIdleOfEveryKind) {
  EXPECT_TRUE(use());
  EXPECT_TRUE(use<Feed>());
  EXPECT_EQ(use(2).value(), 2);
  EXPECT_EQ(readers_.live, 1);
  EXPECT_EQ(feeds_.live, 0);
}

TEST_F(ConnectionPoolTest, AConnectionOfOtherFilesThanNowIsNotPutBack) {
  auto answer = with<Reader>(1, [&](Reader& outer) {
    EXPECT_EQ(use(2).value(), 2);
    return Result(outer.file());
  });
  EXPECT_EQ(answer.value(), 1);
  EXPECT_EQ(readers_.live, 1);
  EXPECT_EQ(use(2).value(), 2);
  EXPECT_EQ(readers_.opened, 2);
}

TEST_F(ConnectionPoolTest, FilesThatAreRefusedHaveNoConnection) {
  EXPECT_TRUE(use());
  EXPECT_EQ(use(-1).error().message, "refused");
  EXPECT_EQ(readers_.opened, 1);
}

TEST_F(ConnectionPoolTest, AnAnswerIsNotBelievedIfItsConnectionWasTornMeanwhile) {
  auto answer = with<Reader>(1, [&](Reader& reader) {
    tear();
    return Result(reader.file());
  });
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().message, "torn");
  EXPECT_EQ(readers_.live, 0);
}

TEST_F(ConnectionPoolTest, OnceTornNoneIsOpenedUntilAllAreGone) {
  auto outer = with<Reader>(1, [&](Reader& reader) {
    EXPECT_TRUE(use());  // leaves one idle
    tear();
    EXPECT_EQ(use().error().message, "torn");
    EXPECT_EQ(readers_.live, 1);
    return Result(reader.file());
  });
  EXPECT_FALSE(outer);
  EXPECT_TRUE(use());
  EXPECT_EQ(readers_.live, 1);
  EXPECT_EQ(readers_.opened, 3);
}

TEST_F(ConnectionPoolTest, CloseIdleLeavesWhatIsInUse) {
  EXPECT_TRUE(use<Feed>());
  auto answer = with<Reader>(1, [&](Reader& reader) {
    pool_.close_idle();
    EXPECT_EQ(feeds_.live, 0);
    return Result(reader.file());
  });
  EXPECT_TRUE(answer);
  EXPECT_EQ(readers_.live, 1);
}

}  // namespace
}  // namespace grantfs::db
