#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>

namespace grantctl::nginxconf {

/// Views whose next component the visitor must not choose: who he is, or where he comes from.
struct Exposure {
  std::string chosen;   ///< the variable that he chooses, without '$'
  std::string chooses;  ///< what he chooses by it, for people: "the user"
  std::string advice;
};

/// The first variable in a text that the visitor chooses.
using FindChosen = std::function<std::optional<std::string>(const std::string& text)>;

/// Whether the visitor chooses who he is, or any view, in a path that nginx looks up below one of
/// the mounts (each with a slash at its end). A session's token in the URL is one that whoever
/// has the URL may use, as the view as a whole; in a cookie or an argument, it is a token.
std::optional<Exposure> exposure_in(const std::string& path, const std::set<std::string>& mounts,
                                    const FindChosen& find_chosen);

}  // namespace grantctl::nginxconf
