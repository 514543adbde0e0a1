// Addresses and networks: one spelling each, and a network holds what has its first bits.
#include <arpa/inet.h>

#include <array>
#include <cstring>
#include <optional>
#include <string>

#include "fuzz.h"
#include "grantfs/address.h"
#include "schema_rows.h"

namespace grantfs::fuzz {
namespace {

struct Bits {
  bool is_ipv4 = false;
  std::array<unsigned char, 16> bytes{};
};

/// What inet_pton(3) reads; an IPv4 address that is spelt as an IPv6 one is the IPv4 address.
std::optional<Bits> bits_of(const std::string& text) {
  Bits bits;
  if (::inet_pton(AF_INET, text.c_str(), bits.bytes.data()) == 1) return Bits{true, bits.bytes};
  if (::inet_pton(AF_INET6, text.c_str(), bits.bytes.data()) != 1) return std::nullopt;
  constexpr std::array<unsigned char, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::memcmp(bits.bytes.data(), kMapped.data(), kMapped.size()) != 0) return bits;
  Bits mapped{true, {}};
  std::memcpy(mapped.bytes.data(), bits.bytes.data() + kMapped.size(), 4);
  return mapped;
}

/// Whether the first bits are the same, one after the other.
bool agree(const Bits& a, const Bits& b, unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    const auto mask = static_cast<unsigned char>(0x80U >> (i % 8));
    if ((a.bytes.at(i / 8) & mask) != (b.bytes.at(i / 8) & mask)) return false;
  }
  return true;
}

void try_network(const Network& network, const std::optional<Address>& address) {
  static SchemaRows rows;
  const std::string text = network.text();
  const auto again = Network::parse(text);
  require(again && again->text() == text, "a network has one spelling");
  require(rows.take("INSERT INTO links (id, principal, path, address) VALUES (printf('%064d', 0), "
                    "'user:a', 'a', ?)",
                    std::string_view(text)),
          "SQLite's CHECK takes a network as it is spelt");
  std::string_view bits = text;
  const std::string base(take_until(bits, '/'));
  if (!address) return;
  const auto of_network = bits_of(base);
  const auto of_address = bits_of(address->text());
  require(of_network && of_address, "what is spelt is read by inet_pton(3)");
  const bool same_family = of_network->is_ipv4 == of_address->is_ipv4;
  const unsigned all = of_network->is_ipv4 ? 32 : 128;
  const unsigned count = bits.empty() ? all : static_cast<unsigned>(std::stoul(std::string(bits)));
  require(network.contains(*address) == (same_family && agree(*of_network, *of_address, count)),
          "a network holds the addresses that have its first bits, and no others");
}

}  // namespace

/// An address, a space, a network.
void try_input(std::string_view input) {
  const std::string_view first = take_until(input, ' ');
  const auto address = Address::parse(first);
  if (address) {
    require(address->text() == first || bits_of(std::string(first))->is_ipv4,
            "an address has one spelling");
    const auto client = Network::parse(address->client());
    require(client && client->contains(*address), "an address lies in its client's network");
    const auto alone = Network::parse(first);
    require(alone && alone->contains(*address), "an address is a network of one");
  }
  const auto network = Network::parse(input);
  if (network) try_network(*network, address ? std::optional(*address) : std::nullopt);
}

}  // namespace grantfs::fuzz
