"""The nginx of a row: the same settings for all, and one location that differs."""

import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "web"))
from servers import COOKIE, free_port, wait_for_port  # noqa: E402

from machine import children, cpu_seconds, dies_with_us  # noqa: E402

SECRET = "bench"

# Without reuseport a run is bimodal: connections pile up on one worker. Caches of open files are off for
# all, since they would hide what is compared. The pattern is the one of examples/nginx, compiled (pcre_jit).
SETTINGS = r"""
daemon off;
user www-data;
worker_processes 2;
worker_cpu_affinity auto;
pid nginx.pid;
error_log error.log error;
pcre_jit on;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    open_file_cache off;
    keepalive_requests 1000000000;
    keepalive_timeout 600;
    default_type application/octet-stream;
    client_body_temp_path tmp-body; proxy_temp_path tmp-proxy; fastcgi_temp_path tmp-fastcgi;
    uwsgi_temp_path tmp-uwsgi; scgi_temp_path tmp-scgi;

    map $http_cookie $session {{
        default _anon;
        "~^(?:(?!\s*__Host-files\s*=)[^;]*;)*\s*__Host-files=(?<token>[a-z0-9]{{32}})\s*(?:;|$)" {session};
    }}
    {http}
    server {{
        listen 127.0.0.1:{port} reuseport;
        {server}
    }}
}}
"""

SUBREQUEST = """proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass_request_body off;
            proxy_set_header Content-Length ""; proxy_set_header X-Original-URI $request_uri;"""
PROXY = """proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host bench;"""


def alias(folder, session):
    return f"location ^~ /f/ {{ alias {folder}/{session}/; }}"


def configuration(kind, port, *, store, mount=None, django=None, check_port=None, check=None):
    """The whole nginx.conf of a row of that kind."""
    http, server, session = "", "", "$token"
    if kind in ("raw", "bindfs", "passthrough_hp"):
        session = '"."'
        server = alias(store if kind == "raw" else mount, "$session")
    elif kind == "grantfs":
        server = alias(f"{mount}/by-session", "$session")
    elif kind == "secure_link":
        server = f"""location ^~ /f/ {{
            secure_link $arg_md5,$arg_expires;
            secure_link_md5 "$secure_link_expires$uri {SECRET}";
            if ($secure_link != "1") {{ return 403; }}
            alias {store}/;
        }}"""
    elif kind == "auth_request":
        http = f"""upstream check {{ server 127.0.0.1:{check_port}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{check_port} reuseport;
        location / {{ if ($session = _anon) {{ return 403; }} return 204; }}
    }}"""
        server = f"""location ^~ /f/ {{ auth_request /check; alias {store}/; }}
        location = /check {{ internal; proxy_pass http://check; {SUBREQUEST} }}"""
    elif kind == "auth_grantfs":
        http = f"upstream check {{ server unix:{check}; keepalive 64; }}"
        # No header of the client's: the check believes those that it gets.
        server = f"""location ^~ /f/ {{ auth_request /check; alias {store}/; }}
        location = /check {{ internal; proxy_pass http://check; {SUBREQUEST}
            proxy_pass_request_headers off; proxy_set_header X-Session $session; }}"""
    elif kind == "auth_django":
        http = f"upstream django {{ server unix:{django}; }}"
        server = f"""location ^~ /f/ {{ auth_request /check; alias {store}/; }}
        location = /check {{ internal; proxy_pass http://django/check; {SUBREQUEST} proxy_set_header Host bench; }}"""
    elif kind == "xaccel":
        http = f"upstream django {{ server unix:{django}; }}"
        server = f"""location ^~ /f/ {{ proxy_pass http://django/xaccel/; {PROXY} }}
        location ^~ /protected/ {{ internal; alias {store}/; }}"""
    elif kind == "stream":
        http = f"upstream django {{ server unix:{django}; }}"
        # A file on its way would otherwise be copied to a temporary one.
        server = f"location ^~ /f/ {{ proxy_pass http://django/stream/; {PROXY} proxy_max_temp_file_size 0; }}"
    else:
        raise ValueError(kind)
    return SETTINGS.format(session=session, http=http, port=port, server=server)


class Nginx:
    def __init__(self, folder, kind, **details):
        folder.mkdir(mode=0o755)
        self.port = free_port()
        if kind == "auth_request":
            details["check_port"] = free_port()
        (folder / "nginx.conf").write_text(configuration(kind, self.port, **details))
        self.log = folder / "error.log"
        self.process = subprocess.Popen(
            ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(self.log)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, preexec_fn=dies_with_us)
        try:
            wait_for_port(self.port, self.process)
        except (OSError, RuntimeError) as error:
            raise RuntimeError(f"{error}: {self.said()}") from None

    def said(self):
        """The end of its error log."""
        with open(self.log, errors="replace") as log:
            return log.read()[-1500:]

    def cpu(self):
        return cpu_seconds(children(self.process.pid))

    def stop(self):
        if self.process.poll() is None:
            os.kill(self.process.pid, 15)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
