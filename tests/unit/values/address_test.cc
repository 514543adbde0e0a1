#include "grantfs/address.h"

#include <gtest/gtest.h>

#include <string>

#include "base/quote.h"
#include "support/samples.h"

namespace grantfs {
namespace {

Address address(std::string_view text) {
  return Address::parse(text).value();
}

bool holds(std::string_view network, std::string_view text) {
  return Network::parse(network).value().contains(address(text));
}

TEST(Address, OneSpellingIsReadAndWritten) {
  for (const char* text : {"0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "::1", "2001:db8::1",
                           "::192.0.2.1", "fe80::1", "2001:db8:0:1:1:1:1:1"}) {
    ASSERT_TRUE(Address::parse(text)) << text;
    EXPECT_EQ(address(text).text(), text);
  }
  for (const std::string& text : {std::string(),
                                  std::string("1.2.3"),
                                  std::string("1.2.3.04"),
                                  std::string("1.2.3.256"),
                                  std::string("0x1.2.3.4"),
                                  std::string("16909060"),
                                  std::string("1.2.3.4 "),
                                  std::string("1.2.3.4/32"),
                                  std::string("1.2.3.4:80"),
                                  std::string("[::1]"),
                                  std::string("::1%lo"),
                                  std::string("0:0:0:0:0:0:0:1"),
                                  std::string("::0001"),
                                  std::string("2001:DB8::1"),
                                  std::string("2001:db8::1:0:0:0"),
                                  std::string("::FFFF:1.2.3.4"),
                                  std::string("::ffff:102:304"),
                                  samples::bytes("1.2.3.4\0"),
                                  samples::bytes("::1\0x"),
                                  std::string(300, '1')}) {
    EXPECT_FALSE(Address::parse(text)) << quoted(text);
  }
}

TEST(Address, AMappedAddressIsTheIpv4Address) {
  EXPECT_EQ(address("::ffff:192.0.2.1"), address("192.0.2.1"));
  EXPECT_EQ(address("::ffff:192.0.2.1").text(), "192.0.2.1");
  EXPECT_NE(address("::192.0.2.1"), address("192.0.2.1"));
}

TEST(Address, AnIpv6ClientIsItsSubnet) {
  EXPECT_EQ(address("192.0.2.1").client(), "192.0.2.1");
  EXPECT_EQ(address("2001:db8:1:2:3:4:5:6").client(), "2001:db8:1:2::/64");
  EXPECT_EQ(address("2001:db8:1:2::").client(), address("2001:db8:1:2:ffff::").client());
  EXPECT_NE(address("2001:db8:1:2::").client(), address("2001:db8:1:3::").client());
}

TEST(Network, HoldsTheAddressesThatShareItsBits) {
  EXPECT_TRUE(holds("192.0.2.1", "192.0.2.1"));
  EXPECT_FALSE(holds("192.0.2.1", "192.0.2.0"));
  EXPECT_TRUE(holds("192.0.2.128/25", "192.0.2.255"));
  EXPECT_FALSE(holds("192.0.2.128/25", "192.0.2.127"));
  EXPECT_TRUE(holds("192.0.2.7/30", "192.0.2.4"));
  EXPECT_TRUE(holds("0.0.0.0/0", "203.0.113.9"));
  EXPECT_TRUE(holds("2001:db8::/64", "2001:db8::ffff:1"));
  EXPECT_FALSE(holds("2001:db8::/64", "2001:db8:0:1::1"));
  EXPECT_TRUE(holds("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(holds("2001:db8::/33", "2001:db8:8000::1"));
}

TEST(Network, FamiliesAreKeptApart) {
  EXPECT_FALSE(holds("::/0", "192.0.2.1"));
  EXPECT_FALSE(holds("0.0.0.0/0", "::1"));
  EXPECT_FALSE(holds("::ffff:0:0/90", "192.0.2.1"));
  EXPECT_TRUE(holds("::ffff:192.0.2.0/120", "192.0.2.1"));
  EXPECT_FALSE(holds("::ffff:192.0.2.0/120", "192.0.3.1"));
}

TEST(Network, IsWrittenWithoutTheBitsPastThePrefix) {
  for (const auto& [given, written] :
       {std::pair("192.0.2.7/24", "192.0.2.0/24"), std::pair("192.0.2.7/32", "192.0.2.7"),
        std::pair("192.0.2.7", "192.0.2.7"), std::pair("1.2.3.4/0", "0.0.0.0/0"),
        std::pair("2001:DB8::1/64", "2001:db8::/64"), std::pair("::1/128", "::1"),
        std::pair("::ffff:192.0.2.7/120", "192.0.2.0/24")}) {
    EXPECT_EQ(Network::parse(given).value().text(), written);
    EXPECT_EQ(Network::parse(written).value().text(), written);
  }
}

TEST(Network, WhatIsNoNetworkIsRefusedAndNotRepeated) {
  for (const std::string& text :
       {std::string(), std::string("/24"), std::string("192.0.2.0/"), std::string("192.0.2.0/33"),
        std::string("::/129"), std::string("192.0.2.0/-1"), std::string("192.0.2.0/+8"),
        std::string("192.0.2.0/08"), std::string("192.0.2.0/8 "), std::string("192.0.2.0/8/8"),
        std::string("192.0.2.0/255.255.255.0"), std::string("secretsecretsecret"),
        samples::bytes("192.0.2.0\0/8")}) {
    auto refused = Network::parse(text);
    ASSERT_FALSE(refused) << quoted(text);
    EXPECT_EQ(refused.error().message.find("secret"), std::string::npos);
  }
}

}  // namespace
}  // namespace grantfs
