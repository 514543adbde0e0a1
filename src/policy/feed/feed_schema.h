#pragma once

namespace grantfs {

/// Schema version 2: the recall feed. `changes` records, by triggers, what took access away, so
/// that a daemon forgets that much and no more; `meta.revision` rises at every change of the
/// policy, grants included, so that a commit made past the triggers is noticed.
///
/// - INSERT OR REPLACE and UPDATE OR REPLACE fire no delete trigger (unless recursive_triggers is
///   on), so what they would displace is recorded before they run. Those triggers fire for an
///   upsert too: hence they compare with NEW, and one that extends a row records nothing. A
///   statement that is ignored after all (OR IGNORE) leaves a row too many, which is harmless.
/// - 100000000000 is never: one more than the latest expiry there can be.
/// - NEW.rights may be NULL before an INSERT OR REPLACE, which then puts the default, 'read'.
/// - The body of a trigger follows the outer statement's conflict clause, whatever it says itself:
///   nothing here may depend on one.
///
/// The reader compares these triggers with the database's, letter by letter.
inline constexpr const char* kFeedSchema = R"sql(
CREATE TABLE changes (
  seq       INTEGER PRIMARY KEY AUTOINCREMENT,
  path      TEXT,
  principal TEXT,
  token     TEXT,
  CHECK ((path IS NOT NULL) + (principal IS NOT NULL) + (token IS NOT NULL) = 1)
) STRICT;
-- SQLite would write this row at the end of the first statement that could have recorded anything,
-- even if it changed nothing: a commit that the feed could not explain.
INSERT INTO sqlite_sequence (name, seq) VALUES ('changes', 0);
INSERT OR REPLACE INTO meta (key, value) VALUES ('revision', 0);

CREATE TRIGGER feed_prune AFTER INSERT ON changes BEGIN
  DELETE FROM changes WHERE seq <= NEW.seq - 10000;
END;

CREATE TRIGGER feed_owners_insert BEFORE INSERT ON owners BEGIN
  INSERT INTO changes (path) SELECT path FROM owners
    WHERE path = NEW.path AND principal <> NEW.principal;
  UPDATE meta SET value = value + 1 WHERE key = 'revision';
END;
CREATE TRIGGER feed_owners_update BEFORE UPDATE ON owners BEGIN
  INSERT INTO changes (path) SELECT path FROM owners
    WHERE path = NEW.path AND path <> OLD.path AND principal <> NEW.principal;
  UPDATE meta SET value = value + 1 WHERE key = 'revision';
END;
CREATE TRIGGER feed_owners_loss AFTER UPDATE ON owners
  WHEN NEW.path <> OLD.path OR NEW.principal <> OLD.principal
BEGIN
  INSERT INTO changes (path) VALUES (OLD.path);
END;
CREATE TRIGGER feed_owners_delete AFTER DELETE ON owners BEGIN
  INSERT INTO changes (path) VALUES (OLD.path);
  UPDATE meta SET value = value + 1 WHERE key = 'revision';
END;

CREATE TRIGGER feed_grants_insert BEFORE INSERT ON grants BEGIN
  INSERT INTO changes (path) SELECT path FROM grants
    WHERE principal = NEW.principal AND path = NEW.path
      AND (NEW.expires < ifnull(expires, 100000000000)
        OR (rights <> ifnull(NEW.rights, 'read')
          AND (rights = 'own' OR ifnull(NEW.rights, 'read') = 'read')));
  INSERT INTO changes (path) SELECT path FROM grants
    WHERE id = NEW.id AND (principal <> NEW.principal OR path <> NEW.path);
  UPDATE meta SET value = value + 1 WHERE key = 'revision';
END;
CREATE TRIGGER feed_grants_update BEFORE UPDATE ON grants BEGIN
  INSERT INTO changes (path) SELECT path FROM grants
    WHERE principal = NEW.principal AND path = NEW.path AND id <> OLD.id
      AND (NEW.expires < ifnull(expires, 100000000000)
        OR (rights <> ifnull(NEW.rights, 'read')
          AND (rights = 'own' OR ifnull(NEW.rights, 'read') = 'read')));
  INSERT INTO changes (path) SELECT path FROM grants
    WHERE id = NEW.id AND id <> OLD.id AND (principal <> NEW.principal OR path <> NEW.path);
  UPDATE meta SET value = value + 1 WHERE key = 'revision';
END;
CREATE TRIGGER feed_grants_loss AFTER UPDATE ON grants
  WHEN NEW.principal <> OLD.principal OR NEW.path <> OLD.path
    OR NEW.expires < ifnull(OLD.expires, 100000000000)
    OR (OLD.rights <> NEW.rights AND (OLD.rights = 'own' OR NEW.rights = 'read'))
BEGIN
  INSERT INTO changes (path) VALUES (OLD.path);
END;
CREATE TRIGGER feed_grants_delete AFTER DELETE ON grants BEGIN
  INSERT INTO changes (path) VALUES (OLD.path);
  UPDATE meta SET value = value + 1 WHERE key = 'revision';
END;

CREATE TRIGGER feed_members_insert BEFORE INSERT ON members BEGIN
  INSERT INTO changes (principal) SELECT member FROM members
    WHERE member = NEW.member AND parent = NEW.parent
      AND NEW.expires < ifnull(expires, 100000000000);
  INSERT INTO changes (principal) SELECT member FROM members
    WHERE id = NEW.id AND (member <> NEW.member OR parent <> NEW.parent);
  UPDATE meta SET value = value + 1 WHERE key = 'revision';
END;
CREATE TRIGGER feed_members_update BEFORE UPDATE ON members BEGIN
  INSERT INTO changes (principal) SELECT member FROM members
    WHERE member = NEW.member AND parent = NEW.parent AND id <> OLD.id
      AND NEW.expires < ifnull(expires, 100000000000);
  INSERT INTO changes (principal) SELECT member FROM members
    WHERE id = NEW.id AND id <> OLD.id AND (member <> NEW.member OR parent <> NEW.parent);
  UPDATE meta SET value = value + 1 WHERE key = 'revision';
END;
CREATE TRIGGER feed_members_loss AFTER UPDATE ON members
  WHEN NEW.member <> OLD.member OR NEW.parent <> OLD.parent
    OR NEW.expires < ifnull(OLD.expires, 100000000000)
BEGIN
  INSERT INTO changes (principal) VALUES (OLD.member);
END;
CREATE TRIGGER feed_members_delete AFTER DELETE ON members BEGIN
  INSERT INTO changes (principal) VALUES (OLD.member);
  UPDATE meta SET value = value + 1 WHERE key = 'revision';
END;

CREATE TRIGGER feed_sessions_insert BEFORE INSERT ON sessions BEGIN
  INSERT INTO changes (token) SELECT id FROM sessions
    WHERE id = NEW.id
      AND (principal <> NEW.principal OR NEW.expires < ifnull(expires, 100000000000)
        OR (NEW.address IS NOT NULL AND NEW.address IS NOT address));
  UPDATE meta SET value = value + 1 WHERE key = 'revision';
END;
CREATE TRIGGER feed_sessions_update BEFORE UPDATE ON sessions BEGIN
  INSERT INTO changes (token) SELECT id FROM sessions
    WHERE id = NEW.id AND id <> OLD.id
      AND (principal <> NEW.principal OR NEW.expires < ifnull(expires, 100000000000)
        OR (NEW.address IS NOT NULL AND NEW.address IS NOT address));
  UPDATE meta SET value = value + 1 WHERE key = 'revision';
END;
CREATE TRIGGER feed_sessions_loss AFTER UPDATE ON sessions
  WHEN NEW.id <> OLD.id OR NEW.principal <> OLD.principal
    OR NEW.expires < ifnull(OLD.expires, 100000000000)
    OR (NEW.address IS NOT NULL AND NEW.address IS NOT OLD.address)
BEGIN
  INSERT INTO changes (token) VALUES (OLD.id);
END;
CREATE TRIGGER feed_sessions_delete AFTER DELETE ON sessions BEGIN
  INSERT INTO changes (token) VALUES (OLD.id);
  UPDATE meta SET value = value + 1 WHERE key = 'revision';
END;
)sql";

/// Schema version 3: the same for links and signing keys. A link that is less than it was is
/// recorded by its token's hash; a signing key by the path that it signs for, below which lies
/// everything that it lets anybody see.
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
