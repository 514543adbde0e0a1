#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace grantfs::follow {

/// The numbers of PostgreSQL's own types (src/include/catalog/pg_type.dat), which never change.
enum class ColumnType : std::uint32_t { kBytea = 17, kBigint = 20, kText = 25 };

struct Column {
  std::string_view name;
  ColumnType type;
};

/// A table of the policy, as the upstream publishes it and the copy has it.
struct Table {
  std::string_view name;
  std::span<const Column> columns;
  std::size_t key = 0;  ///< the number of the column that is the primary key
};

/// The schema in which the upstream has these tables, and the publication of them.
inline constexpr std::string_view kUpstreamSchema = "grantfs";
inline constexpr const char* kPublication = "grantfs";

/// All tables of the policy.
std::span<const Table> tables();

/// The names of the columns, separated by commas.
std::string column_list(const Table& table);

}  // namespace grantfs::follow
