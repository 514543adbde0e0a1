#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "base/quote.h"
#include "grantctl/arguments.h"
#include "grantctl/commands/commands.h"
#include "grantctl/output.h"
#include "grantctl/progress.h"
#include "grantctl/store_probe.h"
#include "store/store.h"

namespace grantctl {

using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::Found;
using grantfs::quoted;
using grantfs::Result;
using grantfs::Rule;
using grantfs::Store;
using grantfs::StorePath;

namespace {

struct Sum {
  std::int64_t files = 0;
  std::uint64_t bytes = 0;
};

/// Files and bytes by owner; an empty text is nobody.
using Sums = std::map<std::string, Sum>;

/// Walks the store, and adds each file to the owner of it or of the nearest folder above.
class UsageWalk {
 public:
  /// `owners` are sorted by path.
  UsageWalk(const Store& store, const std::vector<Rule>& owners) : store_(store), owners_(owners) {}

  Result<Sums> run(const StorePath& folder) {
    std::string_view owner;
    for (const std::string_view at : folder.self_and_ancestors()) {
      owner = owner_of_exactly(StorePath::spelling_of(at));
      if (!owner.empty()) break;
    }
    if (auto done = walk(folder, owner); !done) return done.error();
    return std::move(sums_);
  }

 private:
  struct Folder {
    std::string name;
    std::string_view owner;
  };

  /// The owner of this very path; empty if there is none.
  std::string_view owner_of_exactly(std::string_view path) const {
    const auto found = std::ranges::lower_bound(
        owners_, path, {}, [](const Rule& rule) { return rule.path.spelling(); });
    if (found == owners_.end() || found->path.spelling() != path) return {};
    return found->principal.text();
  }

  Error trouble(const StorePath& path, grantfs::Errno error) const {
    return {ErrorKind::kSystem, fmt::format("cannot look into {} of the store: {}",
                                            quoted(shown(path)), std::strerror(error.value))};
  }

  /// Adds the files of a folder, and returns its folders. A file or folder that has gone meanwhile
  /// is left out.
  Result<std::vector<Folder>> add_files(const StorePath& path, std::string_view owner) {
    std::vector<Folder> folders;
    auto located = store_.locate(path);
    if (!located) {
      if (located.error().value == ENOENT) return folders;
      return trouble(path, located.error());
    }
    auto stream = store_.open_folder(path, *located);
    if (!stream) {
      if (stream.error().value == ENOENT) return folders;
      return trouble(path, stream.error());
    }
    while (true) {
      auto entry = stream->next();
      if (!entry && entry.error().value == 0) return folders;
      if (!entry) return trouble(path, entry.error());
      if (entry->name == "." || entry->name == "..") continue;
      const std::string name(entry->name);
      const std::string_view own = owner_of_exactly(path.child(name).spelling());
      const std::string_view whose = own.empty() ? owner : own;
      if (entry->type == Found::Type::kFolder) {
        folders.push_back({name, whose});
        continue;
      }
      auto found = stream->find(name);
      if (!found && found.error().value == ENOENT) continue;
      if (!found) return trouble(path.child(name), found.error());
      Sum& sum = sums_[std::string(whose)];
      ++sum.files;
      sum.bytes += found->size;
      progress_.count();
    }
  }

  Result<void> walk(const StorePath& path, std::string_view owner) {
    auto folders = add_files(path, owner);
    if (!folders) return folders.error();
    for (const Folder& folder : *folders) {
      if (auto done = walk(path.child(folder.name), folder.owner); !done) return done;
    }
    return {};
  }

  const Store& store_;
  const std::vector<Rule>& owners_;
  Sums sums_;
  Progress progress_{"files counted"};
};

/// "1.5 GiB"; less than 1 KiB as it is.
std::string shown_bytes(std::uint64_t bytes) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  constexpr double kStep = 1024;
  auto number = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (number >= kStep && unit + 1 < kUnits.size()) {
    number /= kStep;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", number, kUnits.at(unit));
}

struct UsageArguments {
  std::string store;
};

Result<std::filesystem::path> find_store(Context& context, const UsageArguments& arguments) {
  if (!arguments.store.empty()) return std::filesystem::path(arguments.store);
  if (auto store = store_of(context)) return std::move(*store);
  return Error{ErrorKind::kInvalid,
               "no daemon answers that could say where the store is; name the private directory: "
               "grantctl usage STORE"};
}

Result<int> run_usage(Context& context, const UsageArguments& arguments) {
  auto directory = find_store(context, arguments);
  if (!directory) return directory.error();
  auto store = Store::open(*directory, grantfs::FileIdKey{});
  if (!store) return Error{ErrorKind::kInvalid, store.error().message};
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  auto owners = (*admin)->rules(grantfs::RuleQuery{.kind = Rule::Kind::kOwner});
  if (!owners) return owners.error();
  auto sums = UsageWalk(*store, *owners).run(StorePath());
  if (!sums) return sums.error();

  std::vector<std::pair<std::string, Sum>> sorted(sums->begin(), sums->end());
  std::ranges::stable_sort(sorted, std::greater(),
                           [](const auto& each) { return each.second.bytes; });
  Sum total;
  for (const auto& [owner, sum] : sorted) {
    total.files += sum.files;
    total.bytes += sum.bytes;
  }
  if (context.json) {
    Json document;
    put_bytes(document, "store", directory->native());
    document["owners"] = Json::array();
    for (const auto& [owner, sum] : sorted) {
      Json object;
      object["principal"] = nullptr;
      if (!owner.empty()) put_bytes(object, "principal", owner);
      object["files"] = sum.files;
      object["bytes"] = sum.bytes;
      document["owners"].push_back(std::move(object));
    }
    document["files"] = total.files;
    document["bytes"] = total.bytes;
    print(document);
    return kDone;
  }
  Table table({"OWNER", "FILES", "BYTES", "SIZE"});
  const auto add = [&](const std::string& name, const Sum& sum) {
    table.add({name, fmt::to_string(sum.files), fmt::to_string(sum.bytes), shown_bytes(sum.bytes)});
  };
  for (const auto& [owner, sum] : sorted) add(owner.empty() ? "(nobody)" : owner, sum);
  add("(all)", total);
  table.print();
  return kDone;
}

}  // namespace

void add_usage(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "usage", "How many files each principal owns in the store, and how many bytes they have",
      "  grantctl usage\n"
      "  grantctl usage /srv/photos");
  auto arguments = std::make_shared<UsageArguments>();
  command.add_option("STORE", arguments->store,
                     "the private directory itself, not the mount; default: that of the running "
                     "daemon");
  on_run(command, context, [arguments](Context& shared) { return run_usage(shared, *arguments); });
}

}  // namespace grantctl
