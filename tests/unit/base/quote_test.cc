#include "base/quote.h"

#include <gtest/gtest.h>

#include <string>

namespace grantfs {
namespace {

/// The overload for literals, of which there are two to choose from.
std::string quote(std::string_view text) {
  return quoted(text);
}

TEST(Quote, PlainTextIsPutInSingleQuotes) {
  EXPECT_EQ(quote("a b/c"), "'a b/c'");
  EXPECT_EQ(quote(""), "''");
}

TEST(Quote, Utf8IsKept) {
  EXPECT_EQ(quote("Größe/日本/🙂"), "'Größe/日本/🙂'");
}

TEST(Quote, ALongTextIsShownByItsEndsAndItsLength) {
  const std::string most(kMostShownBytes, 'a');
  EXPECT_EQ(quote(most), "'" + most + "'");
  const std::string said = quote("begin" + most + "end");
  EXPECT_LT(said.size(), 300U);
  EXPECT_TRUE(said.starts_with("'beginaaa")) << said;
  EXPECT_TRUE(said.ends_with("aaaend' (1008 bytes)")) << said;
}

TEST(Quote, AMessageIsShortenedWordByWord) {
  EXPECT_EQ(shortened("as it is,\nin two lines "), "as it is,\nin two lines ");
  EXPECT_EQ(shortened(""), "");
  const std::string said = shortened("no " + std::string(120'000, 'a') + ": make one");
  EXPECT_LT(said.size(), 300U);
  EXPECT_TRUE(said.starts_with("no aaa")) << said;
  EXPECT_NE(said.find("(120001 bytes)"), std::string::npos) << said;
  EXPECT_TRUE(said.ends_with("aaa: make one")) << said;
  std::string words;
  for (int i = 0; i < 60'000; ++i) words += "a ";
  EXPECT_LT(shortened(words).size(), kMostMessageBytes + 100);
}

TEST(Quote, WhatCouldForgeALineIsEscaped) {
  EXPECT_EQ(quote("a\nb"), "'a\\x0ab'");
  EXPECT_EQ(quote("\x1b[31m"), "'\\x1b[31m'");
  EXPECT_EQ(quote("\x7f"), "'\\x7f'");
  EXPECT_EQ(quote(std::string("a\0b", 3)), "'a\\x00b'");
}

TEST(Quote, QuotesAndBackslashesAreEscapedSoThatTheEndIsCertain) {
  EXPECT_EQ(quote("it's"), "'it\\x27s'");
  EXPECT_EQ(quote("a\\b"), "'a\\x5cb'");
}

TEST(Quote, ControlCharactersBeyondAsciiAreEscaped) {
  EXPECT_EQ(quote("\xc2\x9b"
                  "m"),
            "'\\xc2\\x9bm'");                  // C1: CSI
  EXPECT_EQ(quote("\xc2\xa0"), "'\xc2\xa0'");  // the first that is no control
}

TEST(Quote, BytesThatAreNotUtf8AreEscaped) {
  EXPECT_EQ(quote("\xff"), "'\\xff'");
  EXPECT_EQ(quote("\xc3"), "'\\xc3'");           // cut short
  EXPECT_EQ(quote("\xc0\xaf"), "'\\xc0\\xaf'");  // overlong '/'
  EXPECT_EQ(quote("\xe0\x80\xaf"), "'\\xe0\\x80\\xaf'");
  EXPECT_EQ(quote("\xed\xa0\x80"), "'\\xed\\xa0\\x80'");           // a surrogate
  EXPECT_EQ(quote("\xf4\x90\x80\x80"), "'\\xf4\\x90\\x80\\x80'");  // beyond U+10FFFF
  EXPECT_EQ(quote("\xe6\x97x"), "'\\xe6\\x97x'");
}

TEST(Quote, AValueByItselfKeepsItsApostrophes) {
  EXPECT_EQ(escaped("a\tb"), "a\\x09b");
  EXPECT_EQ(escaped("it's"), "it's");
  EXPECT_EQ(escaped("a\\b"), "a\\x5cb");
}

TEST(Quote, AMessageIsPrintedAsItWasWrittenButForWhatForgesALine) {
  EXPECT_EQ(printable("no 'it\\x27s' in '~ \\.php$'"), "no 'it\\x27s' in '~ \\.php$'");
  EXPECT_EQ(printable("a\nb\x1b[31m\xff"), "a\\x0ab\\x1b[31m\\xff");
}

}  // namespace
}  // namespace grantfs
