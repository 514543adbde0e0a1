#pragma once

namespace grantfs {

/// Schema version 3: links and signing keys have triggers like those of feed_schema.h. A link that
/// is less than it was is recorded by its token's hash; a signing key by the path that it signs
/// for, below which lies everything that it lets anybody see.
// NOLINTNEXTLINE(modernize-avoid-c-arrays): a literal, joined with others as it is compiled
inline constexpr const char kLinksAndKeysFeed[] = R"sql(
CREATE TRIGGER feed_links_insert BEFORE INSERT ON links BEGIN
  INSERT INTO changes (token) SELECT id FROM links
    WHERE id = NEW.id
      AND (principal <> NEW.principal OR path <> NEW.path
        OR NEW.expires < ifnull(expires, 100000000000)
        OR NEW.uses < ifnull(uses, 100000000000)
        OR (NEW.address IS NOT NULL AND NEW.address IS NOT address));
  UPDATE meta SET value = value + 1 WHERE key = 'revision';
END;
CREATE TRIGGER feed_links_update BEFORE UPDATE ON links BEGIN
  INSERT INTO changes (token) SELECT id FROM links
    WHERE id = NEW.id AND id <> OLD.id
      AND (principal <> NEW.principal OR path <> NEW.path
        OR NEW.expires < ifnull(expires, 100000000000)
        OR NEW.uses < ifnull(uses, 100000000000)
        OR (NEW.address IS NOT NULL AND NEW.address IS NOT address));
  UPDATE meta SET value = value + 1 WHERE key = 'revision';
END;
CREATE TRIGGER feed_links_loss AFTER UPDATE ON links
  WHEN NEW.id <> OLD.id OR NEW.principal <> OLD.principal OR NEW.path <> OLD.path
    OR NEW.expires < ifnull(OLD.expires, 100000000000)
    OR NEW.uses < ifnull(OLD.uses, 100000000000)
    OR (NEW.address IS NOT NULL AND NEW.address IS NOT OLD.address)
BEGIN
  INSERT INTO changes (token) VALUES (OLD.id);
END;
CREATE TRIGGER feed_links_delete AFTER DELETE ON links BEGIN
  INSERT INTO changes (token) VALUES (OLD.id);
  UPDATE meta SET value = value + 1 WHERE key = 'revision';
END;

CREATE TRIGGER feed_signing_keys_insert BEFORE INSERT ON signing_keys BEGIN
  INSERT INTO changes (path) SELECT path FROM signing_keys
    WHERE id = NEW.id
      AND (format <> NEW.format OR path <> NEW.path OR secret <> NEW.secret
        OR uri_prefix IS NOT NEW.uri_prefix
        OR NEW.retired < ifnull(retired, 100000000000));
  UPDATE meta SET value = value + 1 WHERE key = 'revision';
END;
CREATE TRIGGER feed_signing_keys_update BEFORE UPDATE ON signing_keys BEGIN
  INSERT INTO changes (path) SELECT path FROM signing_keys
    WHERE id = NEW.id AND id <> OLD.id
      AND (format <> NEW.format OR path <> NEW.path OR secret <> NEW.secret
        OR uri_prefix IS NOT NEW.uri_prefix
        OR NEW.retired < ifnull(retired, 100000000000));
  UPDATE meta SET value = value + 1 WHERE key = 'revision';
END;
CREATE TRIGGER feed_signing_keys_loss AFTER UPDATE ON signing_keys
  WHEN NEW.id <> OLD.id OR NEW.format <> OLD.format OR NEW.path <> OLD.path
    OR NEW.secret <> OLD.secret OR NEW.uri_prefix IS NOT OLD.uri_prefix
    OR NEW.retired < ifnull(OLD.retired, 100000000000)
BEGIN
  INSERT INTO changes (path) VALUES (OLD.path);
END;
CREATE TRIGGER feed_signing_keys_delete AFTER DELETE ON signing_keys BEGIN
  INSERT INTO changes (path) VALUES (OLD.path);
  UPDATE meta SET value = value + 1 WHERE key = 'revision';
END;
)sql";

}  // namespace grantfs
