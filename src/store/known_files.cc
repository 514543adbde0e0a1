#include "store/known_files.h"

namespace grantfs {

std::size_t KnownFiles::spread(std::uint64_t inode) {
  constexpr std::uint64_t kGoldenRatio = 0x9e3779b97f4a7c15;  // spreads neighbours far apart
  constexpr unsigned kUpperHalf = 32;
  return (inode * kGoldenRatio) >> kUpperHalf;
}

KnownFiles::Slot& KnownFiles::slot(Shard& shard, const Key& key) {
  if (shard.empty()) shard.resize(kSlotsInShard);
  return shard[spread(key.inode) / kShards % kSlotsInShard];
}

std::optional<KnownFiles::Known> KnownFiles::find(const Key& key) {
  auto shard = shards_[spread(key.inode) % kShards].lock();
  const Slot& there = slot(*shard, key);
  if (there.known.handle.empty() || there.key != key) return std::nullopt;
  return there.known;
}

bool KnownFiles::is_told_apart(const timespec& then, const timespec& now) const {
  // Three seconds are more than any filesystem rounds its times to.
  constexpr time_t kTickSeconds = 3;
  return then.tv_sec <= now.tv_sec - kTickSeconds - clock_difference_.count();
}

void KnownFiles::keep(const Key& key, const Known& known, const timespec& asked) {
  if (known.handle.empty() || !is_told_apart(key.born, asked)) return;
  auto shard = shards_[spread(key.inode) % kShards].lock();
  slot(*shard, key) = Slot{key, known};
}

}  // namespace grantfs
