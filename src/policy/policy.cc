#include "grantfs/policy.h"

#include "base/sync.h"
#include "policy/reader.h"

namespace grantfs {

/// Idle readers. A call takes one, or opens one, and puts it back unless it failed: a reader that
/// met an error, or whose file is no longer the one at the path, is closed and never used again.
class Policy::Readers {
 public:
  explicit Readers(PolicyOptions options) : options_(std::move(options)) {}

  /// Runs `ask(reader)` on a reader of the file that is at the path now.
  template <class Ask>
  auto with_reader(Ask ask) -> decltype(ask(std::declval<Reader&>())) {
    auto file = identify_database(options_.database);
    if (!file) {
      idle_.lock()->clear();
      return file.error();
    }
    auto reader = take(*file);
    if (!reader) return reader.error();
    auto answer = ask(**reader);
    if (answer) idle_.lock()->push_back(std::move(*reader));
    return answer;
  }

 private:
  Result<std::unique_ptr<Reader>> take(FileIdentity file) {
    while (true) {
      std::unique_ptr<Reader> reader;
      {
        auto idle = idle_.lock();
        if (idle->empty()) break;
        reader = std::move(idle->back());
        idle->pop_back();
      }
      if (reader->file() == file) return reader;
    }
    return Reader::open(options_, file);
  }

  PolicyOptions options_;
  Sync<std::vector<std::unique_ptr<Reader>>> idle_;
};

Policy::Policy(std::unique_ptr<Readers> readers) : readers_(std::move(readers)) {}
Policy::~Policy() = default;

Result<std::unique_ptr<Policy>> Policy::open(PolicyOptions options) {
  std::unique_ptr<Policy> policy(new Policy(std::make_unique<Readers>(std::move(options))));
  auto answer = policy->decide(Anyone{}, StorePath());
  if (!answer) return answer.error();
  return policy;
}

Result<Access> Policy::decide(const Identity& identity, const StorePath& path) {
  return readers_->with_reader([&](Reader& reader) { return reader.decide(identity, path); });
}

Result<Listing> Policy::list(const Identity& identity, const StorePath& folder) {
  return readers_->with_reader([&](Reader& reader) { return reader.list(identity, folder); });
}

Result<Explanation> Policy::explain(const Identity& identity, const StorePath& path) {
  return readers_->with_reader([&](Reader& reader) { return reader.explain(identity, path); });
}

Result<std::array<unsigned char, 16>> Policy::inode_key() {
  return readers_->with_reader([](Reader& reader) { return reader.inode_key(); });
}

Result<std::vector<std::string>> Policy::query_plans() {
  return readers_->with_reader([](Reader& reader) { return reader.query_plans(); });
}

}  // namespace grantfs
