#include "grantctl/nginxconf/identity.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace grantctl::nginxconf {

namespace {

/// A view, and how its next component is judged.
struct View {
  std::string_view name;
  bool is_token;           ///< the component is a secret, which lets its bearer in
  bool is_servers_to_say;  ///< the visitor must not choose the component by the URL
  std::string_view chooses;
  std::string_view instead;
};
constexpr std::array<View, 9> kViews = {
    View{"by-user", false, true, "the user",
         "by-user/$checked/, checked against $remote_user by a map"},
    View{"by-uid", false, true, "the system user", "public/; by-uid is for no web server"},
    View{"by-process", false, true, "the processes", "public/; by-process is for no web server"},
    View{"from", false, true, "the address that he comes from",
         "from/$remote_addr/, which nginx knows"},
    View{"by-session", true, true, "the session by his URL",
         "by-session/$checked/ with a checked token out of a cookie"},
    View{"by-link", true, false, "the link", "by-link/"},
    View{"by-signature", true, false, "the signature", "by-signature/"},
    View{"by-md5", true, false, "the signature", "by-md5/"},
    View{"expired", true, false, "the token", "expired/"}};

const View* view_of(const std::string& name) {
  const auto found =
      std::ranges::find_if(kViews, [&](const View& view) { return view.name == name; });
  return found == kViews.end() ? nullptr : &*found;
}

/// Whether a name belongs to nobody, by grantfs's rules or by custom: maps use such names for
/// "nobody".
bool is_dead(const std::string& name) {
  static const std::set<std::string_view> kNobody = {
      "none",   "nobody",    "anon",   "anonymous", "guest",   "invalid", "unknown",
      "denied", "deny",      "nouser", "no-user",   "no_user", "null",    "nil",
      "dead",   "forbidden", "x",      "no",        "false"};
  if (name.empty() || std::isalnum(static_cast<unsigned char>(name[0])) == 0) return true;
  if (std::ranges::any_of(name, [](unsigned char c) { return c <= ' '; })) return true;
  std::string lower = name;
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  const bool is_number = std::ranges::all_of(name, [](unsigned char c) { return c == '0'; });
  return is_number || kNobody.contains(lower);
}

/// Whether the text may be a token: a token has at least 16 characters (grantfs::Token).
bool is_token(const std::string& text) {
  constexpr std::size_t kShortest = 16;
  return text.size() >= kShortest;
}

/// The texts that a piece may be once `access` has let the visitor in. If a file of plain names
/// lets visitors in, a user's name is plain.
Language language_in(const Piece& piece, const Access& access) {
  const bool is_user =
      !piece.from.empty() && std::ranges::all_of(piece.from, [](const Source& source) {
        return source.first == Origin::kBasicUser;
      });
  if (!is_user || !piece.language.may_climb() || !access.proves(*piece.from.begin()) ||
      !access.has_plain_users()) {
    return piece.language;
  }
  Language plain = piece.language;
  plain.characters.reset('/');
  plain.may_be_empty = plain.may_be_dot = plain.may_be_dots = false;
  return plain;
}

/// Judges the part of a path below a mount.
class Below {
 public:
  Below(const Alternative& path, const std::vector<Component>& components, const Access& access,
        const std::string& mount, Judgement& judgement)
      : path_(path),
        components_(components),
        access_(access),
        mount_(mount),
        judgement_(judgement) {}

  void judge(std::size_t at) {
    judgement_.is_in_mount = true;
    if (at >= components_.size()) return;
    const Component& first = components_[at];
    const auto name = first.constant();
    if (!name && !may_be_a_view(first)) return;
    if (!name) {
      judge_unnamed_view(first);
      return;
    }
    const View* view = view_of(*name);
    if (view == nullptr) return;  // public, me, or no view at all
    judgement_.is_private = true;
    if (at + 1 < components_.size()) judge_identity(*view, at + 1);
  }

 private:
  void fault(std::string what, const View* view) {
    const std::string instead =
        view == nullptr ? fmt::format("{}/public/, or the view that is meant, by name", mount_)
                        : fmt::format("{}/{}", mount_, view->instead);
    judgement_.faults.push_back({"exposed-view", std::move(what), "serve " + instead, ""});
  }

  std::string first_chosen(const Sources& sources) const {
    for (const Source& source : sources) {
      if (!access_.proves(source)) return source.second;
    }
    return {};
  }

  static bool may_be_a_view(const Component& component) {
    const bool begins = component.pieces[0].is_literal;
    return std::ranges::any_of(kViews, [&](const View& view) {
      return !begins || view.name.starts_with(component.pieces[0].literal);
    });
  }

  /// Judges a path in which the view's name is not constant.
  void judge_unnamed_view(const Component& first) {
    judgement_.is_private = true;
    if (first.spans && has(first.from(), Origin::kUrl)) {
      fault(
          "to the mount's top, by-session/ and all: a visitor writes any session or user into the "
          "URL himself",
          nullptr);
      return;
    }
    const std::string chosen = first_chosen(sources_of({Alternative{first.pieces}}));
    if (chosen.empty()) return;
    fault(fmt::format("where the visitor chooses any view, by-session/ and all, by ${}", chosen),
          nullptr);
  }

  void judge_identity(const View& view, std::size_t at) {
    const Component& who = components_[at];
    const Sources from = who.from();
    if (view.is_token) note_token(who, from);
    if (who.spans) {
      judge_spanning(view, who, from);
      return;
    }
    if (view.is_servers_to_say) {
      judge_shape(view, who, at);
      judge_choice(view, who, from);
    }
    if (view.name == "from") judge(at + 1);
  }

  void note_token(const Component& who, const Sources& from) {
    for (const Source& source : from) judgement_.tokens.insert(source);
    if (who.constant() && is_token(*who.constant())) {
      judgement_.tokens.insert({Origin::kServer, *who.constant()});
    }
  }

  void judge_spanning(const View& view, const Component& who, const Sources& from) {
    if (!view.is_servers_to_say) return;
    const Piece* piece = who.varying();
    const bool is_empty = std::ranges::any_of(
        path_.text, [](const Piece& part) { return part.is_literal && part.literal.empty(); });
    if (is_empty || piece == nullptr || piece->name == "uri") {
      const std::string why = is_empty ? ", where a map has nothing, or \"\"" : "";
      fault(
          fmt::format("to the view {} as a whole{}: a visitor writes any session or user into the "
                      "URL himself",
                      view.name, why),
          &view);
      return;
    }
    // A token without a check is reported by the rule for unchecked variables.
    if (view.is_token && piece->language.may_climb() && !has(from, Origin::kUrl)) return;
    const std::string chosen = first_chosen(from);
    if (!chosen.empty()) {
      fault(fmt::format("where the visitor chooses {} by ${}", view.chooses, piece->name), &view);
    }
  }

  /// Judges an identity of exactly one component: whether it may be empty or ".".
  void judge_shape(const View& view, const Component& who, std::size_t at) {
    Language language = exactly("");
    for (const Piece& piece : who.pieces) {
      language = concatenated(language, language_in(piece, access_));
    }
    const Piece* piece = who.varying();
    if (piece == nullptr || at + 1 >= components_.size()) return;
    if (language.may_be_empty) {
      judgement_.faults.push_back(
          {"empty-identity",
           fmt::format("to {}/{}/, where ${} may be empty: what follows is then taken for {}",
                       mount_, view.name, piece->name, view.chooses),
           fmt::format("take it through a map with a name for nobody: map ${} $checked {{ default "
                       "_nobody; \"~^(?<name>[A-Za-z0-9][A-Za-z0-9_@.-]{{0,127}})$\" $name; }}",
                       piece->name),
           ""});
    } else if (language.may_be_dot) {
      judgement_.faults.push_back(
          {"unchecked-variable",
           fmt::format("to {}/{}/, where ${} may be \".\": what follows is then taken for {}",
                       mount_, view.name, piece->name, view.chooses),
           "let it begin with a letter or a digit", ""});
    }
  }

  /// The sources that chose the identity. A piece that only a visitor with a secret can choose has
  /// no source here.
  static Sources choosers(const Component& who) {
    Sources all;
    for (const Piece& piece : who.pieces) {
      if (!piece.is_secret) all.insert(piece.chosen_by.begin(), piece.chosen_by.end());
    }
    return all;
  }

  void judge_choice(const View& view, const Component& who, const Sources& from) {
    if (const auto constant = who.constant()) {
      judge_constant(view, who, *constant);
      return;
    }
    const bool is_cookie_token = view.is_token && !has(from, Origin::kUrl);
    std::string chosen = is_cookie_token ? "" : first_chosen(from);
    if (chosen.empty() && !view.is_token) chosen = first_chosen(choosers(who));
    if (chosen.empty()) return;
    const Piece* piece = who.varying();
    fault(fmt::format("where the visitor chooses {} by ${}", view.chooses,
                      piece->name.empty() ? chosen : piece->name),
          &view);
  }

  void judge_constant(const View& view, const Component& who, const std::string& name) {
    if (view.is_token ? !is_token(name) : is_dead(name)) return;
    const Piece whole = Alternative{who.pieces}.as_one();
    if (whole.is_secret) return;
    const std::string chosen = first_chosen(choosers(who));
    if (!chosen.empty()) {
      fault(fmt::format("where the visitor chooses {} by ${}: whatever he sends, he is answered as "
                        "{}",
                        view.chooses, chosen, shown(view, name)),
            &view);
    } else if (whole.is_default && !whole.chosen_by.empty()) {
      fault(fmt::format("where everybody whom the map does not name is answered as {}",
                        shown(view, name)),
            &view);
    } else if (whole.chosen_by.empty() && view.name != "by-uid" && view.name != "by-process" &&
               !access_.asks_for_anything()) {
      fault(fmt::format("where everybody who asks is answered as {}: nothing asks who he is",
                        shown(view, name)),
            &view);
    }
  }

  static std::string shown(const View& view, const std::string& name) {
    return view.is_token ? "the one whose token the configuration has" : name;
  }

  const Alternative& path_;
  const std::vector<Component>& components_;
  const Access& access_;
  const std::string& mount_;
  Judgement& judgement_;
};

/// The rest of a tree's path that the visitor must write to get there.
std::string missing(const Tree& tree, const std::vector<Component>& components, int by) {
  if (by < 0) return {};
  std::string fixed;
  for (int i = 0; i < by; ++i) {
    const auto text = components[static_cast<std::size_t>(i)].constant();
    if (!text) return {};
    fixed += "/" + *text;
  }
  const Component& last = components[static_cast<std::size_t>(by)];
  if (last.pieces.size() != 1 || !tree.path.starts_with(fixed + "/")) return {};
  return tree.path.substr(fixed.size()) + "/";
}

void judge_tree(const Tree& tree, const Alternative& path, const std::vector<Component>& components,
                const Access& access, Judgement& judgement) {
  for (const Reach& way : ways_into(tree, components)) {
    if (tree.kind == Tree::Kind::kMount) {
      if (way.by < 0) {
        Below(path, components, access, tree.path, judgement).judge(way.below);
        continue;
      }
      const Component& by = components[static_cast<std::size_t>(way.by)];
      const Piece* piece = by.varying();
      judgement.is_in_mount = judgement.is_private = true;
      judgement.faults.push_back(
          {"exposed-view",
           fmt::format(
               "to a folder above the mount {}, where the visitor chooses any folder by ${}, "
               "the mount's top too, by-session/ and all",
               tree.path, piece == nullptr ? "uri" : piece->name),
           fmt::format("serve {}/public/, or the view that is meant, by name", tree.path),
           missing(tree, components, way.by)});
      continue;
    }
    const bool is_store = tree.kind == Tree::Kind::kStore;
    judgement.faults.push_back(
        {"store-served",
         fmt::format("to {} {}, {}", is_store ? "the private store" : "the policy's folder",
                     tree.path,
                     is_store ? "past grantfs: whoever asks has every file"
                              : "with all rules, and who may read what"),
         is_store ? "serve the mount, and give nginx's user no way to the store"
                  : "give nginx's user no way to the policy",
         missing(tree, components, way.by)});
  }
}

bool is_no_name(const Language& part) {
  return part.may_be_empty || part.may_be_dot || part.may_be_dots;
}

/// Whether the text before a piece, back to the last slash, makes the component a name other than
/// "..".
bool is_glued_before(const std::vector<Piece>& path, std::size_t at) {
  Language part = exactly("");
  while (at-- > 0) {
    const Piece& piece = path[at];
    const auto slash = piece.is_literal ? piece.literal.rfind('/') : std::string::npos;
    if (!piece.is_literal && piece.language.may_hold('/')) return false;
    part = concatenated(
        slash == std::string::npos ? piece.language : exactly(piece.literal.substr(slash + 1)),
        part);
    if (slash != std::string::npos) break;
  }
  return !is_no_name(part);
}

/// Whether the text behind a piece, up to the next slash, makes the component a name other than
/// "..".
bool is_glued_behind(const std::vector<Piece>& path, std::size_t at) {
  Language part = exactly("");
  while (++at < path.size()) {
    const Piece& piece = path[at];
    const auto slash = piece.is_literal ? piece.literal.find('/') : std::string::npos;
    if (!piece.is_literal && piece.language.may_hold('/')) return false;
    part = concatenated(part, slash == std::string::npos ? piece.language
                                                         : exactly(piece.literal.substr(0, slash)));
    if (slash != std::string::npos) break;
  }
  return !is_no_name(part);
}

}  // namespace

Judgement judge(const Alternative& path, const std::vector<Tree>& trees, const Access& access) {
  Judgement judgement;
  const auto components = components_of(path.text);
  for (const Tree& tree : trees) judge_tree(tree, path, components, access, judgement);
  return judgement;
}

std::string unchecked_in(const Alternative& path, const Access& access) {
  for (std::size_t i = 0; i < path.text.size(); ++i) {
    const Piece& piece = path.text[i];
    const Language language = language_in(piece, access);
    if (piece.is_literal || !language.may_hold('/') || !language.may_climb()) continue;
    const bool is_part = language.is_cut_before || language.is_cut_behind;
    const bool before = !language.is_cut_before || is_glued_before(path.text, i);
    const bool behind = !language.is_cut_behind || is_glued_behind(path.text, i);
    if (!is_part || !before || !behind) return piece.name;
  }
  for (const Component& component : components_of(path.text)) {
    Language whole = exactly("");
    for (const Piece& piece : component.pieces) {
      whole = concatenated(whole, language_in(piece, access));
    }
    const Piece* varying = component.varying();
    if (varying != nullptr && !component.spans && whole.may_climb()) return varying->name;
  }
  return {};
}

}  // namespace grantctl::nginxconf
