#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "grantctl/nginxconf/parser.h"
#include "grantctl/nginxconf/pattern.h"
#include "grantctl/nginxconf/value.h"

namespace grantctl::nginxconf {

/// The facts about variables at one place of a configuration, beyond those that hold everywhere:
/// values set before, the conditions of an `if`, and $1, $2, ... A name that is not found here is
/// looked up in `around`, which must outlive this frame.
class Frame {
 public:
  using Numbers = std::array<Value, 10>;

  explicit Frame(const Frame* around = nullptr) : around_(around) {}
  const Value* find(const std::string& name) const;
  void set(const std::string& name, Value value) { known_[name] = std::move(value); }
  /// Removes a value that was set in this frame. A value of `around` stays.
  void unset(const std::string& name) { known_.erase(name); }
  const Value* find_here(const std::string& name) const;
  std::size_t size() const { return known_.size(); }

  Numbers numbers;

 private:
  const Frame* around_;
  std::map<std::string, Value> known_;
};

/// The groups that a match captures.
struct Captured {
  Frame::Numbers numbers;
  std::map<std::string, Value> named;
};

/// The cost of judging a configuration, and the error that stopped it.
struct Cost {
  std::size_t steps = 0;
  std::optional<grantfs::Error> trouble;
};

/// The most steps that a configuration may take, about a second's work. A server with 1,000
/// locations takes a tenth of them.
inline constexpr std::size_t kMostSteps = 1'000'000;
/// The longest chain of variables that are defined by other variables.
inline constexpr unsigned kLongestChain = 100;

/// Tells which texts the variables of a configuration may be: always a superset of those that can
/// occur. Beyond the bounds it sets `cost.trouble`, and all its answers must be thrown away. `top`
/// must outlive it; not thread-safe.
class Variables {
 public:
  Variables(const Directive& top, Cost& cost);

  /// The value of a text with variables, at a place where `frame` holds.
  Value of(std::string_view text, const Frame& frame, const Place& place);
  /// The groups that a pattern captures from a value.
  Captured captured(const std::string& pattern, const Value& subject, const Place& place);
  /// The parsed pattern. Each text is parsed once.
  const Pattern& pattern(const std::string& text, const Place& place);
  /// The value of a map's variable for URLs that begin with `prefix`, if the map masks the
  /// component behind `prefix` in a log. Nothing if the variable is of no such map.
  std::optional<Value> for_urls_below(const std::string& name, const std::string& prefix);

  /// Counts steps. Returns false once there were too many.
  bool step(const Place& place, std::size_t steps = 1);
  /// Counts a quick look at each of `count` things.
  bool step_over(std::size_t count, const Place& place) { return step(place, 1 + count / 64); }

 private:
  struct Named {
    const Directive* directive;
    std::string pattern;
    std::string subject;
  };

  void collect(const Directive& block, const Directive* map);
  void collect_named(const Directive& directive, const std::string& pattern,
                     const std::string& subject);
  Value lookup(const std::string& name, const Frame& frame, const Place& place);
  Value defined(const std::string& name, const Frame& frame, const Place& place);
  Value of_definition(const Directive& definition, const Frame& frame);
  Value of_map(const Directive& map, const Frame& frame);
  Value of_map_line(const Directive& line, const Value& subject, const std::string& source,
                    const Frame& frame);
  Value of_geo(const Directive& geo, const Frame& frame);
  Value of_split(const Directive& split, const Frame& frame);
  Value of_named(const std::vector<Named>& all, const Frame& frame, const Place& place);
  void match_patterns_of(const std::string& name, const Frame& frame, Frame::Numbers& numbers);

  Cost& cost_;
  std::map<std::string, std::vector<const Directive*>> definitions_;
  std::map<std::string, std::vector<Named>> named_;
  std::set<std::string> set_;       ///< names that `set` sets
  std::set<std::string> scripted_;  ///< names that a program sets
  std::map<std::string, Value> remembered_;
  std::map<std::string, Pattern> patterns_;
  std::set<std::string> under_way_;
  bool used_frame_ = false;  ///< the lookup under way depends on its place
  unsigned depth_ = 0;
  bool merges_slashes_ = true;  ///< nginx merges slashes in every server
};

/// Whether a map's key is a word that no visitor says unless told.
bool is_secret_word(const std::string& key, const Value& subject);

}  // namespace grantctl::nginxconf
