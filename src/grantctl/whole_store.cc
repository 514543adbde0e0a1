#include "grantctl/whole_store.h"

#include <fmt/core.h>

#include "base/quote.h"
#include "grantctl/output.h"

namespace grantctl {

using grantfs::Result;

namespace {

/// The rules, links and keys on the whole store, each with the command that takes it away.
Result<std::vector<std::string>> on_the_whole_store(Context& context) {
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  std::vector<std::string> found;
  auto rules = (*admin)->rules(grantfs::StorePath(), std::nullopt);
  if (!rules) return rules.error();
  for (const grantfs::Rule& rule : *rules) {
    if (!rule.path.is_root()) continue;
    const std::string name = grantfs::escaped(rule.principal.text());
    found.push_back(
        fmt::format("{} {} the whole store; if it should not: grantctl revoke {} .", name,
                    rule.kind == grantfs::Rule::Kind::kOwner ? "owns" : "has a grant on",
                    grantfs::quoted(rule.principal.text())));
  }
  auto links = (*admin)->links(std::nullopt);
  if (!links) return links.error();
  for (const grantfs::Link& link : *links) {
    if (!link.path.is_root()) continue;
    found.push_back(
        fmt::format("a link of {} is on the whole store; if it should not be: "
                    "grantctl link rm {}",
                    grantfs::escaped(link.principal.text()), link.id.hex()));
  }
  auto keys = (*admin)->signing_keys();
  if (!keys) return keys.error();
  for (const grantfs::SigningKey& key : *keys) {
    if (!key.path.is_root()) continue;
    found.push_back(
        fmt::format("the key {0} signs for the whole store; if it should not: "
                    "grantctl key rm {0}",
                    key.id));
  }
  return found;
}

}  // namespace

Result<std::vector<std::string>> warn_of_whole_store(Context& context) {
  auto found = on_the_whole_store(context);
  if (!found) return found.error();
  for (const std::string& line : *found) complain(line);
  return found;
}

}  // namespace grantctl
