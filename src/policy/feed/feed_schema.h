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

}  // namespace grantfs
