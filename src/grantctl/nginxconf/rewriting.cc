#include "grantctl/nginxconf/rewriting.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace grantctl::nginxconf {

namespace {

std::string bare(const std::string& word) {
  return word.starts_with('$') ? word.substr(1) : word;
}

bool is_number_variable(const std::string& name) {
  return name.size() == 1 && std::isdigit(static_cast<unsigned char>(name[0])) != 0;
}

/// Whether a visitor can influence the value, as far as that is certain without the checks on
/// visitors.
bool is_visitors(const Value& value) {
  return std::ranges::any_of(sources_of(value), [](const Source& source) {
    switch (source.first) {
      case Origin::kUrl:
      case Origin::kArgument:
      case Origin::kCookie:
      case Origin::kHeader:
      case Origin::kHost:
      case Origin::kUnknown:
        return true;
      default:
        return false;
    }
  });
}

Value not_empty(const Value& value) {
  Value rest;
  for (Alternative alternative : value) {
    const auto text = alternative.constant();
    if (text && text->empty()) continue;
    if (alternative.text.size() == 1) alternative.text[0].language.may_be_empty = false;
    rest.push_back(std::move(alternative));
  }
  return rest.empty() ? constant("_") : rest;  // no request comes here
}

class Runner {
 public:
  Runner(Variables& variables, const Frame& before) : variables_(variables) {
    outcome_.frame = Frame(&before);
    outcome_.frame.numbers = before.numbers;
  }

  /// Returns false if no directive behind the block is reached.
  bool run(const Directive& block) {
    for (const Directive& directive : block.block) {
      if (!variables_.step(directive.place)) return true;
      if (directive.name == "set" && directive.arguments.size() == 2) {
        run_set(directive);
      } else if (directive.name == "if") {
        run_if(directive);
      } else if (directive.name == "return") {
        return false;
      } else if (directive.name == "break") {
        has_broken_ = true;
        return true;
      } else if (directive.name == "rewrite" && directive.arguments.size() >= 2) {
        run_rewrite(directive);
      }
    }
    return true;
  }

  Outcome take(bool is_answered) {
    outcome_.is_answered = is_answered;
    return std::move(outcome_);
  }

 private:
  Frame& frame() { return outcome_.frame; }

  Value known(const std::string& name, const Place& place) {
    return variables_.of("${" + name + "}", frame(), place);
  }

  void put(const std::string& name, Value value) {
    if (is_number_variable(name)) {
      frame().numbers[static_cast<std::size_t>(name[0] - '0')] = std::move(value);
    } else {
      frame().set(name, std::move(value));
    }
  }

  void run_set(const Directive& directive) {
    const std::string name = bare(directive.arguments[0]);
    Value value = variables_.of(directive.arguments[1], frame(), directive.place);
    // A `set` that may be skipped leaves the value from before. run_if() joins the values of a
    // `set` inside an `if`.
    if (may_be_left_) join(value, known(name, directive.place));
    if (changes_ != nullptr && !changes_->contains(name)) {
      changes_->emplace(name, known(name, directive.place));
    }
    frame().set(name, std::move(value));
  }

  void take_captures(const Captured& captured) {
    frame().numbers = captured.numbers;
    for (const auto& [name, value] : captured.named) frame().set(name, value);
  }

  void run_rewrite(const Directive& directive) {
    const auto& words = directive.arguments;
    const auto captured =
        variables_.captured(words[0], known("uri", directive.place), directive.place);
    const Frame::Numbers numbers = frame().numbers;
    std::map<std::string, Value> named;
    for (const auto& [name, value] : captured.named) {
      const Value* before = frame().find(name);
      named[name] = before == nullptr ? constant("") : *before;
    }
    take_captures(captured);
    const std::string flag = words.size() > 2 ? words[2] : "";
    const bool redirects = flag == "redirect" || flag == "permanent" ||
                           words[1].starts_with("http://") || words[1].starts_with("https://") ||
                           words[1].starts_with("$scheme");
    if (!redirects) {
      const std::string path = words[1].substr(0, words[1].find('?'));
      Value uri = variables_.of(path, frame(), directive.place);
      outcome_.targets.push_back({&directive, uri, flag == "break", inside_});
      Value either = known("uri", directive.place);
      join(either, uri);
      if (flag.empty()) put("uri", either);
    }
    // The pattern may match or not, so each group may have its new value or its old one.
    for (std::size_t i = 0; i < numbers.size(); ++i) join(frame().numbers[i], numbers[i]);
    for (auto& [name, before] : named) {
      join(before, captured.named.at(name));
      frame().set(name, std::move(before));
    }
    if (flag == "break" || flag == "last") may_be_left_ = true;
  }

  void run_if(const Directive& directive) {
    const Condition condition = condition_of(directive);
    const Frame::Numbers numbers = frame().numbers;
    const auto named = named_before(condition, directive.place);
    const auto undo = suppose(condition, /*holds=*/true, directive.place);
    std::map<std::string, Value> changes;
    const bool goes_on = run_inside(directive, changes);
    std::map<std::string, Value> inner;
    for (const auto& [name, before] : changes) inner[name] = known(name, directive.place);
    take_back(undo);
    // take_back() also undid the assumption on variables that are set inside; their values from
    // before are read again.
    for (const auto& [name, value] : undo) {
      if (changes.contains(name)) changes[name] = known(name, directive.place);
    }
    const Frame::Numbers inner_numbers = frame().numbers;
    frame().numbers = numbers;
    for (std::size_t i = 0; i < numbers.size(); ++i) join(frame().numbers[i], inner_numbers[i]);
    for (const auto& [name, before] : named) {
      Value either = known(name, directive.place);
      join(either, before);
      put(name, std::move(either));
    }
    if (!goes_on) {
      for (auto& [name, value] : changes) put(name, std::move(value));
      note_guard(directive, condition);
      if (!may_be_left_) suppose(condition, /*holds=*/false, directive.place);
      return;
    }
    for (auto& [name, before] : changes) {
      Value either = inner[name];
      // if ($x = "") { set $x ...; }: if $x kept its value, that value was not empty.
      const bool is_filled = condition.operation == "=" && condition.operand.empty();
      join(either, is_filled && condition.variable == name ? not_empty(before) : before);
      put(name, std::move(either));
    }
  }

  /// Runs the inside of an `if`. Returns false if no directive behind it is reached. `changes` gets
  /// the values from before of the variables that it sets.
  bool run_inside(const Directive& directive, std::map<std::string, Value>& changes) {
    auto* const outer_changes = std::exchange(changes_, &changes);
    const Directive* const around = inside_;
    const bool had_broken = std::exchange(has_broken_, false);
    if (has_settings(directive)) inside_ = &directive;
    const bool goes_on = run(directive);
    inside_ = around;
    may_be_left_ = may_be_left_ || has_broken_;
    has_broken_ = had_broken;
    changes_ = outer_changes;
    if (has_settings(directive) && variables_.step(directive.place, frame().size())) {
      outcome_.variants.push_back({&directive, frame()});
    }
    return goes_on;
  }

  /// The values from before of the named groups in a condition's pattern; "" if they had none.
  std::map<std::string, Value> named_before(const Condition& condition, const Place& place) {
    std::map<std::string, Value> before;
    if (condition.operation.find('~') == std::string::npos) return before;
    for (const Group& group : variables_.pattern(condition.operand, place).groups) {
      if (group.name.empty()) continue;
      const Value* value = frame().find(group.name);
      before[group.name] = value == nullptr ? constant("") : *value;
    }
    return before;
  }

  static bool has_settings(const Directive& block) {
    return std::ranges::any_of(block.block, [](const Directive& directive) {
      return directive.name == "root" || directive.name == "alias" ||
             directive.name == "error_page" || directive.name == "access_log" ||
             directive.name == "error_log";
    });
  }

  void note_guard(const Directive& directive, const Condition& condition) {
    const Directive* answer = directive.find("return");
    if (answer == nullptr || answer->arguments.empty() || may_be_left_) return;
    const std::string& code = answer->arguments[0];
    const bool refuses = code.starts_with('4') || code.starts_with("30");
    if (!refuses || condition.variable.empty()) return;
    const bool is_unequal = condition.operation == "!=";
    if (condition.variable == "ssl_client_verify") {
      const bool does_not_match = condition.operation == "!~" && condition.operand == "^SUCCESS$";
      if ((is_unequal && condition.operand == "SUCCESS") || does_not_match) {
        outcome_.certificate_verified = true;
      }
      return;
    }
    if (condition.variable == "secure_link") {
      const bool is_empty = condition.operation == "=" && condition.operand.empty();
      outcome_.is_signed =
          outcome_.is_signed || is_empty || (is_unequal && condition.operand == "1");
    }
    if (lets_through_the_known_only(condition, directive.place)) outcome_.is_guarded = true;
  }

  /// Whether only known visitors get past a condition that sends others away: known by their
  /// address, by a signature, or by a secret.
  bool lets_through_the_known_only(const Condition& condition, const Place& place) {
    Value value = known(condition.variable, place);
    const bool is_plain = condition.operand.find('$') == condition.operand.npos;
    if (condition.operation == "!=" && is_plain && is_secret_word(condition.operand, value)) {
      return true;
    }
    if ((condition.operation == "=" || condition.operation == "!=") && is_plain) {
      const bool passes_equal = condition.operation == "!=";
      std::erase_if(value, [&](const Alternative& alternative) {
        const auto text = alternative.constant();
        return text && (*text == condition.operand) != passes_equal;
      });
    }
    return std::ranges::all_of(value, [](const Alternative& alternative) {
      return std::ranges::all_of(alternative.text, [](const Piece& piece) {
        return are_known(piece.from) && (piece.is_secret || are_known(piece.chosen_by));
      });
    });
  }

  static bool are_known(const Sources& sources) {
    return std::ranges::all_of(sources, [](const Source& source) {
      return source.first == Origin::kAddress || source.first == Origin::kVerifiedCertificate ||
             (source.first == Origin::kServer && source.second == "secure_link");
    });
  }

  using Undo = std::vector<std::pair<std::string, std::optional<Value>>>;

  void refine(const std::string& name, Value value, Undo& undo) {
    const Value* here = frame().find_here(name);
    undo.emplace_back(name, here == nullptr ? std::nullopt : std::optional<Value>(*here));
    put(name, std::move(value));
  }

  void take_back(const Undo& undo) {
    for (const auto& [name, value] : undo) {
      if (is_number_variable(name)) continue;  // the numbers are put back as a whole
      if (value) {
        frame().set(name, *value);
      } else {
        frame().unset(name);
      }
    }
  }

  /// Puts into the frame all that follows from a condition, or from its opposite if `holds` is
  /// false.
  Undo suppose(const Condition& condition, bool holds, const Place& place) {
    Undo undo;
    if (condition.variable.empty()) return undo;
    const std::string& name = condition.variable;
    const std::string& operation = condition.operation;
    const bool negated = operation.starts_with('!');
    if (operation.empty()) {
      if (holds) refine(name, not_empty(known(name, place)), undo);
    } else if (operation.find('~') != std::string::npos) {
      if (holds != negated) suppose_match(condition, place, undo);
    } else if (holds == negated && condition.operand.empty()) {
      refine(name, not_empty(known(name, place)), undo);
    } else if (holds != negated) {
      suppose_equal(condition, place, undo);
    }
    return undo;
  }

  void suppose_match(const Condition& condition, const Place& place, Undo& undo) {
    const Value subject = known(condition.variable, place);
    const auto captured = variables_.captured(condition.operand, subject, place);
    take_captures(captured);
    const Pattern& pattern = variables_.pattern(condition.operand, place);
    if (!pattern.is_of_the_whole()) return;
    Value whole = captured.numbers[0];
    for (Alternative& alternative : whole) {
      alternative.text[0].name = condition.variable;
    }
    refine(condition.variable, std::move(whole), undo);
  }

  void suppose_equal(const Condition& condition, const Place& place, Undo& undo) {
    Value subject = known(condition.variable, place);
    Value other = variables_.of(condition.operand, frame(), place);
    if (other.size() == 1 && other[0].constant()) {
      const bool is_secret = is_secret_word(*other[0].constant(), subject);
      other = chosen(std::move(other), {sources_of(subject), is_secret});
      refine(condition.variable, std::move(other), undo);
      return;
    }
    // Two values are equal. The one that the visitor cannot influence tells more about both.
    const Value& better = is_visitors(other) ? subject : other;
    if (condition.operand.starts_with('$') && variables_in(condition.operand).size() == 1) {
      refine(variables_in(condition.operand)[0], better, undo);
    }
    refine(condition.variable, better, undo);
  }

  Variables& variables_;
  Outcome outcome_;
  std::map<std::string, Value>* changes_ = nullptr;  ///< the values from before the current `if`
  bool may_be_left_ = false;                         ///< the directives from here on may be skipped
  bool has_broken_ = false;
  const Directive* inside_ = nullptr;
};

}  // namespace

Condition condition_of(const Directive& directive) {
  std::vector<std::string> words = directive.arguments;
  if (words.empty()) return {};
  if (words.front().starts_with('(')) words.front().erase(0, 1);
  if (words.front().empty()) words.erase(words.begin());
  if (!words.empty() && words.back().ends_with(')')) words.back().pop_back();
  if (words.size() > 1 && words.back().empty() && words.size() != 3) words.pop_back();
  if (words.empty() || !words[0].starts_with('$')) return {};
  Condition condition{bare(words[0]), "", ""};
  if (words.size() >= 2) condition.operation = words[1];
  if (words.size() >= 3) condition.operand = words[2];
  return condition;
}

Outcome run_rewriting(const Directive& block, const Frame& before, Variables& variables) {
  Runner runner(variables, before);
  const bool goes_on = runner.run(block);
  return runner.take(!goes_on);
}

}  // namespace grantctl::nginxconf
