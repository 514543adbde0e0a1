"""Web servers of our own, each configured by `grantctl webconf` as it stands, and raw requests to them."""

import http.client
import os
import pathlib
import pwd
import socket
import ssl
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
GRANTCTL = TOP / "build/grantctl"  # a build with a sanitizer has none
COOKIE = "__Host-files"
START_SECONDS = 20


class Reply:
    """What a server said: status, headers by lowercase name, and the whole body."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:200]!r}>"


def request(port, path, *, method="GET", headers=(), token=None):
    """One request on a connection of its own; the path goes out byte for byte.

    `headers` is a mapping, or pairs where a name comes twice.
    """
    with socket.create_connection(("127.0.0.1", port), START_SECONDS) as connection:
        response = ask(connection, port, path, method=method, headers=headers, token=token)
        return Reply(response)


def exchange(port, data, *, unix=None):
    """What comes back for these bytes, whatever they are, until the server closes."""
    family = socket.AF_UNIX if unix else socket.AF_INET
    with socket.socket(family) as connection:
        connection.settimeout(START_SECONDS)
        connection.connect(unix or ("127.0.0.1", port))
        return _exchange(connection, data, lambda: connection.shutdown(socket.SHUT_WR))


def exchange_tls(port, data):
    """The same over TLS."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), START_SECONDS) as plain, context.wrap_socket(plain) as connection:
        connection.settimeout(1)  # half of a connection cannot be closed: what is unfinished is given up
        return _exchange(connection, data, lambda: None)


def _exchange(connection, data, finish):
    answer = b""
    try:
        connection.sendall(data)
        finish()
        while piece := connection.recv(1 << 16):
            answer += piece
    except (ConnectionError, TimeoutError, ssl.SSLError):
        pass  # a server that has refused need not read on
    return answer


def ask(connection, port, path, *, method="GET", headers=(), token=None):
    """Sends the request, and reads as far as the headers of the answer."""
    pairs = list(headers.items() if hasattr(headers, "items") else headers)
    if token is not None:
        pairs.append(("Cookie", f"{COOKIE}={token}"))
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in pairs]
    connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
    response = http.client.HTTPResponse(connection, method=method)
    response.begin()
    return response


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connect_here(port):
    return socket.create_connection(("127.0.0.1", port), START_SECONDS)


def wait_for_port(port, process, connect=connect_here):
    """Until the server accepts connections; raises if it ends first."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            connect(port).close()
            return
        except OSError:
            if process.poll() is not None:
                raise RuntimeError(f"{process.args[0]} ended with status {process.returncode}") from None
            if time.monotonic() > deadline:
                raise
        time.sleep(0.005)


def make_certificate(folder, *names):
    """folder/site.pem and site.key, for 127.0.0.1 and these names, of nobody's authority."""
    subject = ",".join(["IP:127.0.0.1", *(f"DNS:{name}" for name in names)])
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-addext", f"subjectAltName={subject}", "-keyout", f"{folder}/site.key",
                    "-out", f"{folder}/site.pem"], check=True, capture_output=True)


def webconf(server, *options):
    """What `grantctl webconf SERVER` writes."""
    return subprocess.run([GRANTCTL, "webconf", server, *options], capture_output=True, text=True, check=True,
                          timeout=START_SECONDS).stdout


class Server:
    """One of Debian's web servers in a folder of its own, as www-data; stop() ends it.

    detached: it outlives this process, and Ctrl-C does not reach it. `options` are webconf's; `more`
    stands at the end of what it writes, before the last brace. `around` is what the machine's own
    configuration says besides, before it (nginx: in http {}; not for Caddy, whose file is the whole).
    machine: it runs on one of tests/fleet/network.py.
    """

    NAME = COMMAND = None
    SITE = "grantfs.conf"  # what webconf writes
    MAIN = ""              # what stands around it, in "main.conf"
    ENVIRONMENT = {}

    def __init__(self, folder, mountpoint, detached=False, options=(), more="", around="", machine=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o755)
        user = pwd.getpwnam("www-data")
        os.chown(self.folder, user.pw_uid, user.pw_gid)
        self.port = free_port()
        text = webconf(self.NAME, "--mount", str(mountpoint), "--listen", f"127.0.0.1:{self.port}", *options)
        text = self.adapted(text)
        (self.folder / self.SITE).write_text(text.rpartition("}")[0] + more + "}\n" if more else text)
        values = {"folder": self.folder, "port": free_port()}
        (self.folder / "main.conf").write_text(self.MAIN % {**values, "around": around})
        command = [*(machine.enter if machine else ()), *(word % values for word in self.COMMAND)]
        with open(self.folder / "output.log", "wb") as output:
            self.process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                            env={**os.environ, **{key: value % values for key, value in self.ENVIRONMENT.items()}},
                                            start_new_session=detached)
        try:
            wait_for_port(self.port, self.process, machine.connect if machine else connect_here)
        except BaseException:
            sys.stderr.write(self.logs().decode(errors="replace"))
            self.stop()
            raise

    def adapted(self, text):
        return text.replace("/var/log/nginx/", f"{self.folder}/")

    def get(self, path, **arguments):
        return request(self.port, path, **arguments)

    def logs(self):
        """All it has logged, as bytes. Complete for every request answered after stop() alone."""
        return b"".join(path.read_bytes() for path in sorted(self.folder.glob("*.log")))

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Nginx(Server):
    NAME = "nginx"
    COMMAND = ["nginx", "-p", "%(folder)s", "-c", "%(folder)s/main.conf", "-e", "%(folder)s/error.log", "-g", "daemon off;"]
    MAIN = """\
user www-data;
worker_processes 2;
pid nginx.pid;
error_log error.log info;
events {
    worker_connections 256;
}
http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log access.log;
    client_body_temp_path tmp-body;
    proxy_temp_path tmp-proxy;
    fastcgi_temp_path tmp-fastcgi;
    uwsgi_temp_path tmp-uwsgi;
    scgi_temp_path tmp-scgi;
    %(around)s
    include grantfs.conf;
}
"""


class Apache(Server):
    NAME = "apache"
    COMMAND = ["apache2", "-d", "%(folder)s", "-f", "%(folder)s/main.conf", "-DFOREGROUND"]
    # Debian's own modules and their settings, and what webconf says to enable.
    MAIN = "".join(
        f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
        for name in ("mpm_event", "alias", "authn_core", "authz_core", "authz_host", "autoindex", "filter", "deflate", "dir",
                     "env", "mime", "negotiation", "reqtimeout", "setenvif", "headers", "rewrite", "status",
                     "auth_basic", "authn_file", "authz_user")
    ) + "".join(
        f"Include /etc/apache2/mods-available/{name}.conf\n"
        for name in ("alias", "autoindex", "deflate", "dir", "mime", "negotiation", "reqtimeout", "setenvif")
    ) + """\
User www-data
Group www-data
PidFile apache.pid
DefaultRuntimeDir %(folder)s
ServerName localhost
StartServers 1
ErrorLog error.log
# As Debian's configurations of PHP have it, with a program that is there.
<FilesMatch ".+\\.ph(?:ar|p|tml)$">
    SetHandler server-status
</FilesMatch>
CustomLog access.log "%%h %%t \\"%%r\\" %%>s %%b \\"%%{Referer}i\\""
Include grantfs.conf
"""


class Caddy(Server):
    NAME = "caddy"
    SITE = "Caddyfile"
    COMMAND = ["setpriv", "--reuid=www-data", "--regid=www-data", "--init-groups",
               "caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile"]
    ENVIRONMENT = {"HOME": "%(folder)s", "XDG_DATA_HOME": "%(folder)s", "XDG_CONFIG_HOME": "%(folder)s",
                   "CADDY_ADMIN": "unix/%(folder)s/admin.sock"}

    def adapted(self, text):
        before = "\n\theader X-Content-Type-Options"
        if before not in text:
            raise RuntimeError("no place for an access log in the Caddyfile")
        return text.replace(before, "\n\tlog" + before, 1)


class Lighttpd(Server):
    NAME = "lighttpd"
    COMMAND = ["lighttpd", "-D", "-f", "%(folder)s/main.conf"]
    MAIN = """\
server.modules = ( "mod_accesslog", "mod_fastcgi", "mod_ssi" )
server.bind = "127.0.0.1"
server.port = %(port)s
server.document-root = "/var/empty"
server.username = "www-data"
server.groupname = "www-data"
server.errorlog = "%(folder)s/error.log"
accesslog.filename = "%(folder)s/access.log"
include_shell "/usr/share/lighttpd/create-mime.conf.pl"
# As Debian's configurations of PHP and SSI have it.
fastcgi.server += ( ".php" => (( "host" => "127.0.0.1", "port" => 1, "check-local" => "disable" )) )
ssi.extension = ( ".shtml" )
%(around)s
include "%(folder)s/grantfs.conf"
"""


SERVERS = (Nginx, Apache, Caddy, Lighttpd)
