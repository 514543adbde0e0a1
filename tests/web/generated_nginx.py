"""Configurations of nginx by chance, out of the pieces that people put together: for test_check_by_attack.

Most are unsafe in some way, some are safe, and a few are none that nginx takes. None has a fault that is a decision of whoever wrote it, such as
"by-user/alice" in so many words. Names in braces are those of nginx_cases.py.
"""

from nginx_cases import BASIC, TOKEN_MAP, USER_MAP

#: Where a name comes from: what stands in http {}, what in the location, and the variable.
IDENTITIES = [
    ("", "", "$remote_user"),
    ("", "", "$cookie_u"),
    ("", "", "$arg_u"),
    ("", "", "$http_x_user"),
    ("", "", "$1"),
    ("", "", "$ssl_client_s_dn_cn"),
    ("", "", "$host"),
    (USER_MAP, "", "$user"),
    ('map $remote_user $user { "bob" bob; }\n', "", "$user"),
    ('map $remote_user $user { default nobody; ~^(?<name>.+)$ $name; }\n', "", "$user"),
    ('map $cookie_u $user { default nobody; ~^(?<name>[a-z]+)$ $name; }\n', "", "$user"),
    ('map $http_x_tenant $user { default nobody; one alice; two bob; }\n', "", "$user"),
    ('map "$remote_user:$arg_u" $user { default nobody; ~^bob:(?<name>[a-z]+)$ $name; }\n', "", "$user"),
    ('map $remote_user $base { default nobody; "bob" bob; }\nmap $base $user { default $base; bob $arg_u; }\n', "", "$user"),
    ("geo $user { default nobody; 127.0.0.0/8 bob; }\n", "", "$user"),
    ("", "set $u bob;", "$u"),
    ("", 'set $u "";', "$u"),
    ("", "set $u $remote_user;", "$u"),
    ("", "if ($arg_u) { set $u $arg_u; }", "$u"),
    ("", 'set $u bob; if ($cookie_u ~ "^(?<name>[a-z]+)$") { set $u $name; }', "$u"),
    ("", "set $u _nobody; if ($remote_user = bob) { set $u bob; }", "$u"),
]

#: Where a token comes from.
TOKENS = [
    ("", "", "$cookie_files"),
    ("", "", "$arg_t"),
    ("", "", "$1"),
    (TOKEN_MAP, "", "$session"),
    ('map $cookie_files $session { default ""; ~^(?<token>.+)$ $token; }\n', "", "$session"),
    ('map $cookie_files $session { default _anon; ~(?<token>[A-Za-z0-9_.%-]+) $token; }\n', "", "$session"),
    ("", "set $t _anon; if ($cookie_files) { set $t $cookie_files; }", "$t"),
]

#: Who is let in.
GUARDS = ["", "", "", BASIC, BASIC, "internal;", "allow 192.0.2.0/24; deny all;", f"satisfy any; allow all; {BASIC}",
          "auth_basic off;", "deny all;", 'if ($remote_user = "") { return 403; }', 'if ($http_x_real_ip) { return 403; }', f"{BASIC} auth_basic off;",
          "limit_except POST { deny all; }", "if ($arg_u = alice) { return 403; }"]

#: What a location is for; a path behind "{0}" is where its files are.
PREFIXES = ["location /p/ {0}", "location ^~ /p/ {0}", "location /p {0}", "location / {0}", "location ~ ^/p/([a-z]+)/(.*)$ {0}",
            "location ~ ^/p/([^/]*)/(.*)$ {0}", "location ~* ^/p/(.+)$ {0}", "location = /p/secret.txt {0}"]

#: Whatever else is in a server.
BESIDES = ["", "", "", "rewrite ^/q/(.*)$ /p/$1 last;", "rewrite ^/p/a/(.*)$ /p/alice/$1;", "error_page 404 /p/alice/secret.txt;",
           "error_page 403 = /p/secret.txt;", "real_ip_header X-Forwarded-For; set_real_ip_from 127.0.0.1;", "merge_slashes off;",
           "location /q/ { rewrite ^/q/(.*)$ /p/$1 last; }", "location /in/ { internal; alias {mnt}/; }",
           "location /in/ { alias {mnt}/public/; }", "location @p { root {mnt}/by-user/bob; }", "root {www};", "root {mnt}/public;", BASIC,
           "location /q/ { proxy_pass http://127.0.0.1:{port}/p/; }", "location ~ secret { return 403; }", "index secret.txt;", "autoindex on;",
           "location /q/ { try_files $uri /p/secret.txt; }", "location /q/ { alias {www}/; error_page 404 = @p; }", "ssi on;", "disable_symlinks on;"]


def served(chance, name, token, location):
    """A directive, or several, by which the location gives out files."""
    regex = "~" in location
    rest = "$2" if "(.*)" in location else ""
    if name:
        return chance.choice([f"alias {{mnt}}/by-user/{name}/{rest};", f"alias {{mnt}}/by-user/{name}{'/' + rest if regex else ''};",
                              f"root {{mnt}}/by-user/{name};", f"root {{mnt}}/by-user/{name}; try_files $uri /secret.txt =404;",
                              f"rewrite ^/p/(.*)$ /{name}/$1 break; root {{mnt}}/by-user;", f"alias {{store}}/{name}/{rest};"])
    return chance.choice([f"alias {{mnt}}/by-session/{token}/{rest};", f"root {{mnt}}/by-session/{token};", f"alias {{mnt}}/by-link/{token}/{rest};",
                          f"alias {{mnt}}/from/$remote_addr/by-session/{token}/{rest};",
                          f"rewrite ^/p/(.*)$ /{token}/$1 break; root {{mnt}}/by-session;",
                          f"alias {{mnt}}/by-session/{token}{rest};"])


def a_location(chance):
    """What stands in http {}, and the location."""
    location = chance.choice(PREFIXES)
    by_name = chance.random() < 0.6
    around, within, variable = chance.choice(IDENTITIES if by_name else TOKENS)
    serving = served(chance, variable if by_name else "", variable, location)
    if chance.random() < 0.15:
        serving = chance.choice(["alias {mnt}/;", "root {mnt};", "alias {mnt}/public/;", "root {work};", "alias {mnt}/me/;", "alias {www}/;",
                                 "alias {mnt}/by-user/bob/;"])
    words = [word for word in (chance.choice(GUARDS), within, serving) if word]
    chance.shuffle(words)
    body = " ".join(words)
    if chance.random() < 0.1:
        body = f"location /p/a/ {{ {chance.choice(GUARDS)} }} {body}"
    return around, location.replace("{0}", f"{{ {body} }}")


def configuration(chance):
    """What stands in http {}."""
    parts = [a_location(chance) for _ in range(chance.choice((1, 1, 2)))]
    servers = "\n".join(location for _, location in parts)
    around = "".join(sorted({text for text, _ in parts}))
    besides = " ".join({chance.choice(BESIDES) for _ in range(2)})
    return f"{around}server {{ listen {{port}}; {besides}\n{servers}\n}}"
