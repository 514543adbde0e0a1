#include "postgres/lsn.h"

#include <fmt/core.h>

#include "base/parse_integer.h"

namespace grantfs::postgres {
namespace {

/// Of the pages of a log (XLogPageHeaderData and XLogLongPageHeaderData in PostgreSQL's
/// access/xlog_internal.h), rounded up to 8. A segment's first page has the long one.
constexpr std::uint64_t kShortHeader = 24;
constexpr std::uint64_t kLongHeader = 40;
constexpr unsigned kHalfBits = 32;

std::uint64_t header_at(Lsn page, const LogSizes& sizes) {
  return page % sizes.segment == 0 ? kLongHeader : kShortHeader;
}

}  // namespace

std::string lsn_text(Lsn lsn) {
  return fmt::format("{:X}/{:X}", lsn >> kHalfBits, lsn & 0xffffffffU);
}

std::optional<Lsn> parse_lsn(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  constexpr int kHexadecimal = 16;
  const auto high = parse_integer<std::uint32_t>(text.substr(0, slash), kHexadecimal);
  const auto low = parse_integer<std::uint32_t>(text.substr(slash + 1), kHexadecimal);
  if (!high || !low) return std::nullopt;
  return std::uint64_t{*high} << kHalfBits | *low;
}

Lsn before_page_header(Lsn lsn, const LogSizes& sizes) {
  const std::uint64_t offset = lsn % sizes.block;
  const Lsn page = lsn - offset;
  return offset == header_at(page, sizes) ? page : lsn;
}

Lsn after_page_header(Lsn lsn, const LogSizes& sizes) {
  return lsn != 0 && lsn % sizes.block == 0 ? lsn + header_at(lsn, sizes) : lsn;
}

}  // namespace grantfs::postgres
