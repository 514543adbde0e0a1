#include <gtest/gtest.h>

#include <ctime>
#include <fstream>
#include <string>

#include "grantctl/nginxconf/audit.h"
#include "grantctl/nginxconf/parser.h"
#include "grantctl/nginxconf/pattern.h"
#include "support/temporary_directory.h"

namespace grantctl::nginxconf {
namespace {

class Nginxconf : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& text) {
    const auto path = folder_.path() / name;
    std::ofstream(path) << text;
    return path;
  }

  grantfs::Result<Report> audit_text(const std::string& text) {
    auto top = parse_file(write("nginx.conf", text));
    if (!top) return top.error();
    return audit(*top, {{Tree::Kind::kMount, "/srv/files"}});
  }

  std::string trouble_of(const std::string& text) {
    const auto report = audit_text(text);
    return report ? "" : report.error().message;
  }

  /// `begin`, so many times `each` with # replaced by its number and % by that of the one before,
  /// `end`.
  static std::string chain(unsigned count, const std::string& begin, const std::string& each,
                           const std::string& end) {
    std::string text = begin;
    for (unsigned i = 1; i <= count; ++i) {
      for (const char c : each) {
        text += c == '#' ? std::to_string(i) : c == '%' ? std::to_string(i - 1) : std::string(1, c);
      }
    }
    return text + end;
  }

  /// The steps that twice as much takes, as a share of what it should.
  double growth(const std::string& begin, const std::string& each, const std::string& end,
                unsigned count) {
    const auto once = audit_text(chain(count, begin, each, end));
    const auto twice = audit_text(chain(2 * count, begin, each, end));
    if (!once || !twice) {
      ADD_FAILURE() << (once ? twice : once).error().message;
      return 0;
    }
    return static_cast<double>(twice->steps) / static_cast<double>(2 * once->steps);
  }

  grantfs::TemporaryDirectory folder_;
};

TEST_F(Nginxconf, WhatIsChainedTakesLinearTime) {
  constexpr double kLinear = 1.1;
  // Steps alone would not show what one of them takes with a value that has grown.
  constexpr std::clock_t kMostSeconds = 10;
  const std::clock_t began = std::clock();
  EXPECT_LT(
      growth("server { location / { set $v0 $arg_x;", "set $v# $v%$v%;", "return 200; } }", 2000),
      kLinear);
  EXPECT_LT(
      growth("server { location / { set $v0 $arg_x;", "set $v# $v%;", "root /srv/$v1; } }", 2000),
      kLinear);
  EXPECT_LT(growth("server { location / { set $v 1;", "if ($arg_a#) { set $v #; }",
                   "root /srv/$v; } }", 2000),
            kLinear);
  EXPECT_LT(growth("map $arg_x $y {", "k# v#;", "} server { location / { root /srv/$y; } }", 4000),
            kLinear);
  EXPECT_LT(growth("server {", "location /a#/ { alias /srv/files/public/; }", "}", 1000), 2.1);
  EXPECT_LT((std::clock() - began) / CLOCKS_PER_SEC, kMostSeconds);
}

TEST_F(Nginxconf, WhatIsBeyondTheBoundsIsRefusedWithItsLine) {
  const auto file = (folder_.path() / "nginx.conf").string();
  EXPECT_EQ(
      trouble_of("\nmap $arg_x $v0 { default $arg_x; }\n" +
                 chain(300, "", "map $v% $v# { default $v%; }\n", "server { root /srv/$v300; }"))
          .find(file + ":"),
      0U);
  EXPECT_EQ(trouble_of("\n\nserver { location ~ " + std::string(2000, '(') +
                       std::string(2000, ')') + " { root /srv; } }")
                .find(file + ":3: a pattern is too"),
            0U);
  EXPECT_EQ(trouble_of("\nserver { location ~ ^/" + std::string(5000, 'a') + " { root /srv; } }")
                .find(file + ":2: a pattern is too"),
            0U);
  EXPECT_NE(
      trouble_of("a {\n" + chain(40, "", "a {\n", "")).find(":31: blocks stand in one another"),
      std::string::npos);
  EXPECT_NE(
      trouble_of(chain(kMostDirectives, "", "a;\n", "a;\n")).find("more than 200000 directives"),
      std::string::npos);
  write("large", "# " + std::string(std::size_t{16} << 20U, 'a') + "\n");
  EXPECT_EQ(trouble_of("\ninclude large;").find(file + ":2: "), 0U);
  EXPECT_NE(trouble_of("\ninclude large;").find("16 MiB"), std::string::npos);
}

TEST_F(Nginxconf, APatternThatRepeatsWhatRepeatsIsNotTriedOut) {
  const auto report =
      audit_text("server { location ~ \"^/(a+)+(b+)+\\.php$\" { fastcgi_pass x; } location / {" +
                 (" try_files $uri /" + std::string(80, 'a')) + "$request_uri; } }");
  ASSERT_TRUE(report);  // at all: by going back and forth it would take for ever
  EXPECT_FALSE(report->findings.empty());
}

TEST_F(Nginxconf, IncludesThatDoubleAreRefusedWithTheirLine) {
  for (unsigned i = 0; i < 40; ++i) {
    const std::string next = "f" + std::to_string(i + 1);
    write("f" + std::to_string(i), "\ninclude " + next + ";\ninclude " + next + ";\n");
  }
  write("f40", "a;\n");
  EXPECT_NE(trouble_of("include f0;").find(":2: files include one another more than 20 deep"),
            std::string::npos);
  write("f15", "a;\n");
  EXPECT_NE(trouble_of("include f0;").find("more than 2000 files are included"), std::string::npos);
}

TEST_F(Nginxconf, AConfigurationThatIsTooEntangledIsRefused) {
  std::string text = "map $arg_x $m {";
  for (int i = 0; i < 3000; ++i) text += "\"~^" + std::to_string(i) + "(.*)$\" $s;";
  text += "} server {";
  for (int i = 0; i < 3000; ++i) {
    text += "location /" + std::to_string(i) + "/ { set $s $arg_y; root /srv/$m; }\n";
  }
  EXPECT_NE(trouble_of(text + "}").find("too entangled"), std::string::npos);
}

TEST_F(Nginxconf, AProgramInLuaIsPassedOverAndNoted) {
  const auto report = audit_text(R"conf(
server {
  listen 80;
  location / {
    content_by_lua_block {
      -- a brace } in a comment
      --[[ one
      } in a long one ]]
      local t = { a = "}", b = '\'}', c = [[ } ]], d = [==[ ]] } ]==] }
      if t.a then ngx.say("{") end
    }
  }
  location /p/ { alias /srv/files/; }
}
)conf");
  ASSERT_TRUE(report) << report.error().message;
  ASSERT_EQ(report->notes.size(), 1U);
  EXPECT_EQ(report->notes[0].place.line, 5U);
  EXPECT_NE(report->notes[0].what.find("content_by_lua_block is a program, which is not judged"),
            std::string::npos);
  ASSERT_EQ(report->findings.size(), 1U);
  EXPECT_EQ(report->findings[0].place.line, 13U);
  EXPECT_NE(
      trouble_of("server {\n access_by_lua_block { x = '}' \n").find(":2: the '{' of a program"),
      std::string::npos);
}

TEST_F(Nginxconf, WhatAProgramSetsHasNoProof) {
  const auto report = audit_text(
      "server { location / { set_by_lua_block $who { return ngx.var.arg_x }\n"
      "alias /srv/files/by-user/$who/; } }");
  ASSERT_TRUE(report);
  ASSERT_FALSE(report->findings.empty());
  EXPECT_EQ(report->findings[0].place.line, 2U);
}

Group only_group(const std::string& pattern) {
  const Pattern parsed = understand(pattern);
  EXPECT_EQ(parsed.groups.size(), 1U) << pattern;
  return parsed.groups.empty() ? Group() : parsed.groups[0];
}

TEST(NginxPattern, KnowsWhichGroupsMayBeEmptyOrDots) {
  EXPECT_FALSE(only_group("^([a-z]+)$").language.may_be_empty);
  EXPECT_TRUE(only_group("^([a-z]*)$").language.may_be_empty);
  EXPECT_TRUE(only_group("^(?:([a-z]+))?$").language.may_be_empty);
  EXPECT_TRUE(only_group("^(?:([a-z]+)|x)$").language.may_be_empty);
  EXPECT_TRUE(only_group("^([a-z]*[a-z.]+)$").language.may_be_dots);
  EXPECT_FALSE(only_group("^([a-z][a-z.]+)$").language.may_be_dots);
  EXPECT_FALSE(only_group("^([a-z.]{3,9})$").language.may_be_dots);
  EXPECT_TRUE(only_group("^([^/]+)$").language.may_be_dots);
  EXPECT_TRUE(only_group("^(\\w+|\\.\\.)$").language.may_be_dots);
  EXPECT_FALSE(only_group("^([\\w-]+)$").language.may_climb());
  EXPECT_TRUE(only_group("^(\\x2e+)$").language.may_climb());
  EXPECT_TRUE(only_group("^([\\x2e]+)$").language.may_climb());
}

TEST(NginxPattern, KnowsWhichGroupsAreWholeComponents) {
  const auto whole = [](const std::string& pattern) {
    const Group group = only_group(pattern);
    return group.begins_component && group.ends_component;
  };
  for (const char* pattern :
       {"^/u/([^/]+)/x$", "^/u/(.*)$", "^/u/(.*)", "^/u/([^/]+)", "^/u(/.*)$", "^(.*)$",
        "^/u/([a-z.]+)(?:/.*)?$", "^/u/([a-z.]+)(?:/|$)", "^/u/(.+\\.css)$"}) {
    EXPECT_TRUE(whole(pattern)) << pattern;
  }
  for (const char* pattern : {"^/u(.*)$", "^/u/?(.*)$", "^/u/([^/]+)-", "^/u/([a-z.]+)",
                              "^/u/(.+?)", "^/u/(.*)x$", "^/u/([.]+)/?x", "^(?:/|a)(.*)$"}) {
    EXPECT_FALSE(whole(pattern)) << pattern;
  }
}

TEST(NginxPattern, KnowsWhatIsAnchored) {
  EXPECT_TRUE(understand("^[a-z]+$").is_of_the_whole());
  EXPECT_TRUE(understand("(?i)^[a-z]+\\z").is_of_the_whole());
  EXPECT_FALSE(understand("^[a-z]+").is_of_the_whole());
  EXPECT_FALSE(understand("[a-z]+$").is_of_the_whole());
  EXPECT_FALSE(understand("^a|b$").is_of_the_whole());
  EXPECT_FALSE(understand("(?m)^a$").is_of_the_whole());
}

}  // namespace
}  // namespace grantctl::nginxconf
