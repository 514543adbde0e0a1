#include "policy/decisions/signatures/signatures.h"

#include <utility>

#include "values/bound_address.h"

namespace grantfs {
namespace {

std::string uri_of(const StorePath& path) {
  return '/' + path.text();
}

std::optional<std::string> address_of(const Md5Bearer& bearer) {
  if (!bearer.from) return std::nullopt;
  return bearer.from->text();
}

Decision leads_to(Signed made) {
  Decision decision{Access::kRead, made.until, made.uri_bytes};
  decision.file = std::move(made.path);
  decision.rule = made.key;
  return decision;
}

}  // namespace

Result<Decision> Signatures::decide(const SignatureBearer& bearer, const StorePath& path,
                                    Timestamp now) {
  const SignatureClaims& claims = bearer.signature.claims();
  if (!is_live(claims.expires, now) || !counts_from(claims.address, bearer.from)) return Decision{};
  auto made = keys_.verify(bearer.signature);
  if (!made) return made.error();
  if (!*made || !is_live((*made)->until, now)) return Decision{};
  Decision decision{Access::kNone, (*made)->until};
  if (claims.path.covers(path)) {
    decision.access = Access::kRead;
    decision.rule_path_bytes = claims.path.text().size();
  } else if (path == claims.path.parent()) {
    decision.access = Access::kPassage;
  }
  if (decision.access != Access::kNone) decision.rule = (*made)->key;
  return decision;
}

Result<Decision> Signatures::decide(const Md5Bearer& bearer, const StorePath& uri, Timestamp now) {
  if (!is_live(bearer.mark.expires.time, now)) return Decision{};
  const Decision nothing{Access::kNone, bearer.mark.expires.time};
  if (uri.is_root()) {
    auto any = keys_.has_md5_keys();
    if (!any) return any.error();
    return *any ? nothing : Decision{};
  }
  auto made = keys_.verify(bearer.mark, uri_of(uri), address_of(bearer));
  if (!made) return made.error();
  if (!*made || !is_live((*made)->until, now)) return nothing;
  return leads_to(std::move(**made));
}

Result<Listing> Signatures::list(const SignatureBearer& bearer, const StorePath& folder,
                                 Timestamp now) {
  auto decision = decide(bearer, folder, now);
  if (!decision) return decision.error();
  Listing listing{decision->access, {}};
  if (decision->access == Access::kPassage) {
    listing.names.push_back({std::string(bearer.signature.claims().path.name()), Access::kRead});
  }
  return listing;
}

Result<Explanation> Signatures::explain(const SignatureBearer& bearer, const StorePath& path,
                                        Timestamp now) {
  auto decision = decide(bearer, path, now);
  if (!decision) return decision.error();
  auto made = keys_.verify(bearer.signature);
  if (!made) return made.error();
  Explanation explanation;
  explanation.access = decision->access;
  explanation.signature = Explanation::Signed{made->has_value(), bearer.signature.claims(), {}};
  if (*made) explanation.signature->until = (*made)->until;
  return explanation;
}

Result<bool> Signatures::has_expired(const Signature& signature, Timestamp now) {
  auto made = keys_.verify(signature);
  if (!made) return made.error();
  return *made && !is_live((*made)->until, now);
}

Result<Decision> Signatures::expired(const Md5Bearer& bearer, const StorePath& uri, Timestamp now) {
  auto made = keys_.verify(bearer.mark, uri_of(uri), address_of(bearer));
  if (!made) return made.error();
  if (!*made || is_live((*made)->until, now)) return Decision{};
  return leads_to(std::move(**made));
}

}  // namespace grantfs
