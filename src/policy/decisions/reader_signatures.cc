// What signed URLs open; see reader.h.
#include "policy/decisions/reader.h"
#include "policy/decisions/reader_impl.h"

namespace grantfs {
namespace {

std::string uri_of(const StorePath& path) {
  return '/' + path.text();
}

std::optional<std::string> address_of(const Md5Bearer& bearer) {
  if (!bearer.from) return std::nullopt;
  return bearer.from->text();
}

}  // namespace

Result<Decision> Reader::by_signature(const SignatureBearer& bearer, const StorePath& path,
                                      Timestamp now) {
  const SignatureClaims& claims = bearer.signature.claims();
  if (!is_live(claims.expires, now) || !counts_from(claims.address, bearer.from)) return Decision{};
  auto made = keys_.judge(bearer.signature);
  if (!made) return made.error();
  if (!*made || !is_live((*made)->until, now)) return Decision{};
  Decision decision{Access::kNone, (*made)->until};
  if (claims.path.covers(path)) {
    decision.access = Access::kRead;
    decision.rule_path_bytes = claims.path.text().size();
  } else if (path == claims.path.parent()) {
    decision.access = Access::kPassage;
  }
  return decision;
}

Result<Decision> Reader::by_md5(const Md5Bearer& bearer, const StorePath& uri, Timestamp now) {
  if (!is_live(bearer.mark.expires.time, now)) return Decision{};
  const Decision nothing{Access::kNone, bearer.mark.expires.time};
  if (uri.is_root()) {
    auto any = keys_.has_md5_keys();
    if (!any) return any.error();
    return *any ? nothing : Decision{};
  }
  auto made = keys_.judge(bearer.mark, uri_of(uri), address_of(bearer));
  if (!made) return made.error();
  if (!*made || !is_live((*made)->until, now)) return nothing;
  Decision decision{Access::kRead, (*made)->until, (*made)->uri_bytes};
  decision.file = std::move((*made)->path);
  return decision;
}

Result<Listing> Reader::list_signed(const SignatureBearer& bearer, const StorePath& folder,
                                    Timestamp now) {
  auto decision = by_signature(bearer, folder, now);
  if (!decision) return decision.error();
  Listing listing{decision->access, {}};
  if (decision->access == Access::kPassage) {
    listing.names.push_back({std::string(bearer.signature.claims().path.name()), Access::kRead});
  }
  return listing;
}

Result<Explanation> Reader::explain_signature(const SignatureBearer& bearer, const StorePath& path,
                                              Timestamp now) {
  auto decision = by_signature(bearer, path, now);
  if (!decision) return decision.error();
  auto made = keys_.judge(bearer.signature);
  if (!made) return made.error();
  Explanation explanation;
  explanation.access = decision->access;
  explanation.signature = Explanation::Signed{made->has_value(), bearer.signature.claims(), {}};
  if (*made) explanation.signature->until = (*made)->until;
  return explanation;
}

Result<bool> Reader::has_expired(const Signature& signature) {
  auto held = snapshot();
  if (!held) return held.error();
  auto made = keys_.judge(signature);
  if (!made) return made.error();
  return *made && !is_live((*made)->until, options_.clock());
}

Result<Decision> Reader::expired(const Md5Bearer& bearer, const StorePath& uri) {
  auto held = snapshot();
  if (!held) return held.error();
  auto made = keys_.judge(bearer.mark, uri_of(uri), address_of(bearer));
  if (!made) return made.error();
  if (!*made || is_live((*made)->until, options_.clock())) return Decision{};
  Decision decision{Access::kRead, (*made)->until, (*made)->uri_bytes};
  decision.file = std::move((*made)->path);
  return decision;
}

}  // namespace grantfs
