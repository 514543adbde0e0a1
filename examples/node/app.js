/* A site with private files, in JavaScript: Node makes the pages, and nginx serves every file off a grantfs mount.

       node app.js add-user alice < password         makes a user
       node app.js                                   runs it on 127.0.0.1:8000; ../README.md has nginx's side

   It needs Node 22.16 or newer, and no package. GRANTFS_DB, GRANTFS_STORE, SITE_DB and PORT say where things are. */

"use strict";

const { createHash, randomBytes, scrypt, timingSafeEqual } = require("node:crypto");
const { readFileSync, promises: fs } = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const { DatabaseSync } = require("node:sqlite");
const { pathToFileURL } = require("node:url");
const { promisify } = require("node:util");

const POLICY = process.env.GRANTFS_DB || "/var/lib/grantfs/site/policy.db"; // `grantctl init` made it: see grantfs-schema(5)
const STORE = process.env.GRANTFS_STORE || "/srv/private";                  // this site's own, mode 0700
const OWN = process.env.SITE_DB || "/var/lib/site/site.db";                 // users and logins
const SESSION_SECONDS = 8 * 3600, LINK_SECONDS = 7 * 86400, UPLOAD_BYTES = 32 << 20;

// The databases. A statement waits 5 s for another writer, and all requests with it: keep transactions short.

/** "rw" never makes a database that is missing. */
function open(file, mode) {
  const db = new DatabaseSync(`${pathToFileURL(file)}?mode=${mode}`);
  db.exec("PRAGMA busy_timeout = 5000");
  return db;
}

const policy = open(POLICY, "rw");
const own = open(OWN, "rwc");
own.exec(`CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT UNIQUE, salt BLOB, password BLOB);
  CREATE TABLE IF NOT EXISTS logins (id TEXT PRIMARY KEY, user INTEGER, files TEXT, expires INTEGER)`);

/** How many rows the statement has changed. */
const run = (db, statement, ...values) => db.prepare(statement).run(...values).changes;

const rows = (db, statement, ...values) => db.prepare(statement).all(...values);

/** All that `work` does, or nothing. It must not wait for anything else. */
function transaction(db, work) {
  db.exec("BEGIN IMMEDIATE");
  try {
    work();
    db.exec("COMMIT");
  } finally {
    if (db.isTransaction) db.exec("ROLLBACK");
  }
}

// Tokens, passwords, names.

const newToken = () => randomBytes(32).toString("base64url"); // 43 of A-Z a-z 0-9 - _; nginx takes 16 to 255 of them

/** All that a database ever holds of a token. */
const tokenId = (token) => createHash("sha256").update(token).digest("hex");

/** In a time that does not tell how much of them is the same. */
const same = (one, other) => timingSafeEqual(Buffer.from(tokenId(one)), Buffer.from(tokenId(other)));

const passwordHash = (password, salt) => promisify(scrypt)(password, salt, 64, { N: 2 ** 15, r: 8, p: 3, maxmem: 64 << 20 });

/** The id of the user whose name and password these are, or null, which takes as long. */
async function userWith(name, password) {
  const [found] = rows(own, "SELECT id, salt, password FROM users WHERE name = ?", name);
  const { id, salt, password: known } = found ?? { id: null, salt: "nobody's", password: Buffer.alloc(64) };
  return timingSafeEqual(await passwordHash(password, salt), known) ? id : null;
}

/** Whether it can be the last part of a path, and nothing else: see "path" in grantfs-schema(5). */
const isPlain = (name) => Buffer.byteLength(name) <= 200 && /^(?!\.)[^/\\\p{C}\p{Zl}\p{Zp}]+$/u.test(name);

const asUrl = (file) => file.split("/").map(encodeURIComponent).join("/");

// Who asks. Browsers send a __Host- cookie over https alone, and take it from this host alone.

function cookie(request, name) {
  const start = `__Host-${name}=`;
  const found = (request.headers.cookie ?? "").split("; ").find((each) => each.startsWith(start));
  return found ? found.slice(start.length) : "";
}

/** No seconds: until the browser is closed; 0: now. */
const setCookie = (name, value, seconds) =>
  `__Host-${name}=${value}; ${seconds === undefined ? "" : `Max-Age=${seconds}; `}Path=/; Secure; HttpOnly; SameSite=Lax`;

/** The login's id, the user and the id of the session for files; or undefined. */
function loggedIn(request) {
  const [found] = rows(own, "SELECT id, user, files FROM logins WHERE id = ? AND expires > unixepoch()",
    tokenId(cookie(request, "login")));
  return found;
}

class Refusal extends Error {
  constructor(status) {
    super(http.STATUS_CODES[status]);
    this.status = status;
  }
}

function stop(status) {
  throw new Refusal(status);
}

/** The fields of the form, once it is one of our own: it repeats what a cookie says, which no other site can read or set. */
async function ownForm(request) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > UPLOAD_BYTES) stop(413);
    chunks.push(chunk);
  }
  const type = request.headers["content-type"] ?? "";
  const form = await new Response(Buffer.concat(chunks), { headers: { "content-type": type } }).formData().catch(() => stop(400));
  const known = cookie(request, "form");
  if (!known || !same(known, String(form.get("form")))) stop(403);
  return form;
}

// The pages: each returns what http.ServerResponse takes.

const home = (...cookies) => ({ status: 303, headers: { Location: "/", "Set-Cookie": cookies } });

function index(request) {
  const login = loggedIn(request);
  const owned = login ? rows(policy, "SELECT path FROM owners WHERE principal = ? ORDER BY created", `user:${login.user}`) : [];
  return show(request, { user: login?.user, paths: owned.map((row) => row.path) });
}

async function logIn(request) {
  const form = await ownForm(request);
  const user = await userWith(String(form.get("name")), String(form.get("password")));
  if (user === null) return { ...show(request, { error: "Wrong name or password." }), status: 403 };
  const ours = newToken(), files = newToken();
  transaction(own, () => {
    run(own, "DELETE FROM logins WHERE expires <= unixepoch()");
    run(own, "INSERT INTO logins VALUES (?, ?, ?, unixepoch() + ?)", tokenId(ours), user, tokenId(files), SESSION_SECONDS);
  });
  transaction(policy, () => {
    run(policy, "DELETE FROM sessions WHERE principal = ? AND expires <= unixepoch()", `user:${user}`);
    run(policy, "INSERT INTO sessions (id, principal, expires) VALUES (?, ?, unixepoch() + ?)",
      tokenId(files), `user:${user}`, SESSION_SECONDS);
  });
  // The second is for nginx: if it leaks, it opens files and nothing else.
  return home(setCookie("login", ours, SESSION_SECONDS), setCookie("files", files, SESSION_SECONDS));
}

async function upload(request) {
  const form = await ownForm(request);
  const { user } = loggedIn(request) ?? stop(403);
  const file = form.get("file");
  if (file === null || typeof file === "string" || !isPlain(file.name)) stop(400);
  // A folder of its own: no path is ever used again, since the next file there would inherit rules and links.
  const owned = `uploads/${randomBytes(16).toString("hex")}/${file.name}`;
  const folder = path.join(STORE, path.dirname(owned));
  await fs.mkdir(folder, { recursive: true, mode: 0o700 });
  const part = await fs.open(path.join(folder, ".part"), "wx", 0o600);
  try {
    await part.writeFile(Buffer.from(await file.arrayBuffer()));
    await part.sync();
  } finally {
    await part.close();
  }
  await fs.rename(path.join(folder, ".part"), path.join(STORE, owned));
  // Until now nobody could see it.
  run(policy, "INSERT INTO owners (path, principal) VALUES (?, ?)", owned, `user:${user}`);
  return home();
}

async function share(request) {
  const form = await ownForm(request);
  const { user } = loggedIn(request) ?? stop(403);
  const owned = String(form.get("path")), token = newToken();
  const made = run(policy, "INSERT INTO links (id, principal, path, expires)"
    + " SELECT ?, principal, path, unixepoch() + ? FROM owners WHERE path = ? AND principal = ?",
    tokenId(token), LINK_SECONDS, owned, `user:${user}`);
  if (made !== 1) stop(404);
  // Shown once: nobody can compute it from what is stored.
  return show(request, { user, link: `/link/${token}/${asUrl(path.basename(owned))}` });
}

async function logOut(request) {
  await ownForm(request);
  const login = loggedIn(request) ?? stop(403);
  // Access is taken away first. By plain SQL that counts within 50 ms on an idle machine, and within the mount's lease (1 s)
  // in any case; `grantctl session rm` returns when no open succeeds any more.
  run(policy, "DELETE FROM sessions WHERE id = ?", login.files);
  run(own, "DELETE FROM logins WHERE id = ?", login.id);
  return home(setCookie("login", "", 0), setCookie("files", "", 0));
}

const h = (text) => text.replace(/[&<>"']/g, (each) => `&#${each.charCodeAt(0)};`);

function show(request, { user, paths = [], link, error }) {
  const form = cookie(request, "form") || newToken();
  const ours = `<input type="hidden" name="form" value="${h(form)}">`;
  const loginForm = `
<form method="post" action="/login">${ours}
<p><label>Name <input name="name" autocomplete="username" required></label>
<p><label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<p><button>Log in</button></form>`;
  const shared = () => `
<p>Whoever has this address may read the file for a week. It is not shown again.
<p><a href="${h(link)}">${h(link)}</a>
<p><a href="/">Back</a>`;
  const files = () => `
<ul>${paths.map((each) => `
<li><a href="${h(`/private/${asUrl(each)}`)}">${h(path.basename(each))}</a>
<form method="post" action="/share">${ours}<input type="hidden" name="path" value="${h(each)}"><button>Make a link</button></form>`).join("")}
</ul>
<form method="post" action="/upload" enctype="multipart/form-data">${ours}
<p><label>File <input name="file" type="file" required></label> <button>Upload</button></form>
<form method="post" action="/logout">${ours}<button>Log out</button></form>`;
  return {
    status: 200,
    headers: { "Content-Type": "text/html; charset=utf-8", "Set-Cookie": [setCookie("form", form)] },
    body: `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Private files</title>
<h1>Private files</h1>
${error ? `<p role="alert">${h(error)}</p>` : ""}${!user ? loginForm : link ? shared() : files()}
`,
  };
}

const PAGES = new Map(Object.entries({
  "GET /": index, "POST /login": logIn, "POST /upload": upload, "POST /share": share, "POST /logout": logOut,
}));

async function answer(request, response) {
  let reply;
  try {
    const page = PAGES.get(`${request.method} ${request.url.split("?")[0]}`) ?? stop(404);
    reply = await page(request);
  } catch (error) {
    if (!(error instanceof Refusal)) console.error(error);
    reply = { status: error instanceof Refusal ? error.status : 500, headers: { "Content-Type": "text/plain" } };
    reply.body = `${http.STATUS_CODES[reply.status]}\n`;
  }
  response.writeHead(reply.status, reply.headers).end(reply.body);
}

async function addUser(name) {
  const password = readFileSync(0, "utf8").split("\n")[0];
  const salt = randomBytes(16);
  run(own, "INSERT INTO users (name, salt, password) VALUES (?, ?, ?)", name, salt, await passwordHash(password, salt));
}

if (process.argv[2] === "add-user") {
  addUser(process.argv[3]);
} else {
  http.createServer(answer).listen(process.env.PORT || 8000, "127.0.0.1");
}
