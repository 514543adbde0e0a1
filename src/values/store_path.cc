#include "grantfs/store_path.h"

#include <fmt/core.h>

#include <cassert>

#include "base/quote.h"

namespace grantfs {

bool StorePath::is_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && name != "." && name != ".." &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

Result<StorePath> StorePath::parse(std::string_view text) {
  const auto refuse = [&](std::string_view why) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("{} is not a path in the store: {}", quoted(text), why)};
  };
  if (text == kWholeStore) return StorePath();
  if (text.empty()) return refuse("it is empty; the whole store is written .");
  if (text.size() > kMaxBytes) return refuse(fmt::format("it is longer than {} bytes", kMaxBytes));
  if (text.front() == '/') return refuse("it begins with '/'; write it relative to the store");
  if (text.back() == '/') return refuse("it ends with '/'");
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find('/', begin), text.size());
    const auto component = text.substr(begin, end - begin);
    if (component.empty()) return refuse("it has an empty component");
    if (component == "." || component == "..") {
      return refuse(fmt::format("it has a component {}", quoted(component)));
    }
    if (component.find('\0') != std::string_view::npos) return refuse("it has a zero byte");
    begin = end + 1;
  }
  return StorePath(std::string(text));
}

StorePath StorePath::parent() const {
  const auto slash = text_.rfind('/');
  return StorePath(slash == std::string::npos ? std::string() : text_.substr(0, slash));
}

StorePath StorePath::below(const StorePath& folder) const {
  if (is_root()) return folder;
  return folder.is_root() ? *this : StorePath(folder.text_ + '/' + text_);
}

std::string_view StorePath::name() const {
  const auto slash = text_.rfind('/');
  return slash == std::string::npos ? std::string_view(text_)
                                    : std::string_view(text_).substr(slash + 1);
}

StorePath StorePath::child(std::string_view name) const {
  assert(is_name(name));
  std::string text;
  text.reserve(text_.size() + 1 + name.size());
  text += text_;
  if (!text_.empty()) text += '/';
  text += name;
  return StorePath(std::move(text));
}

bool StorePath::covers(const StorePath& other) const {
  if (is_root()) return true;
  return other.text_.starts_with(text_) &&
         (other.text_.size() == text_.size() || other.text_[text_.size()] == '/');
}

std::vector<std::string_view> StorePath::self_and_ancestors() const {
  std::vector<std::string_view> result;
  std::string_view rest = text_;
  while (!rest.empty()) {
    result.push_back(rest);
    const auto slash = rest.rfind('/');
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(0, slash);
  }
  result.emplace_back();
  return result;
}

}  // namespace grantfs
