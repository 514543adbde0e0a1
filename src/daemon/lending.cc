#include "daemon/lending.h"

#include <spdlog/spdlog.h>

#include <future>
#include <utility>

#include "base/quote.h"

namespace grantfs {

Lending::Lending(Tree& tree, FuseMount& mount, Recaller& recaller, Troubles& troubles,
                 std::filesystem::path store, std::chrono::seconds lease)
    : tree_(tree),
      mount_(mount),
      recaller_(recaller),
      troubles_(troubles),
      store_(std::move(store)),
      lease_(lease) {}

void Lending::set_known(const std::string& trouble) {
  troubles_.set_unknown(trouble);
  if (trouble.empty()) spdlog::info("this daemon is known at its database again, and lends");
  mount_.lend(trouble.empty());
  if (!trouble.empty()) recall_everything();
}

void Lending::set_store(const std::string& trouble) {
  troubles_.set_store_away(trouble);
  if (trouble.empty()) {
    spdlog::warn("the store {} is another directory than before, and served from now on",
                 quoted(store_.native()));
  } else {
    spdlog::error("{}; everything is refused until it is there", trouble);
  }
  // Lookups from here on find either nothing or the new store's files.
  tree_.lender().steady_files().pause(std::chrono::steady_clock::now() + lease_);
  recall_everything();
  tree_.lender().steady_files().clear();
  tree_.trim();
}

void Lending::trim_if_idle() {
  constexpr std::chrono::seconds kTrimEvery{10};
  const auto now = SteadyClock::now();
  if (now < trims_from_ || recaller_.anything_lent()) return;
  trims_from_ = now + kTrimEvery;
  tree_.trim();
}

void Lending::recall_everything() {
  std::promise<void> forgotten;
  recaller_.forget_everything([&] { forgotten.set_value(); });
  forgotten.get_future().wait();
}

}  // namespace grantfs
