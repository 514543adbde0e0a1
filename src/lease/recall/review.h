#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "nodes/node_table.h"

namespace grantfs {

/// A review decides anew what the kernel was lent, a slice at a time, by Withdrawal::go_on().
/// Withdrawal::begin_recall() comes before a review: so what is lent during it was decided later,
/// and need not be part of it.
///
/// A folder that may be read as a whole answers for all below it. So a view costs a handful of
/// decisions, however many files are lent in it, unless its files are granted one by one.
class Review {
 public:
  enum class Of : std::uint8_t {
    kSteadyFiles,  ///< what is lent for longer than a lease
    kEverything,
  };

  bool is_done() const { return folders_.empty() && files_.empty(); }

 private:
  friend class Withdrawal;

  /// Each with everything below it; the last one is next.
  std::vector<NodeId> folders_;
  /// By their folders.
  std::vector<std::pair<NodeId, std::vector<KernelEntry>>> files_;
};

}  // namespace grantfs
