#include "grantctl/output.h"

#include <fmt/core.h>

#include <algorithm>
#include <csignal>
#include <iostream>

#include "base/quote.h"

namespace grantctl {

using grantfs::escaped;
using grantfs::quoted;

namespace {

/// Whether JSON can hold the bytes unchanged.
bool is_utf8(std::string_view bytes) {
  try {
    (void)Json(bytes).dump();
    return true;
  } catch (const Json::type_error&) {
    return false;
  }
}

/// The width in columns of a terminal, nearly: it counts characters, not bytes.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

const char* kind_name(grantfs::ErrorKind kind) {
  switch (kind) {
    case grantfs::ErrorKind::kInvalid:
      return "usage";
    case grantfs::ErrorKind::kNotFound:
      return "not_found";
    case grantfs::ErrorKind::kConflict:
      return "conflict";
    case grantfs::ErrorKind::kDatabase:
      return "database";
    case grantfs::ErrorKind::kSystem:
      break;
  }
  return "system";
}

}  // namespace

void complain(std::string_view message) {
  std::cerr << "grantctl: " << grantfs::printable(grantfs::shortened(message)) << '\n';
}

void put_error(Json& document, const grantfs::Error& error) {
  document["error"] = grantfs::shortened(error.message);
  document["kind"] = kind_name(error.kind);
}

void print(const Json& document) {
  std::cout << document.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

void print_json_line(const Json& document) {
  std::cout << document.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
}

void print_text(std::string_view text) {
  std::cout << text;
}

void print_line(std::string_view line) {
  std::cout << line << '\n';
}

void Table::print() const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], width(escaped(row[i])));
    }
  }
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string cell = escaped(row[i]);
      line += cell;
      if (i + 1 < row.size()) line.append(widths[i] - width(cell) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    std::cout << line << '\n';
  }
}

void survive_broken_pipe() {
  (void)std::signal(SIGPIPE, SIG_IGN);
}

grantfs::Error undelivered(std::string_view what, const std::string& id,
                           const grantfs::Result<grantfs::RowCounts>& removed) {
  constexpr std::string_view kWhy = "cannot write the result to standard output";
  if (removed) {
    return {grantfs::ErrorKind::kSystem, fmt::format("{}; the {} is removed again", kWhy, what)};
  }
  return {grantfs::ErrorKind::kSystem,
          fmt::format("{0}, nor remove the {1} again ({2}); run: grantctl {1} rm {3}", kWhy, what,
                      removed.error().message, id)};
}

void put_bytes(Json& object, const std::string& key, std::string_view bytes) {
  object[key] = bytes;
  if (is_utf8(bytes)) return;
  std::string hex;
  for (const char byte : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  object[key + "_hex"] = hex;
}

Json to_json(const grantfs::Expiry& expires) {
  if (!expires) return nullptr;
  return expires->time_since_epoch().count();
}

Json to_json(const grantfs::RowCounts& counts) {
  return {{"owners", counts.owners},   {"grants", counts.grants},
          {"members", counts.members}, {"sessions", counts.sessions},
          {"links", counts.links},     {"signing_keys", counts.signing_keys}};
}

Json to_json(const grantfs::Rule& rule, grantfs::Timestamp now) {
  Json object;
  put_bytes(object, "path", rule.path.spelling());
  put_bytes(object, "principal", rule.principal.text());
  object["right"] = rule.kind == grantfs::Rule::Kind::kOwner ? "own" : "read";
  if (rule.kind == grantfs::Rule::Kind::kSource) object["source"] = true;
  object["expires"] = to_json(rule.expires);
  object["expired"] = !grantfs::is_live(rule.expires, now);
  return object;
}

std::string percent_encoded(std::string_view path) {
  constexpr std::string_view kOthers = "-._~/";
  std::string text;
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       kOthers.find(c) != std::string_view::npos;
    text += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return text;
}

std::string shown(const grantfs::TokenHash& id) {
  constexpr std::size_t kDigits = 16;
  return id.hex().substr(0, kDigits);
}

std::string shown(const grantfs::StorePath& path) {
  return std::string(path.spelling());
}

std::string shown(const grantfs::Expiry& expires, grantfs::Timestamp now) {
  if (!expires) return "never";
  return grantfs::format_timestamp(*expires) + (grantfs::is_live(expires, now) ? "" : " (expired)");
}

std::string shown(const grantfs::RowCounts& counts) {
  std::string text;
  const auto add = [&](std::int64_t count, std::string_view one, std::string_view many) {
    if (count == 0) return;
    if (!text.empty()) text += ", ";
    text += fmt::format("{} {}", count, count == 1 ? one : many);
  };
  add(counts.owners, "owner", "owners");
  add(counts.grants, "grant", "grants");
  add(counts.members, "membership", "memberships");
  add(counts.sessions, "session", "sessions");
  add(counts.links, "link", "links");
  add(counts.signing_keys, "signing key", "signing keys");
  return text.empty() ? "nothing" : text;
}

std::string shown(const grantfs::Rule& rule) {
  const char* what = rule.kind == grantfs::Rule::Kind::kOwner   ? "ownership by"
                     : rule.kind == grantfs::Rule::Kind::kGrant ? "grant to"
                                                                : "application's word for";
  return fmt::format("the {} {} on {}", what, escaped(rule.principal.text()),
                     quoted(shown(rule.path)));
}

}  // namespace grantctl
