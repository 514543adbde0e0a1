// What single operations on files cost, without a web server.
//
//     file_cost SECONDS THREADS < PATHS
//
// Each thread walks over the paths, for each of: open, fstat, read to the end, close; stat. One
// line of JSON: how many of these all threads did in a second, and the bytes read.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Rate {
  double operations_per_second;
  double bytes_per_second;
};

/// The bytes read; exits on any error, since a rate of failures means nothing.
std::size_t read_whole(const std::string& path, std::vector<char>& buffer) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status = {};
  if (fd < 0 || ::fstat(fd, &status) != 0) {
    std::perror(path.c_str());
    std::exit(1);
  }
  std::size_t total = 0;
  while (true) {
    const ssize_t size = ::read(fd, buffer.data(), buffer.size());
    if (size < 0) {
      std::perror(path.c_str());
      std::exit(1);
    }
    total += static_cast<std::size_t>(size);
    // As a server does: it knows the size and does not ask for the end.
    if (size == 0 || total >= static_cast<std::size_t>(status.st_size)) break;
  }
  ::close(fd);
  return total;
}

std::size_t look_at(const std::string& path, std::vector<char>& /*buffer*/) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) {
    std::perror(path.c_str());
    std::exit(1);
  }
  return 0;
}

Rate measure(const std::vector<std::string>& paths, int seconds, unsigned threads,
             const std::function<std::size_t(const std::string&, std::vector<char>&)>& operation) {
  std::atomic<std::size_t> operations = 0;
  std::atomic<std::size_t> bytes = 0;
  const auto start = Clock::now();
  const auto end = start + std::chrono::seconds(seconds);
  std::vector<std::thread> running;
  for (unsigned number = 0; number < threads; ++number) {
    running.emplace_back([&, number] {
      std::vector<char> buffer(std::size_t{1} << 20);
      std::size_t done = 0;
      std::size_t seen = 0;
      // Threads start apart, so that they do not follow each other through the same file.
      for (std::size_t i = number * paths.size() / threads; Clock::now() < end; ++i, ++done) {
        seen += operation(paths[i % paths.size()], buffer);
      }
      operations += done;
      bytes += seen;
    });
  }
  for (std::thread& thread : running) thread.join();
  const double elapsed = std::chrono::duration<double>(Clock::now() - start).count();
  return {static_cast<double>(operations) / elapsed, static_cast<double>(bytes) / elapsed};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: file_cost SECONDS THREADS < PATHS\n", stderr);
    return 2;
  }
  std::vector<std::string> paths;
  for (std::string line; std::getline(std::cin, line);) paths.push_back(line);
  if (paths.empty()) return 2;
  const int seconds = std::atoi(argv[1]);
  const auto threads = static_cast<unsigned>(std::atoi(argv[2]));
  const Rate read = measure(paths, seconds, threads, read_whole);
  const Rate stat = measure(paths, seconds, threads, look_at);
  std::printf("{\"reads_per_second\":%.0f,\"bytes_per_second\":%.0f,\"stats_per_second\":%.0f}\n",
              read.operations_per_second, read.bytes_per_second, stat.operations_per_second);
}
