#include "audit/record_text.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <string>

namespace grantfs {
namespace {

using nlohmann::json;

constexpr AuditTime kTime = 1'795'879'140'123'456'789;  // 2026-11-28T15:19:00.123456789Z

json record_of(AuditEvent event) {
  event.time = kTime;
  std::string line;
  append_record(line, event);
  EXPECT_TRUE(line.ends_with('\n'));
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  return json::parse(line);
}

TEST(RecordTextTest, AnOpenHasEverythingThatIsKnown) {
  const json record = record_of({.what = AuditEvent::What::kOpen,
                                 .uid = 33,
                                 .pid = 812,
                                 .label = "session:abc@2001:db8::1",
                                 .principal = "user:alice",
                                 .folder = "up/film.mp4"});
  EXPECT_EQ(record, json::parse(R"({"time":"2026-11-28T15:19:00.123456Z","event":"open",
      "view":"by-session","principal":"user:alice","session":"abc","address":"2001:db8::1",
      "path":"up/film.mp4","uid":33,"pid":812})"));
}

TEST(RecordTextTest, EveryLabelSaysItsView) {
  const auto view_of = [](std::string_view label) {
    json record = record_of({.label = label});
    for (const char* member : {"time", "event", "path"}) record.erase(member);
    return record;
  };
  EXPECT_EQ(view_of("public"), json::parse(R"({"view":"public","principal":"public"})"));
  EXPECT_EQ(view_of("uid:7"), json::parse(R"({"view":"by-uid","principal":"uid:7"})"));
  EXPECT_EQ(view_of("user:a@b:c"), json::parse(R"({"view":"by-user","principal":"user:a@b:c"})"));
  EXPECT_EQ(view_of("link:1f"), json::parse(R"({"view":"by-link","link":"1f"})"));
  EXPECT_EQ(view_of("link:1f@192.0.2.1"),
            json::parse(R"({"view":"by-link","link":"1f","address":"192.0.2.1"})"));
  EXPECT_EQ(view_of("signature:1f"), json::parse(R"({"view":"by-signature","signature":"1f"})"));
  EXPECT_EQ(view_of("md5:4000:1f@::1"),
            json::parse(R"({"view":"by-md5","md5":"1f","address":"::1"})"));
  EXPECT_EQ(view_of("expired:4000:1f"), json::parse(R"({"view":"expired","md5":"1f"})"));
  EXPECT_EQ(view_of("process:12:session:1f"),
            json::parse(R"({"view":"by-process","process":"12","session":"1f"})"));
}

TEST(RecordTextTest, ALeaseSaysUntilWhenAndARefusalWhy) {
  EXPECT_EQ(record_of({.what = AuditEvent::What::kLease,
                       .lease_until = kTime + 60'000'000'000,
                       .label = "public"})["lease_until"],
            "2026-11-28T15:20:00.123456Z");
  const json refused = record_of({.what = AuditEvent::What::kRefused,
                                  .error = ENOENT,
                                  .label = "public",
                                  .folder = "a",
                                  .name = "b"});
  EXPECT_EQ(refused["why"], "denied");
  EXPECT_EQ(refused["errno"], "ENOENT");
  EXPECT_EQ(refused["path"], "a/b");
  const json at_door =
      record_of({.what = AuditEvent::What::kRefused, .error = EACCES, .door = "by-link"});
  EXPECT_EQ(at_door["view"], "by-link");
  EXPECT_FALSE(at_door.contains("path"));
}

/// A name is bytes: no byte of it ends the line or the text, and each can be had back.
TEST(RecordTextTest, NoByteOfANameForgesALine) {
  for (unsigned first = 1; first < 256; ++first) {
    for (const unsigned second : {0x22U, 0x5CU, 0x0AU, 0x80U, 0xBFU, 0x41U}) {
      std::string name = "n";
      name += static_cast<char>(first);
      name += static_cast<char>(second);
      const json record = record_of({.label = "public", .folder = name});
      if (!record.contains("path_hex")) {
        EXPECT_EQ(record["path"], name);
        continue;
      }
      std::string hex;
      for (const char byte : name) hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
      EXPECT_EQ(record["path_hex"], hex);
    }
  }
}

}  // namespace
}  // namespace grantfs
