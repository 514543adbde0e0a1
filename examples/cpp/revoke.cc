// Takes a path away from a principal, and returns when that counts everywhere: no open that begins later succeeds.
//
//     g++ -std=c++20 revoke.cc -o revoke $(pkg-config --cflags --libs grantfs)
//     ./revoke /var/lib/grantfs/site/policy.db user:alice uploads/7f3a9c
#include <grantfs/admin.h>
#include <grantfs/recall.h>

#include <iostream>

int fail(const grantfs::Error& error) {
  std::cerr << "revoke: " << error.message << '\n';
  return 1;
}

int main(int argc, char** argv) {
  if (argc != 4) return fail({grantfs::ErrorKind::kInvalid, "usage: revoke DATABASE PRINCIPAL PATH"});
  const auto principal = grantfs::Principal::parse(argv[2]);
  if (!principal) return fail(principal.error());
  const auto path = grantfs::StorePath::parse(argv[3]);
  if (!path) return fail(path.error());
  const auto policy = grantfs::Admin::open(argv[1]);
  if (!policy) return fail(policy.error());
  const auto removed = (*policy)->revoke(*principal, *path);
  if (!removed) return fail(removed.error());
  if (removed->total() == 0) return fail({grantfs::ErrorKind::kNotFound, "there is no such rule"});

  const auto recall = grantfs::recall_and_wait(argv[1]);
  for (const auto& daemon : recall.unacknowledged) std::cerr << daemon.name << ": " << daemon.trouble << '\n';
  std::cout << "acknowledged by " << recall.acknowledged << '\n';
}
