#include "grantfs/address.h"

#include <arpa/inet.h>
#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "base/parse_integer.h"

namespace grantfs {
namespace {

using Bytes = std::array<std::uint8_t, 16>;

constexpr Bytes kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned kMappedBits = 96;
constexpr unsigned kAllBits = 128;
constexpr unsigned kSubnetBits = 64;
constexpr unsigned kByteBits = 8;

bool is_mapped(const Bytes& bytes) {
  return std::equal(bytes.begin(), bytes.begin() + kMappedBits / kByteBits, kMapped.begin());
}

/// Reads every spelling that inet_pton(3) takes.
std::optional<Bytes> read(std::string_view text, bool* as_ipv4) {
  const std::string terminated(text);
  if (terminated.size() != std::char_traits<char>::length(terminated.c_str())) return std::nullopt;
  Bytes bytes = kMapped;
  *as_ipv4 = ::inet_pton(AF_INET, terminated.c_str(), &bytes[kMappedBits / kByteBits]) == 1;
  if (*as_ipv4 || ::inet_pton(AF_INET6, terminated.c_str(), bytes.data()) == 1) return bytes;
  return std::nullopt;
}

std::string write(const Bytes& bytes, bool as_ipv4) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* from = as_ipv4 ? &bytes[kMappedBits / kByteBits] : bytes.data();
  ::inet_ntop(as_ipv4 ? AF_INET : AF_INET6, from, text.data(), text.size());
  return text.data();
}

/// The bytes with all bits after the first `bits` set to 0.
Bytes masked(Bytes bytes, unsigned bits) {
  for (unsigned i = 0; i < bytes.size(); ++i) {
    const unsigned kept = std::clamp(bits, i * kByteBits, (i + 1) * kByteBits) - i * kByteBits;
    bytes[i] &= static_cast<std::uint8_t>(0xff00U >> kept);
  }
  return bytes;
}

Error no_network() {
  return {ErrorKind::kInvalid,
          "not an address or network; write one like 192.0.2.1, 192.0.2.0/24, 2001:db8::1 or "
          "2001:db8::/64"};
}

}  // namespace

Result<Address> Address::parse(std::string_view text) {
  bool as_ipv4 = false;
  const auto bytes = read(text, &as_ipv4);
  if (!bytes || write(*bytes, as_ipv4) != text) {
    return Error{ErrorKind::kInvalid, "not an IPv4 or IPv6 address as inet_ntop(3) spells it"};
  }
  Address address;
  address.bytes_ = *bytes;
  return address;
}

std::string Address::text() const {
  return write(bytes_, is_mapped(bytes_));
}

std::string Address::client() const {
  if (is_mapped(bytes_)) return text();
  return fmt::format("{}/{}", write(masked(bytes_, kSubnetBits), false), kSubnetBits);
}

Result<Network> Network::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  bool as_ipv4 = false;
  const auto bytes = read(text.substr(0, slash), &as_ipv4);
  if (!bytes) return no_network();
  const unsigned before = as_ipv4 ? kMappedBits : 0;
  unsigned bits = kAllBits - before;
  if (slash != std::string_view::npos) {
    const std::string_view number = text.substr(slash + 1);
    const bool leading_zero = number.size() > 1 && number.front() == '0';
    const auto written = parse_integer<unsigned>(number);
    if (!written || leading_zero || *written > bits) return no_network();
    bits = *written;
  }
  Network network;
  network.bits_ = before + bits;
  network.base_.bytes_ = masked(*bytes, network.bits_);
  return network;
}

bool Network::contains(const Address& address) const {
  // A network holds addresses of its own family only: ::/0 is every IPv6 address and no IPv4
  // address.
  if (is_mapped(address.bytes_) != (is_mapped(base_.bytes_) && bits_ >= kMappedBits)) return false;
  return masked(address.bytes_, bits_) == base_.bytes_;
}

std::string Network::text() const {
  const bool as_ipv4 = is_mapped(base_.bytes_) && bits_ >= kMappedBits;
  std::string address = write(base_.bytes_, as_ipv4);
  if (bits_ == kAllBits) return address;
  return fmt::format("{}/{}", address, as_ipv4 ? bits_ - kMappedBits : bits_);
}

}  // namespace grantfs
