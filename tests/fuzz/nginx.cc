// nginx's configuration: read and audited within bounds, and what is said of it the same each time.
#include <string>

#include "fuzz.h"
#include "grantctl/nginxconf/audit.h"
#include "grantctl/nginxconf/parser.h"
#include "memory_file.h"

namespace grantfs::fuzz {
namespace {

using namespace grantctl::nginxconf;  // NOLINT(google-build-using-namespace): all of it is tried

std::string said_of(const Directive& top) {
  const auto report =
      audit(top, {{Tree::Kind::kMount, "/srv/files"}, {Tree::Kind::kStore, "/srv/private"}});
  if (!report) return "refused: " + report.error().message;
  std::string said;
  for (const Finding& finding : report->findings) {
    require(!finding.rule.empty() && !finding.what.empty() && !finding.advice.empty(),
            "a finding says what to do");
    said += finding.rule + finding.what + finding.advice;
  }
  for (const Note& note : report->notes) said += note.what;
  return said;
}

std::size_t directives_in(const Directive& directive, unsigned depth) {
  require(depth <= kDeepestBlocks + 1, "blocks are nested within bounds");
  std::size_t count = 1;
  for (const Directive& each : directive.block) count += directives_in(each, depth + 1);
  return count;
}

bool includes(std::string_view text) {
  return text.find("nclude") != std::string_view::npos ||
         text.find("oad_module") != std::string_view::npos;
}

}  // namespace

void try_input(std::string_view input) {
  constexpr std::size_t kMost = 4096;
  // Files of this machine would be read: none that it has is part of the input.
  if (input.size() > kMost || includes(input)) return;
  const MemoryFile file(input);
  const auto top = parse_file(file.path());
  if (!top) {
    require(top.error().kind == ErrorKind::kInvalid, "a configuration that is refused is invalid");
    return;
  }
  require(directives_in(*top, 0) <= input.size() + 1, "each directive has a byte of its own");
  require(said_of(*top) == said_of(*top), "the same is said each time");
}

}  // namespace grantfs::fuzz
