#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace grantfs::postgres {

/// A position in the write-ahead log of a PostgreSQL server, in bytes (pg_lsn). Zero is none.
using Lsn = std::uint64_t;

/// As PostgreSQL writes it: "16/B374D848".
std::string lsn_text(Lsn lsn);
/// The position by such a text; none if it is malformed.
std::optional<Lsn> parse_lsn(std::string_view text);

/// The sizes of a server's log, which its settings wal_block_size and wal_segment_size say.
struct LogSizes {
  std::uint64_t block = 8192;
  std::uint64_t segment = std::uint64_t{16} << 20U;
};

/// The same position, without the header of a page that begins there. A server names the place
/// where its next record will begin, which is behind the header of a page that is still empty; what
/// has been read of the log ends before it.
Lsn before_page_header(Lsn lsn, const LogSizes& sizes);
/// The reverse: the place where the next record begins.
Lsn after_page_header(Lsn lsn, const LogSizes& sizes);

}  // namespace grantfs::postgres
