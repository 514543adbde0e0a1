// `by-md5/EXPIRES/MD5/URI`: the file of a URL by nginx's secure_link, and `expired/by-md5/...` of
// one whose time has passed. Only the whole URI tells which file it is, so every name on the way is
// an empty folder, whatever the store has.
#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "views/doors.h"
#include "views/every_door.h"

namespace grantfs {
namespace {

/// Whether a folder above the URI was signed, and not the URI itself.
bool is_within_signed_folder(const Decision& decision, const StorePath& uri) {
  return decision.rule_path_bytes < uri.text().size();
}

Sight empty_folder(Decision decision) {
  return {.what = Sight::What::kEmptyFolder, .decision = std::move(decision)};
}

/// The folder of one expiry: a name in it is an MD5.
class Urls : public Door {
 public:
  Urls(const DoorContext& context, std::uint64_t inode, bool may_be_lent, std::string_view label)
      : Door(context, {.inode = inode,
                       .passers = Passers::kServers,
                       .views = {.may_be_lent = may_be_lent, .is_of_uris = true}}),
        label_(label) {}

  Result<Opening, Errno> open(const Visit& visit) const override {
    const auto md5 = Md5Mark::parse_md5(visit.name);
    const auto expires = visit.way.empty() ? std::nullopt : Md5Expires::parse(visit.way.back());
    if (!md5 || !expires) return deny(EACCES);
    return Opening(entrance(Md5Bearer{{*expires, *md5}, visit.from()}, label_of(visit)));
  }
  std::string label_of(const Visit& visit) const override {
    const auto md5 = Md5Mark::parse_md5(visit.name);
    const auto expires = visit.way.empty() ? std::nullopt : Md5Expires::parse(visit.way.back());
    if (!md5 || !expires) return {};
    return label_ + expires->text() + ':' + TokenHash::of(Md5Mark::spell(*md5).view()).hex() +
           at(visit.from());
  }

 private:
  const std::string label_;
};

class LiveUrls final : public Urls {
 public:
  explicit LiveUrls(const DoorContext& context) : Urls(context, 12, true, "md5:") {}

  Result<Sight, Errno> look(const View& view, const StorePath& uri,
                            Waiting waiting) const override {
    if (uri.text().size() > StorePath::kMaxBytes) return Errno{ENOENT};
    auto decision = decide(view, uri);
    if (!decision) return decision.error();
    if (decision->access != Access::kRead) return empty_folder(std::move(*decision));
    auto located = context().store.locate(*decision->file, waiting);
    if (!located) return fail(located.error().value);
    if (is_within_signed_folder(*decision, uri) && located->found.type == Found::Type::kFolder) {
      return empty_folder({Access::kNone, decision->until});
    }
    if (located->found.type != Found::Type::kFile) return fail(ENOENT);
    StorePath path = *decision->file;
    return Sight{
        .decision = std::move(*decision), .path = std::move(path), .located = std::move(*located)};
  }
};

class PastUrls final : public Urls {
 public:
  explicit PastUrls(const DoorContext& context) : Urls(context, 14, false, "expired:") {}

  Result<Opening, Errno> open(const Visit& visit) const override {
    auto opening = Urls::open(visit);
    if (opening) std::get<Entrance>(*opening).stands_open = true;
    return opening;
  }
  /// An expired file's marker is seen at the file's own URI alone. The folders that lead there are
  /// open.
  Result<Decision, Errno> decide(const View& /*view*/, const StorePath& /*path*/) const override {
    return Decision{Access::kNone, {}};
  }
  Result<Sight, Errno> look(const View& view, const StorePath& uri,
                            Waiting waiting) const override {
    if (uri.text().size() > StorePath::kMaxBytes) return Errno{ENOENT};
    auto expired = context().policy.expired(std::get<Md5Bearer>(view.identity), uri);
    if (!expired) {
      context().judge.report(expired.error());
      return fail(EACCES);
    }
    if (expired->access != Access::kRead) return empty_folder({});
    if (is_within_signed_folder(*expired, uri)) {
      const auto found = context().store.find(*expired->file, waiting);
      if (would_wait(found)) return found.error();
      if (found && found->type == Found::Type::kFolder) return empty_folder({});
    }
    return Sight{.what = Sight::What::kMarker};
  }
};

/// The folder of the expiries.
class ByMd5 final : public Door {
 public:
  ByMd5(const DoorContext& context, const Traits& traits, const Door& urls)
      : Door(context, traits), urls_(urls) {}

  Result<Opening, Errno> open(const Visit& visit) const override {
    if (!Md5Expires::parse(visit.name)) return deny(EACCES);
    return Opening(&urls_);
  }

 private:
  const Door& urls_;
};

}  // namespace

void add_by_md5(Doors& doors, std::string_view name) {
  const DoorContext& context = doors.context();
  const Door& live = doors.add(std::make_unique<LiveUrls>(context));
  doors.add(
      std::make_unique<ByMd5>(context,
                              Door::Traits{.name = name,
                                           .inode = 11,
                                           .passers = Door::Passers::kServers,
                                           .places = {.at_root = true, .below_address = true}},
                              live));
  const Door& past = doors.add(std::make_unique<PastUrls>(context));
  doors.add(std::make_unique<ByMd5>(context,
                                    Door::Traits{.name = name,
                                                 .inode = 13,
                                                 .passers = Door::Passers::kServers,
                                                 .places = {.in_expired = true}},
                                    past));
}

}  // namespace grantfs
