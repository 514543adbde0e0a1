PRAGMA application_id = 1198671443;
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE meta (  key   TEXT PRIMARY KEY,  value ANY NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES('inode_key',X'00000000000000000000000000000000');
INSERT INTO meta VALUES('revision',6);
INSERT INTO meta VALUES('schema',4);
CREATE TABLE owners (  path      TEXT NOT NULL PRIMARY KEY CHECK (length(CAST(path AS BLOB)) <= 4095 AND instr(path, char(0)) = 0 AND (path = '' OR (instr('/' || path || '/', '//') = 0 AND instr('/' || path || '/', '/./') = 0 AND instr('/' || path || '/', '/../') = 0))),  principal TEXT NOT NULL CHECK ((principal = 'public' OR (principal GLOB 'user:?*' AND length(CAST(substr(principal, 6) AS BLOB)) <= 255 AND instr(principal, char(0)) = 0 AND instr(principal, '/') = 0 AND principal NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*') OR (principal GLOB 'group:?*' AND length(CAST(substr(principal, 7) AS BLOB)) <= 255 AND instr(principal, char(0)) = 0 AND instr(principal, '/') = 0 AND principal NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*') OR (principal GLOB 'uid:[0-9]*' AND instr(principal, char(0)) = 0 AND substr(principal, 5) NOT GLOB '*[^0-9]*' AND length(principal) <= 14 AND (principal = 'uid:0' OR substr(principal, 5, 1) <> '0') AND CAST(substr(principal, 5) AS INTEGER) <= 4294967294) OR (principal GLOB 'gid:[0-9]*' AND instr(principal, char(0)) = 0 AND substr(principal, 5) NOT GLOB '*[^0-9]*' AND length(principal) <= 14 AND (principal = 'gid:0' OR substr(principal, 5, 1) <> '0') AND CAST(substr(principal, 5) AS INTEGER) <= 4294967294))),  created INTEGER NOT NULL DEFAULT (unixepoch())) STRICT, WITHOUT ROWID;
INSERT INTO owners VALUES('','user:1',1700000000);
INSERT INTO owners VALUES('a','user:2',1700000000);
CREATE TABLE grants (  id        INTEGER PRIMARY KEY,  principal TEXT NOT NULL CHECK ((principal = 'public' OR (principal GLOB 'user:?*' AND length(CAST(substr(principal, 6) AS BLOB)) <= 255 AND instr(principal, char(0)) = 0 AND instr(principal, '/') = 0 AND principal NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*') OR (principal GLOB 'group:?*' AND length(CAST(substr(principal, 7) AS BLOB)) <= 255 AND instr(principal, char(0)) = 0 AND instr(principal, '/') = 0 AND principal NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*') OR (principal GLOB 'uid:[0-9]*' AND instr(principal, char(0)) = 0 AND substr(principal, 5) NOT GLOB '*[^0-9]*' AND length(principal) <= 14 AND (principal = 'uid:0' OR substr(principal, 5, 1) <> '0') AND CAST(substr(principal, 5) AS INTEGER) <= 4294967294) OR (principal GLOB 'gid:[0-9]*' AND instr(principal, char(0)) = 0 AND substr(principal, 5) NOT GLOB '*[^0-9]*' AND length(principal) <= 14 AND (principal = 'gid:0' OR substr(principal, 5, 1) <> '0') AND CAST(substr(principal, 5) AS INTEGER) <= 4294967294))),  path      TEXT NOT NULL CHECK (length(CAST(path AS BLOB)) <= 4095 AND instr(path, char(0)) = 0 AND (path = '' OR (instr('/' || path || '/', '//') = 0 AND instr('/' || path || '/', '/./') = 0 AND instr('/' || path || '/', '/../') = 0))),  rights    TEXT NOT NULL DEFAULT 'read' CHECK (rights IN ('read', 'write', 'own')),  expires INTEGER CHECK (expires IS NULL OR (typeof(expires) = 'integer' AND expires BETWEEN 0 AND 99999999999)),  created INTEGER NOT NULL DEFAULT (unixepoch()),  UNIQUE (principal, path)) STRICT;
INSERT INTO grants VALUES(5,'user:3','','read',NULL,1700000000);
INSERT INTO grants VALUES(6,'user:2','b','read',NULL,1700000000);
CREATE TABLE members (  id      INTEGER PRIMARY KEY,  member  TEXT NOT NULL CHECK ((member = 'public' OR (member GLOB 'user:?*' AND length(CAST(substr(member, 6) AS BLOB)) <= 255 AND instr(member, char(0)) = 0 AND instr(member, '/') = 0 AND member NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*') OR (member GLOB 'group:?*' AND length(CAST(substr(member, 7) AS BLOB)) <= 255 AND instr(member, char(0)) = 0 AND instr(member, '/') = 0 AND member NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*') OR (member GLOB 'uid:[0-9]*' AND instr(member, char(0)) = 0 AND substr(member, 5) NOT GLOB '*[^0-9]*' AND length(member) <= 14 AND (member = 'uid:0' OR substr(member, 5, 1) <> '0') AND CAST(substr(member, 5) AS INTEGER) <= 4294967294) OR (member GLOB 'gid:[0-9]*' AND instr(member, char(0)) = 0 AND substr(member, 5) NOT GLOB '*[^0-9]*' AND length(member) <= 14 AND (member = 'gid:0' OR substr(member, 5, 1) <> '0') AND CAST(substr(member, 5) AS INTEGER) <= 4294967294))),  parent  TEXT NOT NULL CHECK ((parent GLOB 'group:?*' AND length(CAST(substr(parent, 7) AS BLOB)) <= 255 AND instr(parent, char(0)) = 0 AND instr(parent, '/') = 0 AND parent NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*')),  expires INTEGER CHECK (expires IS NULL OR (typeof(expires) = 'integer' AND expires BETWEEN 0 AND 99999999999)),  UNIQUE (member, parent)) STRICT;
CREATE TABLE sessions (  id        TEXT NOT NULL PRIMARY KEY CHECK (length(CAST(id AS BLOB)) = 64 AND              length(id) = 64 AND instr(id, char(0)) = 0 AND id NOT GLOB '*[^0-9a-f]*'),  principal TEXT NOT NULL CHECK ((principal = 'public' OR (principal GLOB 'user:?*' AND length(CAST(substr(principal, 6) AS BLOB)) <= 255 AND instr(principal, char(0)) = 0 AND instr(principal, '/') = 0 AND principal NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*') OR (principal GLOB 'group:?*' AND length(CAST(substr(principal, 7) AS BLOB)) <= 255 AND instr(principal, char(0)) = 0 AND instr(principal, '/') = 0 AND principal NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*') OR (principal GLOB 'uid:[0-9]*' AND instr(principal, char(0)) = 0 AND substr(principal, 5) NOT GLOB '*[^0-9]*' AND length(principal) <= 14 AND (principal = 'uid:0' OR substr(principal, 5, 1) <> '0') AND CAST(substr(principal, 5) AS INTEGER) <= 4294967294) OR (principal GLOB 'gid:[0-9]*' AND instr(principal, char(0)) = 0 AND substr(principal, 5) NOT GLOB '*[^0-9]*' AND length(principal) <= 14 AND (principal = 'gid:0' OR substr(principal, 5, 1) <> '0') AND CAST(substr(principal, 5) AS INTEGER) <= 4294967294))),  expires INTEGER CHECK (expires IS NULL OR (typeof(expires) = 'integer' AND expires BETWEEN 0 AND 99999999999)),  address   TEXT CHECK (address IS NULL OR length(address) BETWEEN 2 AND 64),  created INTEGER NOT NULL DEFAULT (unixepoch())) STRICT, WITHOUT ROWID;
CREATE TABLE changes (
  seq       INTEGER PRIMARY KEY AUTOINCREMENT,
  path      TEXT,
  principal TEXT,
  token     TEXT,
  CHECK ((path IS NOT NULL) + (principal IS NOT NULL) + (token IS NOT NULL) = 1)
) STRICT;
CREATE TABLE links (  id        TEXT NOT NULL PRIMARY KEY CHECK (length(CAST(id AS BLOB)) = 64 AND length(id) = 64 AND instr(id, char(0)) = 0 AND id NOT GLOB '*[^0-9a-f]*'),  principal TEXT NOT NULL CHECK ((principal = 'public' OR (principal GLOB 'user:?*' AND length(CAST(substr(principal, 6) AS BLOB)) <= 255 AND instr(principal, char(0)) = 0 AND instr(principal, '/') = 0 AND principal NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*') OR (principal GLOB 'group:?*' AND length(CAST(substr(principal, 7) AS BLOB)) <= 255 AND instr(principal, char(0)) = 0 AND instr(principal, '/') = 0 AND principal NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*') OR (principal GLOB 'uid:[0-9]*' AND instr(principal, char(0)) = 0 AND substr(principal, 5) NOT GLOB '*[^0-9]*' AND length(principal) <= 14 AND (principal = 'uid:0' OR substr(principal, 5, 1) <> '0') AND CAST(substr(principal, 5) AS INTEGER) <= 4294967294) OR (principal GLOB 'gid:[0-9]*' AND instr(principal, char(0)) = 0 AND substr(principal, 5) NOT GLOB '*[^0-9]*' AND length(principal) <= 14 AND (principal = 'gid:0' OR substr(principal, 5, 1) <> '0') AND CAST(substr(principal, 5) AS INTEGER) <= 4294967294))),  path      TEXT NOT NULL CHECK (length(CAST(path AS BLOB)) <= 4095 AND instr(path, char(0)) = 0 AND (path = '' OR (instr('/' || path || '/', '//') = 0 AND instr('/' || path || '/', '/./') = 0 AND instr('/' || path || '/', '/../') = 0))),  expires INTEGER CHECK (expires IS NULL OR (typeof(expires) = 'integer' AND expires BETWEEN 0 AND 99999999999)),  address   TEXT CHECK (address IS NULL OR (length(address) BETWEEN 2 AND 64 AND              instr(address, char(0)) = 0 AND address NOT GLOB '*[^0-9a-f.:/]*')),  uses      INTEGER CHECK (uses IS NULL OR              (typeof(uses) = 'integer' AND uses BETWEEN 1 AND 1000000000)),  created INTEGER NOT NULL DEFAULT (unixepoch())) STRICT, WITHOUT ROWID;
INSERT INTO links VALUES('0000000000000000000000000000000000000000000000000000000000000007','user:1','',NULL,NULL,NULL,1700000000);
CREATE TABLE signing_keys (  id         TEXT NOT NULL PRIMARY KEY CHECK (length(CAST(id AS BLOB)) BETWEEN 1 AND 32 AND               instr(id, char(0)) = 0 AND id NOT GLOB '*[^A-Za-z0-9]*'),  format     TEXT NOT NULL CHECK (format = 'hmac-sha256' OR (format GLOB 'md5:?*' AND               length(CAST(format AS BLOB)) <= 4096 AND instr(format, char(0)) = 0)),  uri_prefix TEXT CHECK (uri_prefix IS NULL OR (uri_prefix GLOB '/*' AND               length(CAST(uri_prefix AS BLOB)) <= 4096 AND               instr(uri_prefix, char(0)) = 0)),  path       TEXT NOT NULL CHECK (length(CAST(path AS BLOB)) <= 4095 AND instr(path, char(0)) = 0 AND (path = '' OR (instr('/' || path || '/', '//') = 0 AND instr('/' || path || '/', '/./') = 0 AND instr('/' || path || '/', '/../') = 0))),  secret     BLOB NOT NULL CHECK (typeof(secret) = 'blob' AND length(secret) <= 1024 AND               length(secret) >= iif(format = 'hmac-sha256', 32, 1)),  created INTEGER NOT NULL DEFAULT (unixepoch()),  retired    INTEGER CHECK (retired IS NULL OR               (typeof(retired) = 'integer' AND retired BETWEEN 0 AND 99999999999)),  CHECK (format = 'hmac-sha256' OR uri_prefix IS NOT NULL)) STRICT, WITHOUT ROWID;
INSERT INTO signing_keys VALUES('k1','hmac-sha256',NULL,'',X'0000000000000000000000000000000000000000000000000000000000000000',1700000000,NULL);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('changes',0);
CREATE INDEX owners_by_principal ON owners (principal, path);
CREATE INDEX grants_by_path ON grants (path);
CREATE INDEX grants_by_expires ON grants (expires) WHERE expires IS NOT NULL;
CREATE INDEX members_by_parent ON members (parent);
CREATE INDEX sessions_by_principal ON sessions (principal);
CREATE INDEX sessions_by_expires ON sessions (expires) WHERE expires IS NOT NULL;
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
CREATE INDEX links_by_principal ON links (principal);
CREATE INDEX links_by_path ON links (path);
CREATE INDEX links_by_expires ON links (expires) WHERE expires IS NOT NULL;
CREATE INDEX signing_keys_by_path ON signing_keys (path);
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
COMMIT;
