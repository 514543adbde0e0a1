#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "nodes/node_table.h"

namespace grantfs {

/// What the kernel was lent, being decided anew: a bit at a time, by Withdrawal::go_on(). What is
/// lent meanwhile need not be in it, if Withdrawal::begin_recall() came before it was begun.
///
/// A folder that may be read as a whole answers for all below it, so that a view costs a handful of
/// decisions, whatever is lent in it, unless its files are granted one by one.
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
