#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <iostream>

#include "base/quote.h"
#include "grantctl/commands/commands.h"
#include "grantctl/output.h"
#include "store/store.h"

namespace grantctl {

using grantfs::Admin;
using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::Found;
using grantfs::PolicyRow;
using grantfs::quoted;
using grantfs::Result;
using grantfs::Store;
using grantfs::StorePath;

namespace {

/// The paths that were found. They are written at once, since there may be millions.
class Findings {
 public:
  explicit Findings(bool json) : json_(json) {
    if (json_) std::cout << "{\n  \"unclaimed\": [";
  }

  void unclaimed(const StorePath& file) {
    ++unclaimed_;
    if (!json_) return print_line("unclaimed  " + grantfs::escaped(file.text()));
    Json object;
    put_bytes(object, "path", file.spelling());
    element(object, unclaimed_ == 1);
  }
  /// The paths from here on are those of rules that name nothing.
  void begin_missing() {
    if (json_) std::cout << (unclaimed_ > 0 ? "\n  ],\n" : "],\n") << "  \"missing\": [";
  }
  void missing(const PolicyRow& row) {
    ++missing_;
    const bool owner = row.kind == PolicyRow::Kind::kOwner;
    if (!json_) {
      return print_line(fmt::format("missing    {}  ({} {})", grantfs::escaped(shown(row.path)),
                                    owner ? "owned by" : "granted to",
                                    grantfs::escaped(row.principal.text())));
    }
    Json object;
    put_bytes(object, "path", row.path.spelling());
    put_bytes(object, "principal", row.principal.text());
    object["right"] = owner ? "own" : "read";
    element(object, missing_ == 1);
  }
  void end() {
    if (json_) std::cout << (missing_ > 0 ? "\n  ]\n}\n" : "]\n}\n");
    if (!none()) {
      complain(fmt::format("files that nobody may read: {}; rules that name no file: {}",
                           unclaimed_, missing_));
    }
  }
  bool none() const { return unclaimed_ + missing_ == 0; }

 private:
  static void element(const Json& object, bool first) {
    std::cout << (first ? "\n    " : ",\n    ")
              << object.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  const bool json_;
  std::int64_t unclaimed_ = 0;
  std::int64_t missing_ = 0;
};

/// Walks the store in the order of names. It does not go into folders that a rule covers.
class UnclaimedWalk {
 public:
  UnclaimedWalk(const Store& store, Admin& admin, Findings& findings)
      : store_(store), admin_(admin), findings_(findings) {}

  Result<void> run() {
    auto rules = admin_.rules_about(StorePath());
    if (!rules) return rules.error();
    return rules->here ? Result<void>() : folder(StorePath(), rules->below);
  }

 private:
  struct Entry {
    std::string name;
    Found::Type type;
  };

  Result<std::vector<Entry>> entries(const StorePath& path) const {
    const auto trouble = [&](grantfs::Errno error) -> Result<std::vector<Entry>> {
      if (error.value == ENOENT) return std::vector<Entry>();  // the folder is gone meanwhile
      return Error{ErrorKind::kSystem,
                   fmt::format("cannot look into {} of the store: {}", quoted(shown(path)),
                               std::strerror(error.value))};
    };
    auto located = store_.locate(path);
    if (!located) return trouble(located.error());
    auto opened = store_.open_folder(path, *located);
    if (!opened) return trouble(opened.error());
    std::vector<Entry> found;
    while (true) {
      auto entry = opened->next();
      if (!entry && entry.error().value == 0) break;
      if (!entry) return trouble(entry.error());
      if (entry->name != "." && entry->name != "..") {
        found.push_back({std::string(entry->name), entry->type});
      }
    }
    std::ranges::sort(found, {}, &Entry::name);
    return found;
  }

  /// `rules_below` is false if no rule lies below the folder: then no rule is looked for there.
  Result<void> folder(const StorePath& path, bool rules_below) {
    auto found = entries(path);
    if (!found) return found.error();
    for (const Entry& entry : *found) {
      const StorePath child = path.child(entry.name);
      grantfs::RulePresence rules;
      if (rules_below) {
        auto about = admin_.rules_about(child);
        if (!about) return about.error();
        rules = *about;
      }
      if (rules.here) continue;
      if (entry.type == Found::Type::kFile) {
        findings_.unclaimed(child);
      } else if (auto walked = folder(child, rules.below); !walked) {
        return walked;
      }
    }
    return {};
  }

  const Store& store_;
  Admin& admin_;
  Findings& findings_;
};

/// Finds the rules whose path leads to no file and no folder of the store.
Result<void> find_missing(const Store& store, Admin& admin, Findings& findings) {
  std::optional<StorePath> looked_at;  // the rules of one path come one after another
  bool there = false;
  return admin.for_each_row([&](const PolicyRow& row) -> Result<void> {
    if (row.kind != PolicyRow::Kind::kOwner && row.kind != PolicyRow::Kind::kGrant) return {};
    if (looked_at != row.path) {
      auto found = store.find(row.path);
      there = found.ok();
      if (!there && found.error().value != ENOENT) {
        return Error{ErrorKind::kSystem,
                     fmt::format("cannot look at {} of the store: {}", quoted(shown(row.path)),
                                 std::strerror(found.error().value))};
      }
      looked_at = row.path;
    }
    if (!there) findings.missing(row);
    return {};
  });
}

Result<int> run_scan(Context& context, const std::string& directory) {
  auto store = Store::open(directory, grantfs::FileIdKey{});
  // A missing store is trouble to a daemon, since the store may come later. Here a missing store is
  // a wrong argument.
  if (!store) return Error{ErrorKind::kInvalid, store.error().message};
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  Findings findings(context.json);
  if (auto walked = UnclaimedWalk(*store, **admin, findings).run(); !walked) return walked.error();
  findings.begin_missing();
  if (auto looked = find_missing(*store, **admin, findings); !looked) return looked.error();
  findings.end();
  return findings.none() ? kDone : kDenied;
}

}  // namespace

void add_scan(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "scan",
      "Compare the policy with the store: which files have neither an owner nor a grant,\n"
      "and which rules name no file? Exit status 1 if there are any",
      "  grantctl scan /srv/photos\n"
      "  grantctl --json scan /srv/photos");
  auto store = std::make_shared<std::string>();
  command.add_option("STORE", *store, "the private directory itself, not the mount")->required();
  on_run(command, context, [store](Context& shared) { return run_scan(shared, *store); });
}

}  // namespace grantctl
