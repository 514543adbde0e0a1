#include "grantctl/nginxconf/audit.h"

#include "grantctl/nginxconf/auditor.h"
#include "grantctl/nginxconf/slashes.h"

namespace grantctl::nginxconf {

grantfs::Result<Report> audit(const Directive& top, std::vector<Tree> trees) {
  Cost cost;
  add_mounts_shown_by_paths(top, trees);
  Report report = Auditor(top, std::move(trees), cost).run();
  if (cost.trouble) return *cost.trouble;
  report.steps = cost.steps;
  return report;
}

}  // namespace grantctl::nginxconf
