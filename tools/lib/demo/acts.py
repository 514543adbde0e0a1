"""What the demo shows, one table each."""

import hashlib
import subprocess
import textwrap
import time

import places  # noqa: F401: where servers.py is
from demo_site import SERVER
from real_files import gather
from show import quoted

from servers import request

UIDS = 1001, 1002  # need not exist


def set_up(site):
    count = gather(site.store)
    site.start()
    site.grantctl("own", "user:alice", "alice")
    site.grantctl("own", "user:bob", "bob")
    site.grantctl("group", "add", "group:team", "user:alice")
    site.grantctl("grant", "group:team", "team")
    site.grantctl("grant", "public", "public-docs")
    print(textwrap.dedent(f"""
        {count} files of this machine are in a private store (mode 0700): a web server cannot read it.
        grantfs shows it again at MOUNT, where each path exists only for who may see it; nginx serves that.
        grantctl has said who may: alice/ and bob/ belong to them, team/ to a group in which alice is,
        public-docs/ to everyone, and of unclaimed/ nothing was said.

          store  {site.store}
          MOUNT  {site.mount}
          nginx  http://127.0.0.1:{site.nginx.port}, workers as {SERVER}, configured by `grantctl webconf`"""))


def show_owners(show, alice, bob):
    show.table.head("Who gets what (the cookie says who; grantfs decides)")
    document, picture = show.pick("alice/documents"), None
    show.ask("alice", f"/private/{quoted(document)}", "she owns alice/", 200, show.original(document), token=alice)
    if (show.site.store / "alice/pictures").exists():
        picture = show.pick("alice/pictures")
        show.ask("alice", f"/private/{quoted(picture)}", "she owns alice/", 200, show.original(picture), token=alice)
    bobs = show.pick("bob/documents")
    show.ask("bob", f"/private/{quoted(bobs)}", "he owns bob/", 200, show.original(bobs), token=bob)
    show.ask("bob", f"/private/{quoted(document)}", "not his: as if it did not exist", 404, token=bob)
    show.ask("bob", "/private/alice/no-such-file", "really does not exist: the same answer", 404, token=bob)
    unclaimed = show.pick("unclaimed")
    show.ask("alice", f"/private/{quoted(unclaimed)}", "nobody was given it", 404, token=alice)
    show.ask("no cookie", f"/private/{quoted(document)}", "no session", 403)
    show.ask("forged", f"/private/{quoted(document)}", "no such session", 403, token="a" * 32)
    team, public = show.pick("team"), show.pick("public-docs")
    show.ask("alice", f"/private/{quoted(team)}", "a member of the group", 200, show.original(team), token=alice)
    show.ask("bob", f"/private/{quoted(team)}", "not a member", 404, token=bob)
    show.ask("no cookie", f"/public/{quoted(public)}", "granted to everyone", 200, show.original(public))
    show.ask("bob", f"/private/{quoted(public)}", "granted to everyone", 200, show.original(public), token=bob)
    show.ask("no cookie", f"/public/{quoted(document)}", "not granted to everyone", 404)

    def lists(shown, hidden):
        return lambda reply: (all(f'href="{name}/"'.encode() in reply.body for name in shown)
                              and not any(name.encode() in reply.body for name in hidden))

    show.ask("alice", "/private/", "the listing: alice/ public-docs/ team/ only", 200, token=alice,
             wanted=lists(("alice", "public-docs", "team"), ("bob", "unclaimed")))
    show.ask("bob", "/private/", "the listing: bob/ public-docs/ only", 200, token=bob,
             wanted=lists(("bob", "public-docs"), ("alice", "team", "unclaimed")))


def show_http(show, alice):
    show.table.head("HTTP as usual (nginx does it, with sendfile)")
    path = show.pick("alice/large") if (show.site.store / "alice/large").exists() else show.pick("alice/documents")
    data = show.original(path)
    url = f"/private/{quoted(path)}"
    reply = show.ask("alice", url, f"{len(data):,} bytes", 200, data, token=alice)
    first, last = len(data) // 3, len(data) // 3 + 99
    show.ask("alice", url, f"Range: bytes={first}-{last}", 206, data[first:last + 1], token=alice,
             headers={"Range": f"bytes={first}-{last}"})
    show.ask("alice", url, "If-None-Match: the ETag of before", 304, b"", token=alice,
             headers={"If-None-Match": reply.headers.get("etag", "none")})
    show.ask("alice", url, "HEAD: the length, no body", 200, b"", token=alice, method="HEAD", shown=f"HEAD {url}",
             wanted=lambda head: head.headers["content-length"] == str(len(data)))


def show_changes(show, alice, bob):
    site = show.site
    show.table.head("Changes count at the very next request")
    path = show.pick("alice/documents")
    url = f"/private/{quoted(path)}"
    show.ask("bob", url, "before the grant", 404, token=bob)
    site.grantctl("grant", "user:bob", path)
    show.ask("bob", url, "after: grantctl grant user:bob PATH", 200, show.original(path), token=bob)
    site.grantctl("revoke", "user:bob", path)
    show.ask("bob", url, "after: grantctl revoke user:bob PATH", 404, token=bob)

    phone = site.session("user:alice")
    show.ask("alice", url, "a second session, on her phone", 200, show.original(path), token=phone)
    identity = hashlib.sha256(phone.encode()).hexdigest()
    statement = f"UPDATE sessions SET expires = unixepoch() - 1 WHERE id = '{identity}'"
    subprocess.run(["sqlite3", "-cmd", ".timeout 5000", site.db, statement], check=True)
    # grantctl waits until its change counts; plain SQL is noticed a moment later.
    changed = time.monotonic()
    while request(site.nginx.port, url, token=phone).status != 403 and time.monotonic() < changed + 2:
        pass
    shown = f"expired by plain SQL (UPDATE sessions): {1000 * (time.monotonic() - changed):.0f} ms later"
    show.ask("alice", url, shown, 403, token=phone)
    show.ask("alice", url, "her other session goes on", 200, show.original(path), token=alice)


def show_attacks(show, alice):
    show.table.head("Attacks")
    for cookie, url in (("../../../../etc", "/private/passwd"), ("..%2f..%2f..%2fetc", "/private/passwd"),
                        (f"{alice}/../..", "/private/public/"), ("", f"/private/{alice}/alice/")):
        shown = f"GET {url}  cookie {cookie or '(empty)'}".replace(alice, "TOKEN")
        show.ask("attacker", url, "the cookie is no token", 403, token=cookie, shown=shown)
    for url, status in (("/private/../../etc/passwd", 400), ("/private../etc/passwd", 404)):
        show.ask("attacker", url, "the path leads out", status, token=alice)
    bobs = show.pick("bob/documents")
    show.ask("attacker", f"/private/..%2fpublic/{quoted(bobs)}", "the path leads out", 404, token=alice)


def show_uids(show):
    site = show.site
    owner, other = UIDS
    show.table.head("The machine's own users (MOUNT/me is by-uid/NUMBER for each)")
    path = show.pick("team")
    site.grantctl("grant", f"uid:{owner}", path)
    show.as_uid(owner, site.mount / "me" / path, "granted to uid:1001", show.original(path))
    show.as_uid(other, site.mount / "me" / path, "not granted: not there", "No such file or directory")
    show.as_uid(other, site.mount / "by-uid" / str(owner) / path, "another's door", "Permission denied")
    show.as_uid(0, site.mount / "by-uid" / str(owner) / path, "root gets nothing by being root", "Permission denied")
    show.as_uid(other, site.store / path, "the store itself is closed", "Permission denied")


def show_servers(show, alice):
    site = show.site
    show.table.head("The same files by other unmodified servers")
    path = show.pick("alice/documents")
    bobs, public = show.pick("bob/documents"), show.pick("public-docs")
    port = site.serve(["busybox", "httpd", "-f", "-p", "127.0.0.1:{port}"], site.mount / "by-session" / alice)
    show.ask("busybox", f"/{quoted(path)}", "in alice's session's folder", 200, show.original(path), port=port)
    show.ask("busybox", f"/{quoted(bobs)}", "in alice's session's folder: not hers", 404, port=port)
    port = site.serve(["/usr/bin/python3", "-m", "http.server", "--bind", "127.0.0.1", "{port}"], site.mount / "public")
    show.ask("python3", f"/{quoted(public)}", "in MOUNT/public", 200, show.original(public), port=port)
    show.ask("python3", f"/{quoted(path)}", "in MOUNT/public: not public", 404, port=port)


def explain(show, alice):
    """What grantctl says of three of the answers above."""
    print("\nWhy? grantctl knows:\n")
    path = show.pick("alice/documents")
    for words, given in ((("check", "user:alice", path), None), (("check", "user:bob", path), None),
                         (("check", "session:-", show.pick("team")), alice)):
        done = show.site.grantctl(*words, check=False, input=given)
        print(f"  $ grantctl {' '.join(words)}" + ("     (alice's token on standard input)" if given else ""))
        print(textwrap.indent((done.stdout + done.stderr).strip(), "    "), flush=True)
