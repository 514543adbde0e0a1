<?php
/* A site with private files, in PHP: this file makes the pages, and nginx serves every file off a grantfs mount.

       php app.php add-user alice < password         makes a user

   php-fpm runs it for every URL that ../README.md gives it, in a pool of its own, /etc/php/8.2/fpm/pool.d/site.conf:

       [site]
       user = site
       group = site
       listen = /run/php/site.sock
       listen.owner = www-data
       pm = ondemand
       pm.max_children = 10
       php_admin_value[upload_max_filesize] = 32M
       php_admin_value[post_max_size] = 33M

   It needs PHP 8.2 or newer and php-sqlite3. env[GRANTFS_DB], env[GRANTFS_STORE] and env[SITE_DB] of the pool say where
   things are. */

declare(strict_types=1);

define('POLICY', getenv('GRANTFS_DB') ?: '/var/lib/grantfs/site/policy.db'); // `grantctl init` made it: see grantfs-schema(5)
define('STORE', getenv('GRANTFS_STORE') ?: '/srv/private');                  // this site's own, mode 0700
define('OWN', getenv('SITE_DB') ?: '/var/lib/site/site.db');                 // users and logins
const SESSION_SECONDS = 8 * 3600, LINK_SECONDS = 7 * 86400;

umask(0077);
ini_set('display_errors', '0');
ini_set('zend.exception_ignore_args', '1'); // the log says where something failed, and with which token it was called never
set_error_handler(fn($number, $text) => throw new ErrorException($text)); // what fails ends the request

// The databases.

/** Waits 5 s for another writer. Without CREATE, never makes a database that is missing. */
function connect(string $path, int $flags = PDO::SQLITE_OPEN_READWRITE): PDO
{
    $db = new PDO("sqlite:$path", options: [PDO::SQLITE_ATTR_OPEN_FLAGS => $flags]);
    $db->exec('PRAGMA busy_timeout = 5000');
    return $db;
}

function run(PDO $db, string $statement, string|int ...$values): PDOStatement
{
    $prepared = $db->prepare($statement);
    $prepared->execute($values);
    return $prepared;
}

/** All that $work does, or nothing. */
function transaction(string $path, callable $work): mixed
{
    $db = connect($path);
    $db->exec('BEGIN IMMEDIATE');
    $result = $work($db);
    $db->exec('COMMIT'); // after an exception, closing rolls back
    return $result;
}

// Tokens, passwords, names.

/** 43 of A-Z a-z 0-9 - _; nginx takes 16 to 255 of them. */
function new_token(): string
{
    return rtrim(strtr(base64_encode(random_bytes(32)), '+/', '-_'), '=');
}

/** All that a database ever holds of a token. */
function token_id(string $token): string
{
    return hash('sha256', $token);
}

/** The id of the user whose name and password these are, or null, which takes as long. */
function user_with(string $name, string $password): ?int
{
    $found = run(connect(OWN), 'SELECT id, password FROM users WHERE name = ?', $name)->fetch();
    if (!$found) {
        password_hash($password, PASSWORD_ARGON2ID);
        return null;
    }
    return password_verify($password, $found['password']) ? $found['id'] : null;
}

/** Whether it can be the last part of a path, and nothing else: see "path" in grantfs-schema(5). */
function is_plain(string $name): bool
{
    return strlen($name) <= 200 && preg_match('~\A(?!\.)[^/\\\\\p{C}\p{Zl}\p{Zp}]+\z~u', $name) === 1;
}

function as_url(string $path): string
{
    return implode('/', array_map(rawurlencode(...), explode('/', $path)));
}

// Who asks. Browsers send a __Host- cookie over https alone, and take it from this host alone.

function cookie(string $name): string
{
    $value = $_COOKIE["__Host-$name"] ?? '';
    return is_string($value) ? $value : '';
}

/** 0 seconds: until the browser is closed. An empty value: now. */
function set_cookie(string $name, string $value, int $seconds): void
{
    setcookie("__Host-$name", $value, ['expires' => $seconds ? time() + $seconds : 0, 'path' => '/', 'secure' => true,
        'httponly' => true, 'samesite' => 'Lax']);
}

/** A field of the form, which may have been sent as a list. */
function field(string $name): string
{
    $value = $_POST[$name] ?? '';
    return is_string($value) ? $value : '';
}

/** The login's id, the user and the id of the session for files, or null. */
function logged_in(): ?array
{
    return run(connect(OWN), 'SELECT id, user, files FROM logins WHERE id = ? AND expires > unixepoch()',
        token_id(cookie('login')))->fetch() ?: null;
}

function stop(int $status): never
{
    http_response_code($status);
    exit;
}

function go_home(): never
{
    header('Location: /', response_code: 303);
    exit;
}

// The pages.

function index(): void
{
    $login = logged_in();
    $paths = $login ? run(connect(POLICY), 'SELECT path FROM owners WHERE principal = ? ORDER BY created', "user:{$login['user']}")
        ->fetchAll(PDO::FETCH_COLUMN) : [];
    show(user: $login['user'] ?? null, paths: $paths);
}

function log_in(): void
{
    $user = user_with(field('name'), field('password'));
    if ($user === null) {
        http_response_code(403);
        show(error: 'Wrong name or password.');
        return;
    }
    [$ours, $files] = [new_token(), new_token()];
    transaction(OWN, function (PDO $db) use ($ours, $user, $files) {
        run($db, 'DELETE FROM logins WHERE expires <= unixepoch()');
        run($db, 'INSERT INTO logins VALUES (?, ?, ?, unixepoch() + ?)', token_id($ours), $user, token_id($files), SESSION_SECONDS);
    });
    transaction(POLICY, function (PDO $policy) use ($user, $files) {
        run($policy, 'DELETE FROM sessions WHERE principal = ? AND expires <= unixepoch()', "user:$user");
        run($policy, 'INSERT INTO sessions (id, principal, expires) VALUES (?, ?, unixepoch() + ?)',
            token_id($files), "user:$user", SESSION_SECONDS);
    });
    set_cookie('login', $ours, SESSION_SECONDS);
    set_cookie('files', $files, SESSION_SECONDS); // for nginx: if it leaks, it opens files and nothing else
    go_home();
}

function upload(): void
{
    $login = logged_in() ?? stop(403);
    $file = $_FILES['file'] ?? stop(400);
    if ($file['error'] !== UPLOAD_ERR_OK || !is_plain($file['name'])) {
        stop(400);
    }
    // A folder of its own: no path is ever used again, since the next file there would inherit rules and links.
    $folder = 'uploads/' . bin2hex(random_bytes(16));
    mkdir(STORE . "/$folder", 0700, recursive: true);
    $out = fopen(STORE . "/$folder/.part", 'xb');
    stream_copy_to_stream(fopen($file['tmp_name'], 'rb'), $out);
    fsync($out);
    fclose($out);
    rename(STORE . "/$folder/.part", STORE . "/$folder/{$file['name']}");
    // Until now nobody could see it.
    transaction(POLICY, fn(PDO $policy) => run($policy, 'INSERT INTO owners (path, principal) VALUES (?, ?)',
        "$folder/{$file['name']}", "user:{$login['user']}"));
    go_home();
}

function share(): void
{
    $login = logged_in() ?? stop(403);
    [$path, $token] = [field('path'), new_token()];
    $made = transaction(POLICY, fn(PDO $policy) => run($policy, 'INSERT INTO links (id, principal, path, expires)'
        . ' SELECT ?, principal, path, unixepoch() + ? FROM owners WHERE path = ? AND principal = ?',
        token_id($token), LINK_SECONDS, $path, "user:{$login['user']}")->rowCount());
    if ($made !== 1) {
        stop(404);
    }
    // Shown once: nobody can compute it from what is stored.
    show(user: $login['user'], link: "/link/$token/" . as_url(basename($path)));
}

function log_out(): void
{
    $login = logged_in() ?? stop(403);
    // Access is taken away first. By plain SQL that counts within 50 ms on an idle machine, and within the mount's lease (1 s)
    // in any case; `grantctl session rm` returns when no open succeeds any more.
    transaction(POLICY, fn(PDO $policy) => run($policy, 'DELETE FROM sessions WHERE id = ?', $login['files']));
    transaction(OWN, fn(PDO $db) => run($db, 'DELETE FROM logins WHERE id = ?', $login['id']));
    set_cookie('login', '', 0);
    set_cookie('files', '', 0);
    go_home();
}

function h(string $text): string
{
    return htmlspecialchars($text);
}

function show(?int $user = null, array $paths = [], string $link = '', string $error = ''): void
{
    $form = cookie('form') ?: new_token();
    set_cookie('form', $form, 0);
    $ours = '<input type="hidden" name="form" value="' . h($form) . '">'; ?>
<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Private files</title>
<h1>Private files</h1>
<?php if ($error): ?><p role="alert"><?= h($error) ?></p><?php endif ?>
<?php if (!$user): ?>
<form method="post" action="/login"><?= $ours ?>
<p><label>Name <input name="name" autocomplete="username" required></label>
<p><label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<p><button>Log in</button></form>
<?php elseif ($link): ?>
<p>Whoever has this address may read the file for a week. It is not shown again.
<p><a href="<?= h($link) ?>"><?= h($link) ?></a>
<p><a href="/">Back</a>
<?php else: ?>
<ul><?php foreach ($paths as $path): ?>
<li><a href="<?= h('/private/' . as_url($path)) ?>"><?= h(basename($path)) ?></a>
<form method="post" action="/share"><?= $ours ?><input type="hidden" name="path" value="<?= h($path) ?>"><button>Make a link</button></form>
<?php endforeach ?></ul>
<form method="post" action="/upload" enctype="multipart/form-data"><?= $ours ?>
<p><label>File <input name="file" type="file" required></label> <button>Upload</button></form>
<form method="post" action="/logout"><?= $ours ?><button>Log out</button></form>
<?php endif;
}

if (PHP_SAPI === 'cli') {
    $db = connect(OWN, PDO::SQLITE_OPEN_READWRITE | PDO::SQLITE_OPEN_CREATE);
    $db->exec('CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT UNIQUE, password TEXT)');
    $db->exec('CREATE TABLE IF NOT EXISTS logins (id TEXT PRIMARY KEY, user INTEGER, files TEXT, expires INTEGER)');
    if (($argv[1] ?? '') === 'add-user') {
        $password = password_hash(rtrim(fgets(STDIN), "\n"), PASSWORD_ARGON2ID);
        run($db, 'INSERT INTO users (name, password) VALUES (?, ?)', $argv[2], $password);
    }
    exit;
}

// A form repeats what a cookie says, and no other site can read or set that cookie.
if ($_SERVER['REQUEST_METHOD'] === 'POST' && !(cookie('form') && hash_equals(cookie('form'), field('form')))) {
    stop(403);
}
match ($_SERVER['REQUEST_METHOD'] . ' ' . explode('?', $_SERVER['REQUEST_URI'])[0]) {
    'GET /' => index(),
    'POST /login' => log_in(),
    'POST /upload' => upload(),
    'POST /share' => share(),
    'POST /logout' => log_out(),
    default => stop(404),
};
