#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "grantctl/rows/columns.h"
#include "grantctl/rows/records.h"
#include "grantfs/bulk.h"
#include "grantfs/result.h"

namespace grantctl {

/// How records are to be understood. Empty texts mean "not given".
struct RowFormat {
  std::string kind;              ///< of every row: own, grant, member, link or key
  std::string principal_column;  ///< where the principal stands, if not in `principal`
  std::string path_column;
  std::string expires_column;
  std::string principal_prefix;  ///< a text put before each principal: "user:"
  std::string strip_prefix;      ///< the folder that each path begins with, which is taken off

  /// Whether the format names columns. Then all other columns are ignored.
  bool names_columns() const {
    return !principal_column.empty() || !path_column.empty() || !expires_column.empty();
  }
};

/// Makes rows of the policy from records. Every error says where the fault is, what it is, and how
/// to mend it.
class RowReader {
 public:
  /// Returns kInvalid if a column is missing. An unknown column is kInvalid too, unless the format
  /// says to ignore it.
  static grantfs::Result<RowReader> start(std::unique_ptr<Records> records, RowFormat format);

  /// The next row; none at the end.
  grantfs::Result<std::optional<grantfs::PolicyRow>> next();

  /// Whether each row has a kind. Then the rows together are a whole policy.
  bool rows_have_kinds() const { return columns_[kKind].has_value(); }
  /// The kind of all rows if they have none of their own.
  grantfs::PolicyRow::Kind kind() const { return kind_; }
  const Records& records() const { return *records_; }

 private:
  using Value = std::optional<std::string_view>;

  RowReader(std::unique_ptr<Records> records, RowFormat format)
      : records_(std::move(records)), format_(std::move(format)) {}

  grantfs::Result<void> find_columns();
  grantfs::Result<void> need_column(Column column) const;
  grantfs::Result<Value> value(Column column) const;
  grantfs::Result<std::string_view> needed(Column column) const;

  grantfs::Result<grantfs::PolicyRow::Kind> read_kind() const;
  grantfs::Result<grantfs::Principal> read_principal() const;
  grantfs::Result<grantfs::Principal> read_group() const;
  grantfs::Result<grantfs::StorePath> read_path() const;
  grantfs::Result<grantfs::Rights> read_rights() const;
  grantfs::Result<grantfs::Expiry> read_time(Column column) const;
  grantfs::Result<std::string> read_address() const;
  grantfs::Result<std::optional<std::int64_t>> read_uses() const;
  grantfs::Result<std::string> read_label() const;
  grantfs::Result<std::string> read_format() const;
  grantfs::Result<std::string> read_uri_prefix(bool must_be) const;
  grantfs::Result<grantfs::Secret> read_secret(std::size_t least) const;
  grantfs::Result<grantfs::LinkRow> read_link() const;
  grantfs::Result<grantfs::KeyRow> read_key() const;
  /// Refuses a row with values that only rows of other kinds have.
  grantfs::Result<void> refuse_others(grantfs::PolicyRow::Kind kind) const;
  grantfs::Error at_row(const std::string& what) const;

  std::unique_ptr<Records> records_;
  RowFormat format_;
  grantfs::PolicyRow::Kind kind_ = grantfs::PolicyRow::Kind::kOwner;
  std::array<std::optional<std::size_t>, kPolicyColumns.size()> columns_;
};

}  // namespace grantctl
