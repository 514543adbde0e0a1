#include "tree/tree_parts.h"

#include <cerrno>
#include <utility>

namespace grantfs {

TreeParts::TreeParts(Policy& policy_to_ask, const Store& store_to_show, TreeOptions tree_options)
    : store(store_to_show),
      options(std::move(tree_options)),
      numbers(options.key),
      judge(policy_to_ask, options.link_uses, options.on_policy_error),
      doors({.policy = policy_to_ask,
             .store = store,
             .judge = judge,
             .processes = processes,
             .refusals = refusals,
             .denial = options.denial,
             .server_group = options.server_group,
             .by_user_group = options.by_user_group},
            options.views),
      nodes(options.lending.lease + spans::kLateness,
            spans::kLeasesBetweenUses * options.lending.lease, options.lending.lease),
      lender(nodes, store, options.lending),
      files(store, nodes, refusals, options.spare_descriptors),
      shown(numbers, options.mounted),
      notes(options.audit, doors) {}

Errno TreeParts::refuse_unrecorded() {
  judge.report({ErrorKind::kSystem, "the access could not be recorded (audit_required)"});
  return refusals.fail(EACCES);
}

}  // namespace grantfs
