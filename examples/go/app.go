// A site with private files, in Go: net/http makes the pages, and nginx serves every file off a grantfs mount.
//
//	go mod init site && go mod tidy && go build -o site app.go
//	./site add-user alice < password    makes a user
//	./site                              runs it on 127.0.0.1:8000; ../README.md has nginx's side
//
// With Debian's packages (golang-github-mattn-go-sqlite3-dev, golang-golang-x-crypto-dev) instead of modules:
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go build -o site app.go
//
// GRANTFS_DB, GRANTFS_STORE, SITE_DB and PORT say where things are.
package main

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	_ "github.com/mattn/go-sqlite3"
	"golang.org/x/crypto/scrypt"
)

const (
	sessionSeconds = 8 * 3600
	linkSeconds    = 7 * 86400
	uploadBytes    = 32 << 20
)

var (
	store  = setting("GRANTFS_STORE", "/srv/private")                             // this site's own, mode 0700
	policy = open(setting("GRANTFS_DB", "/var/lib/grantfs/site/policy.db"), "rw") // `grantctl init` made it: see grantfs-schema(5)
	own    = open(setting("SITE_DB", "/var/lib/site/site.db"), "rwc")             // users and logins
)

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// The databases.

// A transaction of this database is BEGIN IMMEDIATE, and waits 5 s for another writer. "rw" never makes one that is missing.
func open(path, mode string) *sql.DB {
	name := url.URL{Scheme: "file", Path: path, RawQuery: "mode=" + mode + "&_busy_timeout=5000&_txlock=immediate"}
	db, err := sql.Open("sqlite3", name.String())
	if err != nil {
		log.Fatal(err)
	}
	return db
}

// All of what work does, or nothing.
func transaction(db *sql.DB, work func(*sql.Tx) error) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after a commit
	if err := work(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// Tokens, passwords, names.

func randomBytes(count int) []byte {
	bytes := make([]byte, count)
	if _, err := rand.Read(bytes); err != nil {
		panic(err)
	}
	return bytes
}

// 43 of A-Z a-z 0-9 - _; nginx takes 16 to 255 of them.
func newToken() string { return base64.RawURLEncoding.EncodeToString(randomBytes(32)) }

// All that a database ever holds of a token.
func tokenID(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func same(one, other []byte) bool { return subtle.ConstantTimeCompare(one, other) == 1 }

func passwordHash(password string, salt []byte) []byte {
	hash, err := scrypt.Key([]byte(password), salt, 1<<15, 8, 3, 64)
	if err != nil {
		panic(err)
	}
	return hash
}

// The id of the user whose name and password these are, or 0, which takes as long.
func userWith(name, password string) (int64, error) {
	var user int64
	salt, known := []byte("nobody's"), []byte{}
	err := own.QueryRow("SELECT id, salt, password FROM users WHERE name = ?", name).Scan(&user, &salt, &known)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	if !same(passwordHash(password, salt), known) {
		return 0, nil
	}
	return user, nil
}

// Whether it can be the last part of a path, and nothing else: see "path" in grantfs-schema(5).
func isPlain(name string) bool {
	strange := func(r rune) bool { return !unicode.IsPrint(r) || r == '/' || r == '\\' }
	return name != "" && len(name) <= 200 && name[0] != '.' && utf8.ValidString(name) && strings.IndexFunc(name, strange) < 0
}

func principal(user int64) string { return fmt.Sprintf("user:%d", user) }

// Who asks. Browsers send a __Host- cookie over https alone, and take it from this host alone.

func cookie(r *http.Request, name string) string {
	found, err := r.Cookie("__Host-" + name)
	if err != nil {
		return ""
	}
	return found.Value
}

// 0 seconds: until the browser is closed; less: now.
func setCookie(w http.ResponseWriter, name, value string, seconds int) {
	http.SetCookie(w, &http.Cookie{Name: "__Host-" + name, Value: value, MaxAge: seconds, Path: "/", Secure: true, HttpOnly: true,
		SameSite: http.SameSiteLaxMode})
}

type login struct {
	id    string
	user  int64  // 0: not logged in
	files string // the id of the session for files
}

func loggedIn(r *http.Request) (found login, err error) {
	err = own.QueryRow("SELECT id, user, files FROM logins WHERE id = ? AND expires > unixepoch()", tokenID(cookie(r, "login"))).
		Scan(&found.id, &found.user, &found.files)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return
}

// A refusal is an error with a status of HTTP.
type refusal int

func (status refusal) Error() string { return http.StatusText(int(status)) }

// A page: an error that is no refusal is logged, and is 500. The user is 0 unless logged in.
func page(method, path string, handle func(w http.ResponseWriter, r *http.Request, who login) error) {
	http.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, uploadBytes)
		err := func() error {
			if r.URL.Path != path || r.Method != method {
				return refusal(http.StatusNotFound)
			}
			// A form repeats what a cookie says, and no other site can read or set that cookie.
			known := cookie(r, "form")
			if method == "POST" && (known == "" || !same([]byte(known), []byte(r.PostFormValue("form")))) {
				return refusal(http.StatusForbidden)
			}
			who, err := loggedIn(r)
			if err != nil {
				return err
			}
			return handle(w, r, who)
		}()
		var status refusal
		if errors.As(err, &status) {
			http.Error(w, status.Error(), int(status))
		} else if err != nil {
			log.Print(err)
			http.Error(w, "something failed here", http.StatusInternalServerError)
		}
	})
}

type file struct{ Path, Name, URL string }

type shown struct {
	Form, Error, Link string
	User              int64
	Files             []file
}

func show(w http.ResponseWriter, r *http.Request, status int, values shown) error {
	if values.Form = cookie(r, "form"); values.Form == "" {
		values.Form = newToken()
	}
	setCookie(w, "form", values.Form, 0)
	w.WriteHeader(status)
	return html.Execute(w, values)
}

// The pages.

func index(w http.ResponseWriter, r *http.Request, who login) error {
	values := shown{User: who.user}
	if who.user != 0 {
		rows, err := policy.Query("SELECT path FROM owners WHERE principal = ? ORDER BY created", principal(who.user))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var owned string
			if err := rows.Scan(&owned); err != nil {
				return err
			}
			values.Files = append(values.Files, file{owned, path.Base(owned), (&url.URL{Path: "/private/" + owned}).EscapedPath()})
		}
		if err := rows.Err(); err != nil {
			return err
		}
	}
	return show(w, r, http.StatusOK, values)
}

func logIn(w http.ResponseWriter, r *http.Request, _ login) error {
	user, err := userWith(r.PostFormValue("name"), r.PostFormValue("password"))
	if err != nil {
		return err
	}
	if user == 0 {
		return show(w, r, http.StatusForbidden, shown{Error: "Wrong name or password."})
	}
	ours, files := newToken(), newToken()
	err = transaction(own, func(tx *sql.Tx) error {
		if _, err := tx.Exec("DELETE FROM logins WHERE expires <= unixepoch()"); err != nil {
			return err
		}
		_, err := tx.Exec("INSERT INTO logins VALUES (?, ?, ?, unixepoch() + ?)", tokenID(ours), user, tokenID(files), sessionSeconds)
		return err
	})
	if err != nil {
		return err
	}
	err = transaction(policy, func(tx *sql.Tx) error {
		if _, err := tx.Exec("DELETE FROM sessions WHERE principal = ? AND expires <= unixepoch()", principal(user)); err != nil {
			return err
		}
		_, err := tx.Exec("INSERT INTO sessions (id, principal, expires) VALUES (?, ?, unixepoch() + ?)",
			tokenID(files), principal(user), sessionSeconds)
		return err
	})
	if err != nil {
		return err
	}
	setCookie(w, "login", ours, sessionSeconds)
	setCookie(w, "files", files, sessionSeconds) // for nginx: if it leaks, it opens files and nothing else
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

func upload(w http.ResponseWriter, r *http.Request, who login) error {
	if who.user == 0 {
		return refusal(http.StatusForbidden)
	}
	data, header, err := r.FormFile("file")
	if err != nil || !isPlain(header.Filename) {
		return refusal(http.StatusBadRequest)
	}
	defer data.Close()
	// A folder of its own: no path is ever used again, since the next file there would inherit rules and links.
	owned := path.Join("uploads", hex.EncodeToString(randomBytes(16)), header.Filename)
	if err := save(data, filepath.Join(store, owned)); err != nil {
		return err
	}
	// Until now nobody could see it.
	if _, err := policy.Exec("INSERT INTO owners (path, principal) VALUES (?, ?)", owned, principal(who.user)); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// The file is there whole, and on the disk, or not at all.
func save(data io.Reader, name string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	part := filepath.Join(filepath.Dir(name), ".part")
	out, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, data); err != nil {
		return err
	}
	if err := out.Sync(); err != nil {
		return err
	}
	return os.Rename(part, name)
}

func share(w http.ResponseWriter, r *http.Request, who login) error {
	if who.user == 0 {
		return refusal(http.StatusForbidden)
	}
	owned, token := r.PostFormValue("path"), newToken()
	made, err := policy.Exec("INSERT INTO links (id, principal, path, expires) SELECT ?, principal, path, unixepoch() + ?"+
		" FROM owners WHERE path = ? AND principal = ?", tokenID(token), linkSeconds, owned, principal(who.user))
	if err != nil {
		return err
	}
	if count, err := made.RowsAffected(); err != nil || count != 1 {
		return refusal(http.StatusNotFound)
	}
	// Shown once: nobody can compute it from what is stored.
	link := url.URL{Path: "/link/" + token + "/" + path.Base(owned)}
	return show(w, r, http.StatusOK, shown{User: who.user, Link: link.EscapedPath()})
}

func logOut(w http.ResponseWriter, r *http.Request, who login) error {
	if who.user == 0 {
		return refusal(http.StatusForbidden)
	}
	// Access is taken away first. By plain SQL that counts within 50 ms on an idle machine, and within the mount's lease (1 s)
	// in any case; `grantctl session rm` returns when no open succeeds any more.
	if _, err := policy.Exec("DELETE FROM sessions WHERE id = ?", who.files); err != nil {
		return err
	}
	if _, err := own.Exec("DELETE FROM logins WHERE id = ?", who.id); err != nil {
		return err
	}
	setCookie(w, "login", "", -1)
	setCookie(w, "files", "", -1)
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

var html = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Private files</title>
<h1>Private files</h1>
{{define "ours"}}<input type="hidden" name="form" value="{{.}}">{{end}}
{{with .Error}}<p role="alert">{{.}}</p>{{end}}
{{if not .User}}
<form method="post" action="/login">{{template "ours" .Form}}
<p><label>Name <input name="name" autocomplete="username" required></label>
<p><label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<p><button>Log in</button></form>
{{else if .Link}}
<p>Whoever has this address may read the file for a week. It is not shown again.
<p><a href="{{.Link}}">{{.Link}}</a>
<p><a href="/">Back</a>
{{else}}
<ul>{{range .Files}}
<li><a href="{{.URL}}">{{.Name}}</a>
<form method="post" action="/share">{{template "ours" $.Form}}<input type="hidden" name="path" value="{{.Path}}"><button>Make a link</button></form>
{{end}}</ul>
<form method="post" action="/upload" enctype="multipart/form-data">{{template "ours" .Form}}
<p><label>File <input name="file" type="file" required></label> <button>Upload</button></form>
<form method="post" action="/logout">{{template "ours" .Form}}<button>Log out</button></form>
{{end}}
`))

func addUser(name string) error {
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		return err
	}
	salt := randomBytes(16)
	_, err = own.Exec("INSERT INTO users (name, salt, password) VALUES (?, ?, ?)", name, salt, passwordHash(strings.TrimSuffix(line, "\n"), salt))
	return err
}

func main() {
	_, err := own.Exec(`CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT UNIQUE, salt BLOB, password BLOB);
		CREATE TABLE IF NOT EXISTS logins (id TEXT PRIMARY KEY, user INTEGER, files TEXT, expires INTEGER)`)
	if err != nil {
		log.Fatal(err)
	}
	if len(os.Args) == 3 && os.Args[1] == "add-user" {
		if err := addUser(os.Args[2]); err != nil {
			log.Fatal(err)
		}
		return
	}
	page("GET", "/", index)
	page("POST", "/login", logIn)
	page("POST", "/upload", upload)
	page("POST", "/share", share)
	page("POST", "/logout", logOut)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+setting("PORT", "8000"), nil))
}
