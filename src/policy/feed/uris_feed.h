#pragma once

namespace grantfs {

/// Schema version 4: what leads URIs elsewhere. Among keys for MD5, the one with the longest
/// prefix decides alone, so the same URL may open another file when a key comes or goes below the
/// prefix of another, when another path is given to a prefix, or when keys exchange their secrets:
/// nobody has lost anything, and yet what was lent must not stand. That is recorded as the token
/// `uris`, which no token has: everything is recalled.
///
/// Keys are few, and change rarely: the prefixes are compared with no index, and more is recorded
/// than may matter. Slashes at their ends count as one.
// NOLINTNEXTLINE(modernize-avoid-c-arrays): a literal
inline constexpr const char kUrisFeed[] = R"sql(
CREATE TRIGGER feed_uris_insert BEFORE INSERT ON signing_keys BEGIN
  INSERT INTO changes (token) SELECT 'uris' WHERE EXISTS (SELECT 1 FROM signing_keys
    WHERE format <> 'hmac-sha256' AND NEW.format <> 'hmac-sha256'
      AND instr(rtrim(NEW.uri_prefix, '/') || '/', rtrim(uri_prefix, '/') || '/') = 1
      AND (path <> NEW.path OR rtrim(uri_prefix, '/') <> rtrim(NEW.uri_prefix, '/')));
  INSERT INTO changes (token) SELECT 'uris' FROM signing_keys
    WHERE id = NEW.id AND format <> 'hmac-sha256'
      AND (format <> NEW.format OR path <> NEW.path OR secret <> NEW.secret
        OR uri_prefix IS NOT NEW.uri_prefix);
END;
CREATE TRIGGER feed_uris_update BEFORE UPDATE ON signing_keys
  WHEN NEW.id <> OLD.id OR NEW.format <> OLD.format OR NEW.path <> OLD.path
    OR NEW.secret <> OLD.secret OR NEW.uri_prefix IS NOT OLD.uri_prefix
BEGIN
  INSERT INTO changes (token) SELECT 'uris' FROM signing_keys
    WHERE id IN (OLD.id, NEW.id) AND (format <> 'hmac-sha256' OR NEW.format <> 'hmac-sha256');
END;
CREATE TRIGGER feed_uris_delete AFTER DELETE ON signing_keys BEGIN
  INSERT INTO changes (token) SELECT 'uris' WHERE EXISTS (SELECT 1 FROM signing_keys
    WHERE format <> 'hmac-sha256' AND OLD.format <> 'hmac-sha256'
      AND instr(rtrim(OLD.uri_prefix, '/') || '/', rtrim(uri_prefix, '/') || '/') = 1
      AND (path <> OLD.path OR rtrim(uri_prefix, '/') <> rtrim(OLD.uri_prefix, '/')));
END;
)sql";
/// The token that those triggers record.
inline constexpr const char* kUrisMoved = "uris";

}  // namespace grantfs
