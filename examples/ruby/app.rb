# A site with private files, in Ruby: Sinatra makes the pages, and nginx serves every file off a grantfs mount.
#
#     ruby app.rb add-user alice < password         makes a user
#     ruby app.rb                                   runs it on 127.0.0.1:8000; ../README.md has nginx's side
#
# It needs ruby-sinatra, ruby-sqlite3 and puma. GRANTFS_DB, GRANTFS_STORE, SITE_DB and PORT say where things are.
# The SQL and its order are the same in Rails, in a model of its own beside those of Active Record.

require "erb"
require "fileutils"
require "openssl"
require "securerandom"
require "sinatra/base"
require "sqlite3"

POLICY = ENV.fetch("GRANTFS_DB", "/var/lib/grantfs/site/policy.db") # `grantctl init` made it: see grantfs-schema(5)
STORE = ENV.fetch("GRANTFS_STORE", "/srv/private")                  # this site's own, mode 0700
OWN = ENV.fetch("SITE_DB", "/var/lib/site/site.db")                 # users and logins
SESSION_SECONDS = 8 * 3600
LINK_SECONDS = 7 * 86_400

# The databases.

# Waits 5 s for another writer. Without CREATE, it never makes a database that is missing.
def connect(path, flags = SQLite3::Constants::Open::READWRITE)
  db = SQLite3::Database.new(path, flags: flags)
  db.busy_timeout = 5000
  yield db
ensure
  db&.close
end

# All of the block's statements, or none. One at a time: a thread that waits in SQLite stops all others.
WRITING = Mutex.new
def transaction(path)
  WRITING.synchronize do
    connect(path) do |db|
      db.execute("BEGIN IMMEDIATE")
      result = yield db
      db.execute("COMMIT") # after an exception, closing rolls back
      result
    end
  end
end

def rows(path, statement, *values)
  connect(path) { |db| db.execute(statement, values) }
end

connect(OWN, SQLite3::Constants::Open::READWRITE | SQLite3::Constants::Open::CREATE) do |db|
  db.execute("CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT UNIQUE, salt BLOB, password BLOB)")
  db.execute("CREATE TABLE IF NOT EXISTS logins (id TEXT PRIMARY KEY, user INTEGER, files TEXT, expires INTEGER)")
end

# Tokens, passwords, names.

def new_token
  SecureRandom.urlsafe_base64(32) # 43 of A-Z a-z 0-9 - _; nginx takes 16 to 255 of them
end

# All that a database ever holds of a token.
def token_id(token)
  OpenSSL::Digest::SHA256.hexdigest(token)
end

# In a time that does not tell how much of them is the same.
def same?(one, other)
  OpenSSL.secure_compare(one, other)
end

def password_hash(password, salt)
  OpenSSL::KDF.scrypt(password, salt: salt, N: 2**15, r: 8, p: 3, length: 64)
end

# The id of the user whose name and password these are, or nil, which takes as long.
def user_with(name, password)
  user, salt, known = rows(OWN, "SELECT id, salt, password FROM users WHERE name = ?", name).first || [nil, "nobody's", ""]
  same?(password_hash(password, salt), known) ? user : nil
end

# Whether it can be the last part of a path, and nothing else: see "path" in grantfs-schema(5).
def plain?(name)
  name.valid_encoding? && name.bytesize <= 200 && name.match?(%r{\A(?!\.)[^/\\\p{C}\p{Zl}\p{Zp}]+\z})
end

def as_url(path)
  path.split("/").map { |part| ERB::Util.url_encode(part) }.join("/")
end

class Site < Sinatra::Base
  set :environment, :production
  set :server, :puma
  set :bind, "127.0.0.1"
  set :port, ENV.fetch("PORT", 8000)
  # nginx has browsers name no site that they come from (Origin: null). Each form has a token of ours instead.
  set :protection, except: :http_origin

  # Who asks. Browsers send a __Host- cookie over https alone, and take it from this host alone.

  # A cookie or a field of a form; what is no text is empty.
  def text(of)
    of.is_a?(String) && of.valid_encoding? ? of : ""
  end

  def cookie(name)
    text(request.cookies["__Host-#{name}"])
  end

  # No seconds: until the browser is closed; 0: now.
  def set_cookie(name, value, seconds = nil)
    response.set_cookie("__Host-#{name}", value: value, path: "/", secure: true, httponly: true, same_site: :lax, max_age: seconds&.to_s)
  end

  # The login's id, the user and the id of the session for files; or nil.
  def logged_in
    rows(OWN, "SELECT id, user, files FROM logins WHERE id = ? AND expires > unixepoch()", token_id(cookie("login"))).first
  end

  # A form repeats what a cookie says, and no other site can read or set that cookie.
  before do
    halt 403 if request.post? && (cookie("form").empty? || !same?(cookie("form"), text(params["form"])))
  end

  def page(**values)
    form = cookie("form").empty? ? new_token : cookie("form")
    set_cookie("form", form)
    erb PAGE, locals: { user: nil, paths: [], link: nil, error: nil, form: form, **values }
  end

  def home
    [303, { "Location" => "/" }, []]
  end

  # The pages.

  get "/" do
    _, user = logged_in
    owned = user ? rows(POLICY, "SELECT path FROM owners WHERE principal = ? ORDER BY created", "user:#{user}") : []
    page(user: user, paths: owned.flatten)
  end

  post "/login" do
    user = user_with(text(params["name"]), text(params["password"]))
    halt 403, page(error: "Wrong name or password.") unless user
    ours, files = new_token, new_token
    transaction(OWN) do |db|
      db.execute("DELETE FROM logins WHERE expires <= unixepoch()")
      db.execute("INSERT INTO logins VALUES (?, ?, ?, unixepoch() + ?)", [token_id(ours), user, token_id(files), SESSION_SECONDS])
    end
    transaction(POLICY) do |policy|
      policy.execute("DELETE FROM sessions WHERE principal = ? AND expires <= unixepoch()", ["user:#{user}"])
      policy.execute("INSERT INTO sessions (id, principal, expires) VALUES (?, ?, unixepoch() + ?)",
                     [token_id(files), "user:#{user}", SESSION_SECONDS])
    end
    set_cookie("login", ours, SESSION_SECONDS)
    set_cookie("files", files, SESSION_SECONDS) # for nginx: if it leaks, it opens files and nothing else
    home
  end

  post "/upload" do
    _, user = logged_in || halt(403)
    file = params["file"]
    # A form could also name a file of this machine as "file[tempfile]": only what was uploaded is a Tempfile.
    halt 400 unless file.is_a?(Hash) && file[:tempfile].is_a?(Tempfile)
    name = file[:filename].dup.force_encoding("UTF-8")
    halt 400 unless plain?(name)
    # A folder of its own: no path is ever used again, since the next file there would inherit rules and links.
    folder = "uploads/#{SecureRandom.hex(16)}"
    FileUtils.mkdir_p("#{STORE}/#{folder}", mode: 0o700)
    File.open("#{STORE}/#{folder}/.part", File::WRONLY | File::CREAT | File::EXCL | File::BINARY, 0o600) do |out|
      IO.copy_stream(file[:tempfile], out)
      out.fsync
    end
    File.rename("#{STORE}/#{folder}/.part", "#{STORE}/#{folder}/#{name}")
    # Until now nobody could see it.
    transaction(POLICY) do |policy|
      policy.execute("INSERT INTO owners (path, principal) VALUES (?, ?)", ["#{folder}/#{name}", "user:#{user}"])
    end
    home
  end

  post "/share" do
    _, user = logged_in || halt(403)
    path, token = text(params["path"]), new_token
    made = transaction(POLICY) do |policy|
      policy.execute("INSERT INTO links (id, principal, path, expires) SELECT ?, principal, path, unixepoch() + ? FROM owners" \
                     " WHERE path = ? AND principal = ?", [token_id(token), LINK_SECONDS, path, "user:#{user}"])
      policy.changes
    end
    halt 404 unless made == 1
    # Shown once: nobody can compute it from what is stored.
    page(user: user, link: "/link/#{token}/#{as_url(File.basename(path))}")
  end

  post "/logout" do
    login, _, files = logged_in || halt(403)
    # Access is taken away first. By plain SQL that counts within 50 ms on an idle machine, and within the mount's lease (1 s)
    # in any case; `grantctl session rm` returns when no open succeeds any more.
    transaction(POLICY) { |policy| policy.execute("DELETE FROM sessions WHERE id = ?", [files]) }
    transaction(OWN) { |db| db.execute("DELETE FROM logins WHERE id = ?", [login]) }
    %w[login files].each { |name| set_cookie(name, "", 0) }
    home
  end

  def h(text)
    ERB::Util.html_escape(text)
  end

  PAGE = <<~HTML
    <!doctype html>
    <html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Private files</title>
    <h1>Private files</h1>
    <% ours = %(<input type="hidden" name="form" value="\#{h form}">) %>
    <% if error %><p role="alert"><%= h error %></p><% end %>
    <% if !user %>
    <form method="post" action="/login"><%= ours %>
    <p><label>Name <input name="name" autocomplete="username" required></label>
    <p><label>Password <input name="password" type="password" autocomplete="current-password" required></label>
    <p><button>Log in</button></form>
    <% elsif link %>
    <p>Whoever has this address may read the file for a week. It is not shown again.
    <p><a href="<%= h link %>"><%= h link %></a>
    <p><a href="/">Back</a>
    <% else %>
    <ul><% paths.each do |path| %>
    <li><a href="<%= h "/private/\#{as_url(path)}" %>"><%= h File.basename(path) %></a>
    <form method="post" action="/share"><%= ours %><input type="hidden" name="path" value="<%= h path %>"><button>Make a link</button></form>
    <% end %></ul>
    <form method="post" action="/upload" enctype="multipart/form-data"><%= ours %>
    <p><label>File <input name="file" type="file" required></label> <button>Upload</button></form>
    <form method="post" action="/logout"><%= ours %><button>Log out</button></form>
    <% end %>
  HTML
end

if ARGV.first == "add-user"
  salt = SecureRandom.bytes(16)
  hash = password_hash($stdin.gets.chomp, salt)
  transaction(OWN) do |db|
    db.execute("INSERT INTO users (name, salt, password) VALUES (?, ?, ?)", [ARGV[1], SQLite3::Blob.new(salt), SQLite3::Blob.new(hash)])
  end
else
  Site.run!
end
