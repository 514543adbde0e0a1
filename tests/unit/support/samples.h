#pragma once

#include <string>
#include <vector>

namespace grantfs::samples {

/// A text that has a zero byte, or any other, in it.
template <std::size_t N>
std::string bytes(const char (&literal)[N]) {
  return {literal, N - 1};
}

/// What is a principal and what is not: the parser and the schema must agree on both.
inline std::vector<std::string> good_principals() {
  return {"public",
          "user:a",
          "user:alice@example.org",
          "user:a:b",
          "user: ",
          "user:\xff\xfe",
          "user:日本",
          "user:[a-z]*?",
          "user:" + std::string(255, 'x'),
          "group:staff",
          "group:" + std::string(255, 'x'),
          "uid:0",
          "uid:1000",
          "uid:4294967294",
          "gid:0",
          "gid:4294967294"};
}

inline std::vector<std::string> bad_principals() {
  return {"",
          "alice",
          "Public",
          "public ",
          "public:",
          "user:",
          "group:",
          "USER:a",
          "user:a/b",
          "group:/",
          "user:a\nb",
          "user:\x01",
          "user:\x1f",
          "user:\x7f",
          bytes("user:a\0b"),
          bytes("user:a\0"),
          bytes("public\0"),
          "user:" + std::string(256, 'x'),
          "group:" + std::string(256, 'x'),
          "uid:",
          "uid:-1",
          "uid:+1",
          "uid: 1",
          "uid:1 ",
          "uid:00",
          "uid:01",
          "uid:1x",
          "uid:0x1",
          "uid:4294967295",
          "uid:4294967296",
          "uid:99999999999",
          "uid:18446744073709551616",
          bytes("uid:1\0"),
          bytes("uid:1\0002"),
          "gid:",
          "gid:4294967295",
          "gid:staff",
          "session:abc"};
}

/// The same for paths.
inline std::vector<std::string> good_paths() {
  return {".",
          "a",
          "a/b/c",
          "...",
          ".a/..b/c.",
          " ",
          "a\nb",
          "\xff/\xc0\xaf",
          "%_*?[",
          "'\"\\",
          std::string(255, 'n'),
          std::string(4095, 'n')};
}

inline std::vector<std::string> bad_paths() {
  return {"",
          "/",
          "/a",
          "a/",
          "a//b",
          "./",
          "/.",
          "./.",
          "..",
          "./a",
          "a/.",
          "a/./b",
          "../a",
          "a/..",
          "a/../b",
          bytes("a\0b"),
          bytes("\0"),
          bytes("a\0/../b"),
          bytes("a/b\0//"),
          std::string(4096, 'n')};
}

}  // namespace grantfs::samples
