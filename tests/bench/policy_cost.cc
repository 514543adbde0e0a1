// What a decision and a listing cost, without a mount.
//
//     policy_cost [--benchmark_…] decide NAME DATABASE USERS EACH | list NAME DATABASE FOLDER ...
//     policy_cost classes DATABASE PROBES
//
// The database is policy.py's: user N has a session whose id is N in 64 hexadecimal digits, and
// EACH grants, on files named uNNNNNNNN/NNNNN.

#include <benchmark/benchmark.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <utility>
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

/// What user 0 may not see, and why not: all of these must take as long as the first.
constexpr std::array<const char*, 4> kClasses{"missing", "owned by another", "granted to another",
                                              "below another's folder"};

/// Asks about names of all classes in turn, in an order of chance, and prints for each class how
/// long a question took, in nanoseconds, and Welch's t against the first. policy.py makes a
/// database of so many names p/NUMBER/f; NUMBER modulo four is the class. The slowest hundredth of
/// all, which is the machine's, is left out.
void compare_classes(const std::string& database, std::size_t probes) {
  const auto policy = open(database);
  const Identity identity = bearer(0);
  std::vector<std::size_t> order(probes);
  std::iota(order.begin(), order.end(), 0U);
  std::mt19937_64 random(std::random_device{}());
  std::ranges::shuffle(order, random);
  std::vector<StorePath> paths;
  for (std::size_t i = 0; i < probes; ++i) {
    paths.push_back(StorePath::parse(fmt::format("p/{:08}/f", i)).value());
  }
  std::vector<std::pair<std::size_t, double>> taken;
  for (const std::size_t i : order) {
    const StorePath path = paths[i];  // warm: half of them straddle two lines of the cache
    const auto start = std::chrono::steady_clock::now();
    auto decision = policy->decide(identity, path);
    const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - start;
    if (!decision || decision->access != Access::kNone) {
      fmt::print(stderr, "policy_cost: a wrong decision about {}\n", paths[i].text());
      std::exit(1);
    }
    taken.emplace_back(i % kClasses.size(), time.count());
  }
  std::ranges::sort(taken, {}, [](const auto& each) { return each.second; });
  taken.resize(taken.size() - taken.size() / 100);
  struct Moments {
    double count = 0, mean = 0, squares = 0;  // Welford's
    double error() const { return squares / (count - 1) / count; }
  };
  std::array<Moments, kClasses.size()> of{};
  for (const auto& [which, time] : taken) {
    Moments& at = of.at(which);
    const double off = time - at.mean;
    at.mean += off / ++at.count;
    at.squares += off * (time - at.mean);
  }
  for (std::size_t i = 0; i < of.size(); ++i) {
    const double t = (of[i].mean - of[0].mean) / std::sqrt(of[i].error() + of[0].error());
    fmt::print("{:24} {:8.0f} probes {:8.1f} ns  t = {:6.2f}\n", kClasses.at(i), of[i].count,
               of[i].mean, i == 0 ? 0.0 : t);
  }
}

}  // namespace
}  // namespace grantfs

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 3 && words[0] == "classes") {
    grantfs::compare_classes(words[1], std::stoull(words[2]));
    return 0;
  }
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
