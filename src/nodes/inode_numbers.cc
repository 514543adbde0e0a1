#include "nodes/inode_numbers.h"

#include <sodium.h>

#include <array>
#include <cstring>
#include <string>

namespace grantfs {
namespace {

/// Hashes stay clear of the fixed numbers, and of zero, which readdir(3) takes for "no entry".
std::uint64_t usable(std::uint64_t hash) {
  return hash <= InodeNumbers::kLastFixed ? ~hash : hash;
}

}  // namespace

std::uint64_t InodeNumbers::of_file(const FileId& id) const {
  return usable(id.high);
}

std::uint64_t InodeNumbers::of_folder(const View& view, const StorePath& path) const {
  return hash(view.label + '/' + path.text());
}

std::uint64_t InodeNumbers::below_address(const Address& address, std::uint64_t fixed) const {
  return hash("from:" + address.text() + '/' + std::to_string(fixed));
}

std::uint64_t InodeNumbers::hash(const std::string& text) const {
  std::array<unsigned char, crypto_generichash_BYTES_MIN> digest{};
  crypto_generichash(digest.data(), digest.size(),
                     reinterpret_cast<const unsigned char*>(text.data()), text.size(), key_.data(),
                     key_.size());
  std::uint64_t hash = 0;
  std::memcpy(&hash, digest.data(), sizeof hash);
  return usable(hash);
}

}  // namespace grantfs
