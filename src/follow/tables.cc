#include "follow/tables.h"

namespace grantfs::follow {
namespace {

constexpr Column text(std::string_view name) {
  return {name, ColumnType::kText};
}
constexpr Column integer(std::string_view name) {
  return {name, ColumnType::kBigint};
}

constexpr std::array kOwners{text("path"), text("principal"), integer("created")};
constexpr std::array kGrants{integer("id"),  text("principal"),  text("path"),
                             text("rights"), integer("expires"), integer("created")};
constexpr std::array kMembers{integer("id"), text("member"), text("parent"), integer("expires")};
constexpr std::array kSessions{text("id"), text("principal"), integer("expires"), text("address"),
                               integer("created")};
constexpr std::array kLinks{text("id"),         text("principal"), text("path"),
                            integer("expires"), text("address"),   integer("uses"),
                            integer("created"), text("label")};
constexpr std::array kSigningKeys{text("id"),
                                  text("format"),
                                  text("uri_prefix"),
                                  text("path"),
                                  Column{"secret", ColumnType::kBytea},
                                  integer("created"),
                                  integer("retired")};

constexpr std::array kTables{Table{"owners", kOwners},   Table{"grants", kGrants},
                             Table{"members", kMembers}, Table{"sessions", kSessions},
                             Table{"links", kLinks},     Table{"signing_keys", kSigningKeys}};

}  // namespace

std::span<const Table> tables() {
  return kTables;
}

std::string column_list(const Table& table) {
  std::string list;
  for (const Column& column : table.columns) {
    if (!list.empty()) list += ", ";
    list += column.name;
  }
  return list;
}

}  // namespace grantfs::follow
