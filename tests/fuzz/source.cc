// The configuration of a policy source.
#include "grantfs/source.h"
#include "fuzz.h"
#include "memory_file.h"

namespace grantfs::fuzz {

void try_input(std::string_view input) {
  const MemoryFile file(input);
  const auto config = read_source_config(file.path());
  if (!config) {
    require(config.error().kind == ErrorKind::kInvalid && is_one_line(config.error().message),
            "a refusal is one line");
    return;
  }
  require(config->database.is_absolute(), "the database's path is absolute");
  require(!config->allow.empty() && !config->list.empty(), "there are queries to ask");
  require(config->path_prefix.empty() || config->path_prefix.ends_with('/'),
          "a prefix of paths ends with a slash");
  for (const std::string& text : {config->database.native(), config->who, config->allow,
                                  config->list, config->path_prefix, config->principal_prefix}) {
    require(text.find('\0') == std::string::npos, "no text ends before its end");
  }
}

}  // namespace grantfs::fuzz
