"""A site with private files, in Python: Flask makes the pages, and nginx serves every file off a grantfs mount.

    python3 app.py add-user alice < password      makes a user
    gunicorn --bind 127.0.0.1:8000 app:app        runs it; ../README.md has nginx's side

It needs Flask (python3-flask) and the package grantfs (../../python). GRANTFS_DB, GRANTFS_STORE and SITE_DB say where things are.
"""

import contextlib
import hashlib
import hmac
import os
import pathlib
import secrets
import sqlite3
import sys
import urllib.parse
from datetime import timedelta

import grantfs
from flask import Flask, abort, redirect, render_template_string, request

policy = grantfs.Policy(os.environ.get("GRANTFS_DB", "/var/lib/grantfs/site/policy.db"))  # `grantctl init` made it
STORE = pathlib.Path(os.environ.get("GRANTFS_STORE", "/srv/private"))                     # this site's own, mode 0700
OWN = os.environ.get("SITE_DB", "/var/lib/site/site.db")                                  # users and logins
SESSION, LINK = timedelta(hours=8), timedelta(days=7)

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 32 << 20


# This site's own database.

@contextlib.contextmanager
def transaction():
    """All of the block's statements, or none. Waits 5 s for another writer."""
    with contextlib.closing(sqlite3.connect(OWN, isolation_level=None, timeout=5)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield db
        db.execute("COMMIT")  # after an exception, closing rolls back


def row(statement, *values):
    with contextlib.closing(sqlite3.connect(OWN, timeout=5)) as db:
        return db.execute(statement, values).fetchone()


with transaction() as db:
    db.execute("CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT UNIQUE, salt BLOB, password BLOB)")
    db.execute("CREATE TABLE IF NOT EXISTS logins (id TEXT PRIMARY KEY, user INTEGER, files TEXT, expires INTEGER)")


# Passwords and names.

def same(one, other):
    return hmac.compare_digest(one.encode(), other.encode())


def password_hash(password, salt):
    return hashlib.scrypt(password.encode(), salt=salt, n=2**15, r=8, p=3, maxmem=64 << 20)


def user_with(name, password):
    """The id of the user whose name and password these are, or None, which takes as long."""
    user, salt, known = row("SELECT id, salt, password FROM users WHERE name = ?", name) or (None, b"nobody's", b"")
    return user if hmac.compare_digest(password_hash(password, salt), known) else None


def is_plain(name):
    """Whether it can be the last part of a path, and nothing else: see "path" in grantfs-schema(5)."""
    return 0 < len(name.encode(errors="replace")) <= 200 and name.isprintable() and name[0] != "." and not set(name) & set("/\\")


# Who asks. Browsers send a __Host- cookie over https alone, and take it from this host alone. The databases hold token_id() of each.

def set_cookie(response, name, value, lasts):
    response.set_cookie(f"__Host-{name}", value, max_age=lasts, secure=True, httponly=True, samesite="Lax", path="/")


def logged_in():
    """(the login's id, the user, the id of the session for files), or None."""
    login = grantfs.token_id(request.cookies.get("__Host-login", ""))
    return row("SELECT id, 'user:' || user, files FROM logins WHERE id = ? AND expires > unixepoch()", login)


@app.before_request
def only_our_own_forms():
    """A form repeats what a cookie says, and no other site can read or set that cookie."""
    cookie = request.cookies.get("__Host-form", "")
    if request.method == "POST" and not (cookie and same(cookie, request.form.get("form", ""))):
        abort(403)


def page(**values):
    form = request.cookies.get("__Host-form") or grantfs.new_token()
    response = app.make_response(render_template_string(PAGE, form=form, **values))
    set_cookie(response, "form", form, None)
    return response


# The pages.

@app.get("/")
def index():
    login = logged_in()
    if login is None:
        return page()
    with policy.reading() as rules:
        owned = rules.owned_by(login[1])
    files = [(path, path.rpartition("/")[2], f"/private/{urllib.parse.quote(path)}") for path in owned]
    return page(user=login[1], files=files)


@app.post("/login")
def login():
    user = user_with(request.form.get("name", ""), request.form.get("password", ""))
    if user is None:
        return page(error="Wrong name or password."), 403
    login, seconds = grantfs.new_token(), SESSION.total_seconds()
    with policy.transaction() as rules:  # a timer that runs `grantctl prune` deletes what has expired
        files = rules.create_session(f"user:{user}", expires=SESSION)
    with transaction() as db:
        db.execute("DELETE FROM logins WHERE expires <= unixepoch()")
        db.execute("INSERT INTO logins VALUES (?, ?, ?, unixepoch() + ?)", (grantfs.token_id(login), user, grantfs.token_id(files), seconds))
    response = redirect("/", 303)
    set_cookie(response, "login", login, SESSION)
    set_cookie(response, "files", files, SESSION)  # for nginx: if it leaks, it opens files and nothing else
    return response


@app.post("/upload")
def upload():
    _, user, _ = logged_in() or abort(403)
    file = request.files.get("file") or abort(400)
    if not is_plain(file.filename):
        abort(400)
    # A folder of its own: no path is ever used again, since the next file there would inherit rules and links.
    path = f"uploads/{secrets.token_hex(16)}/{file.filename}"
    part = (STORE / path).with_name(".part")
    (STORE / "uploads").mkdir(mode=0o700, exist_ok=True)
    part.parent.mkdir(mode=0o700)
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        file.save(out)
        out.flush()
        os.fsync(out.fileno())
    part.rename(STORE / path)
    # Until now nobody could see it.
    with policy.transaction() as rules:
        rules.own(user, path)
    return redirect("/", 303)


@app.post("/share")
def share():
    _, user, _ = logged_in() or abort(403)
    path = request.form.get("path", "")
    with policy.transaction() as rules:
        if path not in rules.owned_by(user):
            abort(404)
        token = rules.create_link(user, path, expires=LINK)
    # Shown once: nobody can compute it from what is stored.
    return page(user=user, link=f"/link/{token}/{urllib.parse.quote(path.rpartition('/')[2])}")


@app.post("/logout")
def logout():
    login, _, files = logged_in() or abort(403)
    # Access is taken away first. By plain SQL that counts within 50 ms on an idle machine, and within the mount's lease (1 s)
    # in any case; `grantctl session rm` returns when no open succeeds any more.
    with policy.transaction() as rules:
        rules.end_session(files)
    with transaction() as db:
        db.execute("DELETE FROM logins WHERE id = ?", (login,))
    response = redirect("/", 303)
    for name in ("login", "files"):
        set_cookie(response, name, "", 0)
    return response


PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Private files</title>
<h1>Private files</h1>
{% macro ours() %}<input type="hidden" name="form" value="{{ form }}">{% endmacro %}
{% if error %}<p role="alert">{{ error }}</p>{% endif %}
{% if not user %}
<form method="post" action="/login">{{ ours() }}
<p><label>Name <input name="name" autocomplete="username" required></label>
<p><label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<p><button>Log in</button></form>
{% elif link %}
<p>Whoever has this address may read the file for a week. It is not shown again.
<p><a href="{{ link }}">{{ link }}</a>
<p><a href="/">Back</a>
{% else %}
<ul>{% for path, name, url in files %}
<li><a href="{{ url }}">{{ name }}</a>
<form method="post" action="/share">{{ ours() }}<input type="hidden" name="path" value="{{ path }}"><button>Make a link</button></form>
{% endfor %}</ul>
<form method="post" action="/upload" enctype="multipart/form-data">{{ ours() }}
<p><label>File <input name="file" type="file" required></label> <button>Upload</button></form>
<form method="post" action="/logout">{{ ours() }}<button>Log out</button></form>
{% endif %}
"""


def add_user(name):
    salt, password = secrets.token_bytes(16), sys.stdin.readline().rstrip("\n")
    with transaction() as db:
        db.execute("INSERT INTO users (name, salt, password) VALUES (?, ?, ?)", (name, salt, password_hash(password, salt)))


if __name__ == "__main__" and sys.argv[1:2] == ["add-user"]:
    add_user(sys.argv[2])
