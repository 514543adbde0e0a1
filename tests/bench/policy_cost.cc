// What a decision and a listing cost, without a mount.
//
//     policy_cost [--benchmark_…] decide NAME DATABASE USERS EACH | list NAME DATABASE FOLDER ...
//
// The database is policy.py's: user N has a session whose id is N in 64 hexadecimal digits, and
// EACH grants, on files named uNNNNNNNN/NNNNN.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "grantfs/policy.h"

namespace grantfs {
namespace {

Identity bearer(std::uint64_t user) {
  return SessionBearer{TokenHash::parse(fmt::format("{:064x}", user)).value()};
}

std::unique_ptr<Policy> open(const std::string& database) {
  auto policy = Policy::open({.database = database});
  if (!policy) {
    fmt::print(stderr, "policy_cost: {}\n", policy.error().message);
    std::exit(1);
  }
  return std::move(*policy);
}

/// Sessions and paths at random, so that the database's pages are as cold as its size makes them.
/// `own`: a file that the session may read; otherwise one of somebody else's.
void decide(benchmark::State& state, const std::string& database, std::uint64_t users,
            unsigned each, bool own) {
  const auto policy = open(database);
  std::mt19937_64 random(1);
  struct Question {
    Identity identity;
    StorePath path;
  };
  // Made beforehand: to format them would cost as much as to decide.
  std::vector<Question> questions;
  for (int i = 0; i < (1 << 16); ++i) {
    const std::uint64_t user = random() % users;
    const std::uint64_t owner = own ? user : (user + 1) % users;
    questions.push_back(
        {bearer(user),
         StorePath::parse(fmt::format("u{:08}/{:05}", owner, random() % each)).value()});
  }
  std::size_t next = 0;
  for (auto _ : state) {
    const Question& question = questions[next++ % questions.size()];
    auto access = policy->decide(question.identity, question.path);
    if (!access || (access->access == Access::kRead) != own) {
      state.SkipWithError("a wrong decision");
      break;
    }
  }
}

void list(benchmark::State& state, const std::string& database, const std::string& folder) {
  const auto policy = open(database);
  const StorePath path = StorePath::parse(folder).value();
  const Identity identity = bearer(0);
  for (auto _ : state) {
    auto listing = policy->list(identity, path);
    if (!listing || listing->names.size() != 10) {
      state.SkipWithError("not the ten names");
      break;
    }
  }
}

}  // namespace
}  // namespace grantfs

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const std::vector<std::string> words(argv + 1, argv + argc);
  for (std::size_t i = 0; i < words.size();) {
    if (words[i] == "decide" && i + 4 < words.size()) {
      const std::string database = words[i + 2];
      const std::uint64_t users = std::stoull(words[i + 3]);
      const auto each = static_cast<unsigned>(std::stoul(words[i + 4]));
      for (const bool own : {true, false}) {
        benchmark::RegisterBenchmark(
            (words[i + 1] + (own ? "/allowed" : "/denied")).c_str(),
            [=](benchmark::State& state) { grantfs::decide(state, database, users, each, own); });
      }
      i += 5;
    } else if (words[i] == "list" && i + 3 < words.size()) {
      const std::string database = words[i + 2];
      const std::string folder = words[i + 3];
      benchmark::RegisterBenchmark(words[i + 1].c_str(), [=](benchmark::State& state) {
        grantfs::list(state, database, folder);
      });
      i += 4;
    } else {
      fmt::print(stderr, "policy_cost: what is {}?\n", words[i]);
      return 2;
    }
  }
  benchmark::RunSpecifiedBenchmarks();
}
