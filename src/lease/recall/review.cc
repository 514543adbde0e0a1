// How Withdrawal decides anew what was lent; see withdrawal.h and review.h.
#include <algorithm>
#include <map>
#include <utility>

#include "lease/recall/withdrawal.h"

namespace grantfs {

Review Withdrawal::review(Review::Of of) {
  Review review;
  std::map<NodeId, std::vector<KernelEntry>> files;
  const auto add = [&](KernelEntry entry) { files[entry.parent].push_back(std::move(entry)); };
  if (of == Review::Of::kEverything) {
    review.folders_ = nodes_.lent().roots_of_views_for_servers();
    for (LentEntry& file : nodes_.lent().lent_files_of_uris()) add(std::move(file.entry));
  } else {
    for (KernelEntry& entry : steady_files().entries()) add(std::move(entry));
  }
  review.files_.assign(std::move_iterator(files.begin()), std::move_iterator(files.end()));
  return review;
}

std::vector<KernelEntry> Withdrawal::go_on(Review& review,
                                           std::chrono::steady_clock::time_point until) {
  // What has been found is taken back from the kernel before much more is looked for.
  constexpr std::size_t kEnough = 256;
  std::vector<KernelEntry> entries;
  while (!review.is_done() && entries.size() < kEnough &&
         std::chrono::steady_clock::now() < until) {
    if (!review.folders_.empty()) {
      const NodeId folder = review.folders_.back();
      review.folders_.pop_back();
      review_folder(folder, review, entries);
    } else {
      const auto [folder, files] = std::move(review.files_.back());
      review.files_.pop_back();
      review_files(folder, files, entries);
    }
  }
  return entries;
}

void Withdrawal::review_folder(NodeId folder, Review& review, std::vector<KernelEntry>& entries) {
  const auto lent = nodes_.lent().leading_to(folder);
  if (!lent) return;
  const auto access = holds_now(*lent, lender_.longest() + spans::kLateness);
  if (!access) return add_with_all_below(*lent, entries);
  if (*access == Access::kRead) return;
  LentEntries::LentIn in = nodes_.lent().lent_directly_in(folder);
  std::ranges::move(in.folders, std::back_inserter(review.folders_));
  for (const LentEntry& file : in.files) {
    if (!holds_still(file)) add_with_all_below(file, entries);
  }
}

void Withdrawal::review_files(NodeId folder, const std::vector<KernelEntry>& files,
                              std::vector<KernelEntry>& entries) {
  const auto above = nodes_.lent().leading_to(folder);
  if (!above) return;
  // Of the folder's own entry it is not asked here whether it holds: it is lent for a lease only.
  if (!above->view->traits.is_of_uris) {
    LentEntry as_folder = *above;
    as_folder.lent = Access::kRead;
    if (holds_now(as_folder, lender_.longest() + spans::kLateness)) return;
  }
  for (const KernelEntry& file : files) {
    const auto lent = nodes_.lent().lent_by(file);
    if (lent && !holds_still(*lent)) add_with_all_below(*lent, entries);
  }
}

}  // namespace grantfs
