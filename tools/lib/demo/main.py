"""The demo: a private store of real files, served by unmodified web servers through grantfs.

Everything lies in one temporary folder; without --keep nothing is left when it ends.
"""

import json
import pathlib
import pwd
import signal
import sys
import textwrap
import threading

from acts import (explain, set_up, show_attacks, show_changes, show_http, show_owners, show_servers, show_uids)
from demo_site import SERVER, Site
from fleet_acts import run_fleet
from places import BUILD
from processes import find_daemon, stop
from show import Show, quoted
from table import Table
from trouble import Trouble

from servers import COOKIE

STATE = pathlib.Path("/run/grantfs-demo.json")  # what --keep left, for --stop


def summary(table):
    print()
    if table.failed:
        print(f"{table.failed} of {table.rows} answers are NOT as they should be: see FAIL above.")
        return
    print(textwrap.dedent(f"""\
        All {table.rows} answers are as they should be. Unmodified web servers served private files, each to
        those alone whom the database names: every other request was told 404 (not there, or not
        yours: nobody can tell which) or 403 (no session), and each change counted at once."""))


def how_to_look(site, show, alice, bob):
    path = show.pick("alice/documents")
    url = f"http://127.0.0.1:{site.nginx.port}/private/"
    print(textwrap.dedent(f"""
        It is left running. To look at it:

          ls {site.mount}/public
          curl -b {COOKIE}={alice} {url}  # alice's listing
          curl -b {COOKIE}={bob} -i {url}{quoted(path)}  # bob: 404
          export GRANTFS_DB={site.db} GRANTFS_CONTROL={site.control}
          {BUILD}/grantctl ls
          {BUILD}/grantctl grant user:bob {path}  # and ask again
          {BUILD}/grantctl status

        To stop it:

          tools/demo --stop"""))


def run(keep):
    if keep and STATE.exists():
        raise Trouble("a demo is running already; tools/demo --stop ends it")
    pwd.getpwnam(SERVER)
    site = Site()
    kept = False
    try:
        set_up(site)
        alice, bob = site.session("user:alice"), site.session("user:bob")
        table = Table()
        show = Show(site, table)
        show_owners(show, alice, bob)
        show_http(show, alice)
        show_changes(show, alice, bob)
        show_attacks(show, alice)
        show_uids(show)
        show_servers(show, alice)
        explain(show, alice)
        print()
        summary(table)
        if keep:
            STATE.write_text(json.dumps(site.state()))
            STATE.chmod(0o600)
            how_to_look(site, show, alice, bob)
            kept = True
        return 1 if table.failed else 0
    finally:
        if not kept:
            # A second Ctrl-C does not interrupt the cleaning.
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            site.daemon = site.daemon or find_daemon(site.mount)
            stop(site.state())
            if keep:
                STATE.unlink(missing_ok=True)


interrupted = threading.Event()


def interrupt(number, frame):
    # Remembered too: where Python runs finalizers, what is raised is lost.
    interrupted.set()
    signal.default_int_handler(number, frame)


def main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        if sys.argv[1:] == ["--stop"]:
            if not STATE.exists():
                raise Trouble("no demo is running")
            stop(json.loads(STATE.read_text()))
            STATE.unlink()
            print("demo: stopped")
            return 0
        status = run_fleet() if sys.argv[1:] == ["--fleet"] else run(keep=sys.argv[1:] == ["--keep"])
        return 130 if interrupted.is_set() else status
    except Trouble as trouble:
        print(f"demo: {trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: stopped, and cleaned up", file=sys.stderr)
        return 130


sys.exit(main())
