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

std::string at(const std::optional<Address>& from) {
  return from ? '@' + from->text() : std::string();
}

std::string view_name(const View& view) {
  if (const auto* user = std::get_if<SystemUser>(&view.identity)) {
    return "uid:" + std::to_string(user->uid);
  }
  if (const auto* bearer = std::get_if<SessionBearer>(&view.identity)) {
    const std::string processes =
        view.process ? "process:" + std::to_string(view.process->session()) + ':' : std::string();
    return processes + "session:" + bearer->session.hex() + at(bearer->from);
  }
  if (const auto* bearer = std::get_if<LinkBearer>(&view.identity)) {
    return "link:" + bearer->link.hex() + at(bearer->from);
  }
  if (const auto* bearer = std::get_if<SignatureBearer>(&view.identity)) {
    return "signature:" + bearer->signature.id().hex() + at(bearer->from);
  }
  if (const auto* bearer = std::get_if<Md5Bearer>(&view.identity)) {
    return (view.shows_expired ? "expired:" : "md5:") + bearer->mark.expires.text() + ':' +
           TokenHash::of(Md5Mark::spell(bearer->mark.md5).view()).hex() + at(bearer->from);
  }
  if (const auto* named = std::get_if<Named>(&view.identity)) return named->principal.text();
  return "public";
}

}  // namespace

std::uint64_t InodeNumbers::of_file(const FileId& id) const {
  return usable(id.high);
}

std::uint64_t InodeNumbers::of_folder(const View& view, const StorePath& path) const {
  return hash(view_name(view) + '/' + path.text());
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
