#pragma once

#include <string>

#include "grantctl/nginxconf/rewriting.h"
#include "grantctl/nginxconf/site_map.h"

namespace grantctl::nginxconf {

class Access;

/// What the way to a block has made sure of, besides what is in force there.
struct Passed {
  const Access* before = nullptr;     ///< where whoever comes was let in already; null: nowhere
  bool is_guarded = false;            ///< an `if` lets through only whom it knows
  bool is_signed = false;             ///< an `if` sends away who has no signature
  bool certificate_verified = false;  ///< an `if` sends away who has no verified certificate
  bool certificate_failed = false;    ///< nginx came here because it is not verified
};

/// Whether the visitor says which server requests are handed on to. `url` is what stands in
/// proxy_pass.
bool is_named_by_visitor(const Alternative& url, const Access& access);

/// What nginx has made sure of about whoever is answered from a block.
class Access {
 public:
  /// `site` is the block's server; `frame` is what holds in the block. All must outlive it.
  Access(const SiteMap& map, const Site& site, const Scope& scope, const Frame& frame,
         Variables& variables, const Passed& passed);

  /// Whether a source says what is true, and not what the visitor would like.
  bool proves(const Source& source) const;
  /// Whether not everybody is answered: a password, a certificate, an address or the like is asked
  /// for.
  bool asks_for_anything() const;
  /// Nobody is answered: `deny all`.
  bool refuses_all() const;
  /// A visitor may pretend to be from elsewhere.
  bool is_address_chosen() const;
  /// The piece of a file's name that is not the server's own to say; null: none. Stricter than
  /// proves(), which may rest on what that file says.
  const Piece* chosen_piece(const Alternative& file) const;
  /// Whether auth_basic's file of users is there, and all names in it are plain ones.
  bool has_plain_users() const;

 private:
  bool proves_here(const Source& source) const;
  bool asks_for_password() const;
  bool asks_subrequest() const;
  bool has_signed_path() const;
  bool asks_for_jwt() const;
  bool verifies_certificates() const;
  bool takes_unverified_certificates() const;
  bool admits_some_addresses() const;
  bool is_satisfied_otherwise(bool by_password, bool by_subrequest) const;
  bool sets_header(const Spot& front, const std::string& variable) const;
  bool trusts_header(const std::string& variable) const;

  const SiteMap& map_;
  const Site& site_;
  const Scope& scope_;
  const Frame& frame_;
  Variables& variables_;
  const Passed passed_;
};

}  // namespace grantctl::nginxconf
