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

/// What is known at a place of a configuration beyond what its variables may be anywhere: what was
/// set before, what an `if` let through, and what $1, $2, ... are. Reads fall through to `around`,
/// which must outlive it.
class Frame {
 public:
  using Numbers = std::array<Value, 10>;

  explicit Frame(const Frame* around = nullptr) : around_(around) {}
  const Value* find(const std::string& name) const;
  void set(const std::string& name, Value value) { known_[name] = std::move(value); }
  /// Forgets what was set here, not what is set around.
  void unset(const std::string& name) { known_.erase(name); }
  const Value* find_here(const std::string& name) const;
  std::size_t size() const { return known_.size(); }

  Numbers numbers;

 private:
  const Frame* around_;
  std::map<std::string, Value> known_;
};

/// What a match captures.
struct Captured {
  Frame::Numbers numbers;
  std::map<std::string, Value> named;
};

/// What judging a configuration has cost, and what stopped it.
struct Cost {
  std::size_t steps = 0;
  std::optional<grantfs::Error> trouble;
};

/// The most steps that a configuration may take, about a second's work. One of 1,000 locations in
/// one server takes a tenth.
inline constexpr std::size_t kMostSteps = 1'000'000;
/// Variables that are defined by variables, and so on.
inline constexpr unsigned kLongestChain = 100;

/// Says of the variables of a configuration what they may be. What it says is a superset of what
/// can happen. Beyond the bounds it stops at `cost.trouble`, and anything it says is to be thrown
/// away. `top` must outlive it; not thread-safe.
class Variables {
 public:
  Variables(const Directive& top, Cost& cost);

  /// A text with variables in it, at a place where `frame` holds.
  Value of(std::string_view text, const Frame& frame, const Place& place);
  /// What a pattern captures out of a value.
  Captured captured(const std::string& pattern, const Value& subject, const Place& place);
  /// Parsed once.
  const Pattern& pattern(const std::string& text, const Place& place);
  /// What masks the component behind `prefix` in a log, if a map does so: the value that counts
  /// for URLs that begin with it. Nothing if the variable is no such map's.
  std::optional<Value> for_urls_below(const std::string& name, const std::string& prefix);

  /// Counts; false once there were too many.
  bool step(const Place& place, std::size_t steps = 1);
  /// Counts a look at each of so many, which takes little.
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
  std::set<std::string> set_;       ///< by `set`
  std::set<std::string> scripted_;  ///< by a program
  std::map<std::string, Value> remembered_;
  std::map<std::string, Pattern> patterns_;
  std::set<std::string> under_way_;
  bool used_frame_ = false;  ///< what is being looked up depends on where
  unsigned depth_ = 0;
  bool merges_slashes_ = true;  ///< everywhere
};

/// Whether a map's key is one that nobody says who was not told it.
bool is_secret_word(const std::string& key, const Value& subject);

}  // namespace grantctl::nginxconf
