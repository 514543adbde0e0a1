#pragma once

#include <chrono>
#include <cstddef>

namespace grantfs::control {

/// The control socket of a daemon: a Unix stream socket. A client connects, writes one JSON object
/// on one line, reads one JSON object on one line, and the connection is over.
///
///     {"command":"status"}
///     {"ok":true,"version":"0.2.0",...}       or      {"ok":false,"error":"no such command"}
///     {"command":"recall"}
///     {"ok":true}
///     {"command":"bind","token":"..."}
///     {"ok":true,"session":4711}
///     {"command":"bindings"}
///     {"ok":true,"bindings":[{"session":4711,"id":"..."}]}
///     {"command":"current","as_of":81234567890,"follow_at_most":10,"behind_bytes":0,"upstream":"..."}
///     {"ok":true,"follow_seconds":10}
///     {"command":"change","arguments":["grant","user:alice","up"],"by":"carol","note":"ticket 7"}
///     {"ok":true}
///
/// Fields of the answer to "status": stage ("starting", "serving", or "leaving": the mount was
/// taken away, and serves whoever is in it), mount_id (as the kernel numbers mounts), version,
/// store, mountpoint, database (canonical paths), audit (null, or an object: place, required,
/// trouble), enforce, enforce_because (why not as asked for; empty: it is), lease_seconds (0:
/// nothing is lent), transport, passthrough, pid, started (Unix seconds), uptime_seconds, counters
/// (an object of numbers).
///
/// "recall" is answered once the kernel has forgotten all that it was lent and that commits made
/// before the request have taken away. A daemon that does not answer it is bounded by its lease,
/// which its record says (record.h).
///
/// "bind" makes the processes of the client's POSIX session stand for the bearer of the token,
/// until the client ends: it must be the session's leader, and is the process that connected,
/// whatever it says. What it was bound to before is over. Where it is the token that is refused
/// (unknown, ended, or bound to an address), the answer has "denied":true besides. "bindings" are
/// those whose leader lives, with the SHA-256 of the token as "id".
///
/// "current" says that the database, a copy, has all that was committed upstream until "as_of"
/// (nanoseconds of CLOCK_BOOTTIME). The daemon decides, and lends, until follow_seconds after that
/// moment (the mount option follow=; 0: the mount has none, and the command does nothing). Only
/// root, the daemon's own user and the owner of the database may say so. It is refused if the
/// daemon's follow= is longer than "follow_at_most", which is what the upstream was told. It is
/// answered as "recall" is.
///
/// "change" has the daemon's record of accesses (audit=) tell of a change that grantctl has made,
/// with the uid and the process of the client as the kernel knows them. "arguments" are those of
/// grantctl; "by", "note" and "made" (the id of a new session or link) may be left out. It is
/// refused if the daemon keeps no record, or there is no room.

/// Where daemons put their sockets unless told otherwise, each as NAME.sock.
inline constexpr const char* kDefaultDirectory = "/run/grantfs";

/// Longest line either way, its newline included.
inline constexpr std::size_t kMaxLineBytes = std::size_t{64} * 1024;

/// Clients served at a time; more wait in the kernel's queue. Several times as many as scripts
/// that take access away side by side: while their recalls wait, a status is still served.
inline constexpr std::size_t kMaxClients = 64;

/// From a client's connection to the end of its answer; then it is cut off.
inline constexpr std::chrono::milliseconds kClientTime{5000};

/// How long a client waits for a daemon, from connecting to the end of the answer.
inline constexpr std::chrono::milliseconds kAnswerTime{2000};

}  // namespace grantfs::control
