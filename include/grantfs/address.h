#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "grantfs/result.h"

namespace grantfs {

/// An IPv4 or IPv6 address. An IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2), which is what a
/// dual-stack socket reports of an IPv4 client, is that IPv4 address.
/// A value type; safe to copy between threads.
class Address {
 public:
  /// Reads the one spelling that inet_ntop(3) gives (RFC 5952 for IPv6): without zone, port,
  /// brackets, leading zeros or capitals. kInvalid for any other.
  static Result<Address> parse(std::string_view text);

  std::string text() const;
  /// The name under which the uses of a link are counted: the IPv4 address, or the /64 network of
  /// an IPv6 address, because one client can choose any address in its /64 (RFC 4291, 2.5.1).
  std::string client() const;

  friend auto operator<=>(const Address&, const Address&) = default;

 private:
  friend class Network;

  std::array<std::uint8_t, 16> bytes_{};  ///< IPv4: the mapped form
};

/// An address, or all addresses that share its first bits (CIDR, RFC 4632), such as 192.0.2.0/24.
/// Sessions, links and signatures can be bound to one. A value type; safe to copy between threads.
class Network {
 public:
  /// Reads `ADDRESS` or `ADDRESS/BITS`, in any spelling that inet_pton(3) takes. Bits of the
  /// address behind the first BITS may be set, and are ignored. An IPv6 network holds no IPv4
  /// address, unless it lies in ::ffff:0:0/96. kInvalid, without repeating `text`, for anything
  /// else.
  static Result<Network> parse(std::string_view text);

  bool contains(const Address& address) const;
  /// The canonical spelling: bits past the prefix are zero, and a single address has no prefix.
  std::string text() const;

 private:
  Address base_;
  unsigned bits_ = 0;  ///< of the 128; 96 more than written for IPv4
};

}  // namespace grantfs
