// `by-signature/SIGNATURE`: the file or folder that was signed, for the bearer of the signature.
#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "views/doors.h"
#include "views/every_door.h"

namespace grantfs {
namespace {

class BySignature final : public Door {
 public:
  BySignature(const DoorContext& context, std::string_view name)
      : Door(context, {.name = name,
                       .inode = 10,
                       .passers = Passers::kServers,
                       .places = {.at_root = true, .below_address = true},
                       .views = {.may_be_lent = true, .hides_neighbours = true}}) {}

  Result<Opening, Errno> open(const Visit& visit) const override {
    if (!StorePath::is_name(visit.name)) return deny(EACCES);
    auto signature = Signature::parse(visit.name);
    if (!signature) return deny(EACCES);
    return Opening(entrance(SignatureBearer{std::move(*signature), visit.from()}, label_of(visit)));
  }
  std::string label_of(const Visit& visit) const override {
    return "signature:" + TokenHash::of(visit.name).hex() + at(visit.from());
  }
};

}  // namespace

void add_by_signature(Doors& doors, std::string_view name) {
  doors.add(std::make_unique<BySignature>(doors.context(), name));
}

}  // namespace grantfs
