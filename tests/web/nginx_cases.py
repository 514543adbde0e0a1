"""Configurations of nginx, unsafe and safe, for test_check_by_attack: what stands in http {}, and how the unsafe are attacked.

{mnt}, {store}, {policy}, {www} and {work} are folders, {port} and {back} two ports, {token} is alice's token. Around
each stand `access_log off; error_log /dev/null emerg;`, so that a case on something else has no token in a log.
"""

import base64


def basic(user, password="wrong"):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def server(text, port="{port}"):
    return f"server {{ listen {port}; location / {{ return 404; }}\n{text} }}"


F = "secret.txt"
TOKEN_MAP = 'map $cookie_files $session { default _anon; "~^(?<token>[A-Za-z0-9_-]{{16,255}})$" $token; }\n'
USER_MAP = 'map $remote_user $user { default _nobody; "~^(?<name>[A-Za-z0-9][A-Za-z0-9_@.-]{{0,127}})$" $name; }\n'
BASIC = 'auth_basic "Files"; auth_basic_user_file {work}/users;'
CERTIFICATE = "ssl_certificate {work}/cert.pem; ssl_certificate_key {work}/key.pem;"

# name: (configuration, (path, headers) or several such; the secret comes out by one of them)
UNSAFE = {
    # An identity that may be empty.
    "map without a default": (
        'map $remote_user $user { "bob" bob; }\n' + server("location /p/ { alias {mnt}/by-user/$user/; }"), (f"/p/alice/{F}", {})),
    "map whose default is empty": (
        'map $cookie_u $user { default ""; "~^(?<name>bob)$" $name; }\n'
        + server("location /p/ { auth_basic x; auth_basic_user_file {work}/users; alias {mnt}/by-user/$user/; }"),
        (f"/p/alice/{F}", basic("bob", "bobs"))),
    "geo without a default": (
        "geo $user { 192.0.2.1 bob; }\n" + server("location /p/ { alias {mnt}/by-user/$user/; }"), (f"/p/alice/{F}", {})),
    "set to nothing": (server('location /p/ { set $u ""; alias {mnt}/by-user/$u/; }'), (f"/p/alice/{F}", {})),
    "set in an if alone": (
        server("location /p/ { if ($http_x_bob) { set $u bob; } allow 127.0.0.1; deny all; alias {mnt}/by-user/$u/; }"),
        (f"/p/alice/{F}", {})),
    "set in another location": (
        server("location /o/ { set $u bob; return 204; } location /p/ { alias {mnt}/by-user/$u/; }"), (f"/p/alice/{F}", {})),
    "set around, not within": (
        server("location /p/ { set $u bob; location /p/q/ { alias {mnt}/by-user/$u/; } return 404; }"), (f"/p/q/alice/{F}", {})),
    "set behind a break": (
        server("location /p/ { break; set $u _nobody; alias {mnt}/by-user/$u/; }"), (f"/p/alice/{F}", {})),
    "an answer to auth_request without the header": (
        server("location = /auth { internal; proxy_pass http://127.0.0.1:{back}; }\n"
               "location /p/ { auth_request /auth; auth_request_set $u $upstream_http_x_user; alias {mnt}/by-user/$u/; }")
        + "server { listen 127.0.0.1:{back}; return 204; }", (f"/p/alice/{F}", {})),
    "split_clients without a rest": (
        'split_clients "$remote_addr" $u { 0.01% bob; }\n' + server("location /p/ { alias {mnt}/by-user/$u/; }"), (f"/p/alice/{F}", {})),
    "a captured part that may be empty": (
        server("location ~ ^/p-([a-z]*)/(.*)$ { allow 127.0.0.1; deny all; alias {mnt}/by-user/$1/$2; }"), (f"/p-/alice/{F}", {})),
    "a named capture of a server name": (
        "server { listen {port} default_server; server_name ~^(?<sub>[a-z]+)\\.test$;\n"
        "location /p/ { alias {mnt}/by-user/$sub/; } location / { return 404; } }", (f"/p/alice/{F}", {"Host": "1.2.3.4"})),
    # Who he is, by what he says.
    "a user without a password": (USER_MAP + server("location /p/ { alias {mnt}/by-user/$user/; }"), (f"/p/{F}", basic("alice"))),
    "auth_basic off": (
        USER_MAP + "server { listen {port}; " + BASIC + " location /p/ { auth_basic off; alias {mnt}/by-user/$user/; } }",
        (f"/p/{F}", basic("alice"))),
    "auth_basic without a file of users": (
        USER_MAP + server('location /p/ { auth_basic "Files"; alias {mnt}/by-user/$user/; }'), (f"/p/{F}", basic("alice"))),
    "a file of users that he names": (
        USER_MAP + server('location /p/ { auth_basic "Files"; auth_basic_user_file $arg_f; alias {mnt}/by-user/$user/; }'),
        (f"/p/{F}?f={{mnt}}/public/upload.users", basic("alice"))),
    "a file of users by the host": (
        USER_MAP + server('location /p/ { auth_basic "Files"; auth_basic_user_file {mnt}/public/$host; alias {mnt}/by-user/$user/; }'),
        (f"/p/{F}", {**basic("alice"), "Host": "upload.users"})),
    "a file of users for a constant user": (
        server('location /p/ { auth_basic "Files"; auth_basic_user_file {work}/$cookie_f; alias {mnt}/by-user/alice/; }'),
        (f"/p/{F}", {**basic("alice"), "Cookie": "f=mnt/public/upload.users"})),
    "auth_basic by a map that says off": (
        USER_MAP + "map $arg_x $realm { default Files; open off; }\n"
        + server("location /p/ { auth_basic $realm; auth_basic_user_file {work}/users; alias {mnt}/by-user/$user/; }"),
        (f"/p/{F}?x=open", basic("alice"))),
    "satisfy any with an address": (
        USER_MAP + server("location /p/ { satisfy any; allow 127.0.0.0/8; deny all; " + BASIC + " alias {mnt}/by-user/$user/; }"),
        (f"/p/{F}", basic("alice"))),
    "a password for other methods only": (
        USER_MAP + server("location /p/ { limit_except GET { " + BASIC + " } alias {mnt}/by-user/$user/; }"), (f"/p/{F}", basic("alice"))),
    "a password, and a way round it": (
        USER_MAP + server("location /p/ { " + BASIC + " error_page 401 = @open; alias {mnt}/by-user/$user/; }\n"
                          "location @open { rewrite ^/p/(.*)$ /$1 break; root {mnt}/by-user/$user; }"), (f"/p/{F}", basic("alice"))),
    "a password asked for too late": (
        USER_MAP + server("location /p/ { " + BASIC + " rewrite ^/p/(.*)$ /in/$1 last; }\n"
                          "location /in/ { internal; alias {mnt}/by-user/$user/; }"), (f"/p/{F}", basic("alice"))),
    "a password that does not say whose files": (
        server("location ~ ^/p/([a-z]+)/(.*)$ { " + BASIC + " alias {mnt}/by-user/$1/$2; }"), (f"/p/alice/{F}", basic("bob", "bobs"))),
    "auth_request to what lets everybody in": (
        USER_MAP + server("location = /auth { return 204; } location /p/ { auth_request /auth; alias {mnt}/by-user/$user/; }"),
        (f"/p/{F}", basic("alice"))),
    "everybody else is alice": (
        'map $remote_user $user { default alice; "bob" bob; }\n' + server("location /p/ { " + BASIC + " alias {mnt}/by-user/$user/; }"),
        (f"/p/{F}", basic("carol", "carols"))),
    "a constant user": (server("location /p/ { alias {mnt}/by-user/alice/; }"), (f"/p/{F}", {})),
    "a constant user behind what anybody passes": (
        server('location /p/ { if ($arg_key = "") { return 403; } alias {mnt}/by-user/alice/; }'), (f"/p/{F}?key=1", {})),
    "a constant user behind a short word": (
        server("location /p/ { if ($arg_key != open) { return 403; } alias {mnt}/by-user/alice/; }"), (f"/p/{F}?key=open", {})),
    "a constant user for whoever names himself": (
        server('location /p/ { if ($remote_user = "") { return 401; } alias {mnt}/by-user/alice/; }'), (f"/p/{F}", basic("x"))),
    "auth_request whose refusal is made an answer": (
        server("location = /auth { internal; proxy_pass http://127.0.0.1:{back}; proxy_intercept_errors on; error_page 401 =204 @fine; }\n"
               "location @fine { return 204; } location /p/ { auth_request /auth; alias {mnt}/by-user/alice/; }")
        + "server { listen 127.0.0.1:{back}; return 401; }", (f"/p/{F}", {})),
    "auth_request to whom a visitor names": (
        server("location = /auth { internal; proxy_pass http://$http_x_at; }\n"
               "location /p/ { auth_request /auth; alias {mnt}/by-user/alice/; }")
        + "server { listen 127.0.0.1:{back}; return 204; }", (f"/p/{F}", {"X-At": "127.0.0.1:{back}"})),
    "auth_request, and a user who only says so": (
        USER_MAP + server("location = /auth { internal; proxy_pass http://127.0.0.1:{back}; }\n"
                          "location /p/ { auth_request /auth; alias {mnt}/by-user/$user/; }")
        + "server { listen 127.0.0.1:{back}; return 204; }", (f"/p/{F}", basic("alice"))),
    "a signature of something else": (
        server('location ~ ^/p/([a-z]+)/(.*)$ { secure_link $arg_md5; secure_link_md5 "secret"; if ($secure_link = "") { return 403; }\n'
               "alias {mnt}/by-user/$1/$2; }"), (f"/p/alice/{F}?md5=Xr4ilOzQ4PCOq3aQ0qbuaQ", {})),
    "a signature that is not asked for": (
        server('location ~ ^/p/([a-z]+)/(.*)$ { secure_link $arg_md5; secure_link_md5 "$uri secret"; alias {mnt}/by-user/$1/$2; }'),
        (f"/p/alice/{F}", {})),
    "a certificate that nobody verifies": (
        'map $ssl_client_s_dn $user { default _nobody; "~(?:^|,)CN=(?<cn>[a-z]+)(?:,|$)" $cn; }\n'
        "server { listen {port} ssl; " + CERTIFICATE + " ssl_verify_client optional_no_ca;\n"
        "location /p/ { alias {mnt}/by-user/$user/; } }", (f"/p/{F}", {"certificate": "alice"})),
    "where a certificate was refused": (
        'map $ssl_client_s_dn $user { default _nobody; "~(?:^|,)CN=(?<cn>[a-z]+)(?:,|$)" $cn; }\n'
        "server { listen {port} ssl; " + CERTIFICATE + " ssl_verify_client on; ssl_client_certificate {work}/cert.pem;\n"
        f"error_page 495 = /p/{F}; location /p/ {{ alias {{mnt}}/by-user/$user/; }} }}", (f"/p/{F}", {"certificate": "alice"})),
    # Constants that he chooses.
    "a map from an argument to users": (
        "map $arg_u $user { default _nobody; a alice; b bob; }\n" + server("location /p/ { alias {mnt}/by-user/$user/; }"),
        (f"/p/{F}?u=a", {})),
    "a map from the host to users": (
        "map $host $user { hostnames; default _nobody; alice.test alice; }\n" + server("location /p/ { alias {mnt}/by-user/$user/; }"),
        (f"/p/{F}", {"Host": "alice.test"})),
    "a map from a header to users": (
        "map $http_x_tenant $user { default _nobody; one alice; }\n" + server("location /p/ { alias {mnt}/by-user/$user/; }"),
        (f"/p/{F}", {"X-Tenant": "one"})),
    "a map from the path to users": (
        "map $request_uri $user { default _nobody; ~^/p/a/ alice; }\n"
        + server("location /p/ { rewrite ^/p/a/(.*)$ /$1 break; root {mnt}/by-user/$user; }"), (f"/p/a/{F}", {})),
    "an if that says who": (
        server("location /p/ { set $u _nobody; if ($arg_u = alice) { set $u alice; } alias {mnt}/by-user/$u/; }"), (f"/p/{F}?u=alice", {})),
    "an if on what it sets": (
        server("location /p/ { set $u _nobody; if ($u = _nobody) { set $u $arg_u; } alias {mnt}/by-user/$u/; }"), (f"/p/{F}?u=alice", {})),
    "a named group that did not match": (
        server('location /p/ { if ($cookie_files ~ "^(?<t>[a-z0-9]+)$") { set $x 1; } auth_basic x; auth_basic_user_file {work}/users;\n'
               "alias {mnt}/by-user/$t/; }"), (f"/p/alice/{F}", basic("bob", "bobs"))),
    "a map from an argument to a view": (
        "map $arg_v $view { default public; a by-user/alice; }\n" + server("location /p/ { alias {mnt}/$view/; }"), (f"/p/{F}?v=a", {})),
    "a map to alice's token": (
        'map $arg_u $t { default _anon; a {token}; }\n' + server("location /p/ { alias {mnt}/by-session/$t/; }"), (f"/p/{F}?u=a", {})),
    "chance says who": (
        "split_clients $arg_x $u { * alice; }\n" + server("location /p/ { alias {mnt}/by-user/$u/; }"), (f"/p/{F}", {})),
    # Headers.
    "a header that another location sets": (
        'map $http_x_user $named { default _nobody; "~^(?<n>[a-z]+)$" $n; }\n'
        + server("location /front/ { proxy_pass http://127.0.0.1:{back}; proxy_set_header X-User _nobody; }\n"
                 "location /p/ { alias {mnt}/by-user/$named/; }"), (f"/p/{F}", {"X-User": "alice"})),
    "a header that one of two in front sets": (
        'map $http_x_user $named { default _nobody; "~^(?<n>[a-z]+)$" $n; }\n'
        + server("location /a/ { proxy_pass http://127.0.0.1:{back}/p/; proxy_set_header X-User _nobody; }\n"
                 "location /b/ { proxy_pass http://127.0.0.1:{back}/p/; }")
        + server("location /p/ { alias {mnt}/by-user/$named/; }", "127.0.0.1:{back}"), (f"/b/{F}", {"X-User": "alice"})),
    "a header in front that says what he says": (
        'map $http_x_user $named { default _nobody; "~^(?<n>[a-z]+)$" $n; }\n'
        + server("location /a/ { proxy_pass http://127.0.0.1:{back}/p/; proxy_set_header X-User $remote_user; }")
        + server("location /p/ { alias {mnt}/by-user/$named/; }", "127.0.0.1:{back}"), (f"/a/{F}", basic("alice"))),
    "everybody may say where he is from": (
        TOKEN_MAP + "server { listen {port}; set_real_ip_from 0.0.0.0/0; real_ip_header X-Forwarded-For;\n"
        "location /p/ { alias {mnt}/from/$remote_addr/by-session/$session/; } }",
        (f"/p/{F}", {"X-Forwarded-For": "192.0.2.9", "Cookie": "files={token}"})),
    "two halves of the Internet": (
        TOKEN_MAP + "server { listen {port}; set_real_ip_from 0.0.0.0/1; set_real_ip_from 128.0.0.0/1; real_ip_header X-Real-IP;\n"
        "location /p/ { alias {mnt}/from/$remote_addr/by-session/$session/; } }",
        (f"/p/{F}", {"X-Real-IP": "192.0.2.9", "Cookie": "files={token}"})),
    "a hop in front that passes the address on": (
        TOKEN_MAP + server("location /a/ { proxy_pass http://127.0.0.1:{back}/p/; }")
        + "server { listen 127.0.0.1:{back}; set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP;\n"
        "location /p/ { alias {mnt}/from/$remote_addr/by-session/$session/; } }",
        (f"/a/{F}", {"X-Real-IP": "192.0.2.9", "Cookie": "files={token}"})),
    "an address as he says": (
        'map $http_x_forwarded_for $at { default _; "~^([0-9.]+)$" $1; }\n' + TOKEN_MAP
        + server("location /p/ { alias {mnt}/from/$at/by-session/$session/; }"),
        (f"/p/{F}", {"X-Forwarded-For": "192.0.2.9", "Cookie": "files={token}"})),
    # What leads out of where it stands.
    "a raw cookie": (server("location /p/ { alias {mnt}/by-session/$cookie_t/; }"), (f"/p/{F}", {"Cookie": "t=../by-user/alice"})),
    "a raw argument": (server("location /p/ { alias {mnt}/public/$arg_d/; }"), (f"/p/{F}?d=../by-user/alice", {})),
    "a captured part with no slash behind it": (
        server("location ~ ^/p/([^/]+)_(.*)$ { alias {mnt}/public/$1/$2; }"), (f"/p/.._by-user/alice/{F}", {})),
    "a captured part with no slash before it": (
        server("location ~ ^/p(.*)$ { alias {mnt}/public/$1; }"), (f"/p../by-user/alice/{F}", {})),
    "a captured part cut short": (
        server("location ~ ^/p/([a-z.]+)[0-9](.*)$ { alias {mnt}/public/$1/$2; }"), (f"/p/..0by-user/alice/{F}", {})),
    "the end of a captured part": (
        server("location ~ ^/p/(.+)\\.html$ { alias {mnt}/public/$1/by-user/alice/secret.txt; }"), ("/p/...html", {})),
    "a pattern without an end": (
        server('location /p/ { if ($cookie_t !~ "^[a-z]+") { return 403; } alias {mnt}/public/$cookie_t/; }'),
        (f"/p/{F}", {"Cookie": "t=x/../../by-user/alice"})),
    "a check that is not run": (
        server('location /p/ { break; if ($cookie_t !~ "^[a-z]+$") { return 403; } alias {mnt}/by-session/$cookie_t/; }'),
        (f"/p/{F}", {"Cookie": "t=../by-user/alice"})),
    "a check around, not within": (
        server('location /p/ { if ($cookie_t !~ "^[a-z]+$") { return 403; } location /p/q/ { alias {mnt}/by-session/$cookie_t/; } }'),
        (f"/p/q/{F}", {"Cookie": "t=../by-user/alice"})),
    "set after the check": (
        server('location /p/ { set $d x; if ($d !~ "^[a-z]+$") { return 403; } set $d $arg_d; alias {mnt}/public/$d/; }'),
        (f"/p/{F}?d=../by-user/alice", {})),
    "$1 of another match": (
        server('location ~ ^/p/(.*)$ { if ($http_x ~ "^(.*)$") { set $y 1; } alias {mnt}/public/$1; }'),
        ("/p/x", {"X": f"../by-user/alice/{F}"})),
    "$1 of a map's match": (
        'map $arg_d $kind { default public; "~^p(.*)$" public; }\n' + server("location ~ ^/p/(.*)$ { alias {mnt}/$kind/$1; }"),
        (f"/p/x?d=p../by-user/alice/{F}", {})),
    "an index by argument": (
        server("location /p/ { alias {mnt}/public/; index $arg_i; }"), (f"/p/?i=../by-user/alice/{F}", {})),
    "off by a slash": (server("location /p { alias {mnt}/public/; }"), (f"/p../by-user/alice/{F}", {})),
    "an alias that goes on": (
        server("location /p { allow 127.0.0.1; deny all; alias {mnt}/by-user/al; }"), (f"/pice/{F}", {})),
    "an alias of the mount that goes on": (server("location /p { alias {mnt}; }"), (f"/p/by-user/alice/{F}", {})),
    # Where nginx goes by itself.
    "internal by try_files": (
        server("location /in/ { internal; alias {mnt}/; } location /p/ { root {www}; try_files $uri /in/by-user/$arg_u/$arg_f; }"),
        (f"/p/x?u=alice&f={F}", {})),
    "internal by error_page": (
        server("location /in/ { internal; alias {mnt}/; } location ~ ^/p(/.*)$ { root {www}; error_page 404 = /in/by-user$1; }"),
        (f"/p/alice/{F}", {})),
    "internal by rewrite": (
        server("location /in/ { internal; alias {mnt}/; } location /p/ { rewrite ^/p/(.*)$ /$1 last; }"), (f"/p/in/by-user/alice/{F}", {})),
    "internal by a rewrite of the server": (
        "server { listen {port}; root {mnt}; location / { return 404; } location /by-user/ { internal; } rewrite ^/p(/.*)$ $1 break; }",
        (f"/p/by-user/alice/{F}", {})),
    "all to one program, but for what is served before": (
        server("location ~ \\.txt$ { root {www}; } location ~ \\.php(?:$|/) { fastcgi_pass 127.0.0.1:{back}; }\n"
               "location /p/ { root {www}; try_files $uri /d.php$arg_u; }"), (f"/p/x?u=/../../mnt/by-user/alice/{F}", {})),
    "internal by an index": (
        server("location /in/ { internal; alias {mnt}/by-user/; } location /p/ { alias {www}/; index /in/$arg_u; }"),
        (f"/p/?u=alice/{F}", {})),
    "internal by SSI": (
        server("location /in/ { internal; alias {mnt}/; } location /p/ { alias {www}/; ssi on; ssi_types *; }"),
        (f"/p/ssi.shtml?u=alice", {})),
    "SSI in what people upload": (
        server("location /in/ { internal; alias {mnt}/; } location /p/ { alias {mnt}/public/; ssi on; ssi_types *; }"),
        ("/p/upload.html", {})),
    "internal by addition": (
        server("location /in/ { internal; alias {mnt}/; } location /p/ { alias {www}/; add_after_body /in/by-user/alice/secret.txt; addition_types *; }"),
        ("/p/page.html", {})),
    "internal by X-Accel-Redirect of one's own": (
        server("location /in/ { internal; alias {mnt}/; } location /p/ { proxy_pass http://127.0.0.1:{back}; }")
        + "server { listen 127.0.0.1:{back}; location / { add_header X-Accel-Redirect /in/by-user/$arg_u; return 200; } }",
        (f"/p/x?u=alice/{F}", {})),
    "internal by whom a visitor names": (
        server("location /in/ { internal; alias {mnt}/; } location /p/ { proxy_pass http://$arg_to; }"),
        ("/p/x?to=127.0.0.1:{evil}", {})),
    "a named location": (
        server("location @in { root {mnt}; rewrite ^/p/(.*)$ /by-user/$1 break; } location /p/ { root {www}; try_files $uri @in; }"),
        (f"/p/alice/{F}", {})),
    # What is served.
    "the mount's top": (server("location /p/ { alias {mnt}/; }"), (f"/p/by-user/alice/{F}", {})),
    "the mount by a dot": (server("location /p/ { alias {work}/./mnt/; }"), (f"/p/by-user/alice/{F}", {})),
    "the mount by two slashes": (server("location /p/ { alias {work}//mnt/by-user/; }"), (f"/p/alice/{F}", {})),
    "the mount by dots": (server("location /p/ { alias {www}/../mnt/; }"), (f"/p/by-user/alice/{F}", {})),
    "the mount by a symbolic link": (server("location /p/ { alias {work}/link/; }"), (f"/p/by-user/alice/{F}", {})),
    "a symbolic link to the mount in a root": (server("location /p/ { alias {www}/; }"), (f"/p/to-mnt/by-user/alice/{F}", {})),
    "the mount by a variable": (server("location /p/ { set $top {mnt}; root $top; rewrite ^/p/(.*)$ /$1 break; }"), (f"/p/by-user/alice/{F}", {})),
    "the mount by a map": ("map $arg_a $top { default {mnt}/public; all {mnt}; }\n" + server("location /p/ { alias $top/; }"),
                           (f"/p/by-user/alice/{F}?a=all", {})),
    "above the mount": (server("location /p/ { alias {work}/; }"), (f"/p/mnt/by-user/alice/{F}", {})),
    "a root above the mount": ("server { listen {port}; root {work}; }", (f"/mnt/by-user/alice/{F}", {})),
    "a folder above by variable": (server("location ~ ^/p/([a-z]+)/(.*)$ { alias {work}/$1/$2; }"), (f"/p/mnt/by-user/alice/{F}", {})),
    "the top by a pattern": ("server { listen {port}; location ~ \\.txt$ { root {mnt}; } }", (f"/by-user/alice/{F}", {})),
    "a pattern that another case passes": (
        "server { listen {port}; root {work}; location ~ ^/MNT/ { deny all; } }", (f"/mnt/by-user/alice/{F}", {})),
    "a prefix that two slashes pass": (
        "server { listen {port}; merge_slashes off; root {work}; location ^~ /mnt/ { deny all; } location ^~ /public/ { deny all; } }",
        (f"//mnt/by-user/alice/{F}", {})),
    "try_files past the location": (
        server("location /p/ { root {mnt}; try_files /by-user/$arg_u/secret.txt =404; }"), ("/p/x?u=alice", {})),
    "a root in an if": (
        server("location /p/ { alias {mnt}/public/; if ($arg_x) { root {mnt}; rewrite ^/p/(.*)$ /$1 break; } }"),
        (f"/p/by-user/alice/{F}?x=1", {})),
    "the store": (server("location /p/ { alias {store}/; }"), (f"/p/alice/{F}", {})),
    "above the store": (server("location /p/ { root {work}; rewrite ^/p/(.*)$ /$1 break; }"), (f"/p/store/alice/{F}", {})),
    "the store inside, and an error": (
        server("location /in/ { internal; alias {store}/; } location ~ ^/p(/.*)$ { root {www}; error_page 404 = /in$1; }"),
        (f"/p/alice/{F}", {})),
    "the mount by a relative path": (server("location /p/ { root mnt; rewrite ^/p/(.*)$ /$1 break; }"), (f"/p/by-user/alice/{F}", {})),
    "the policy's folder": (server("location /p/ { alias {policy}/; }"), ("/p/policy.db", {})),
}

# name: (configuration, request); afterwards the token is in a log
LEAKS = {
    "a link in the access log": (
        server("location /p/ { access_log {work}/a.log; alias {mnt}/by-link/; }"), (f"/p/{{token}}/{F}", {})),
    "a link in a format with the URI": (
        "log_format mine '$remote_addr $uri';\n" + server("location /p/ { access_log {work}/a.log mine; alias {mnt}/by-link/; }"),
        (f"/p/{{token}}/{F}", {})),
    "a link in a format with the file's name": (
        "log_format mine '$request_filename';\n" + server("location /p/ { access_log {work}/a.log mine; alias {mnt}/by-link/; }"),
        (f"/p/{{token}}/{F}", {})),
    "a link in a format with the page before": (
        "log_format mine '$http_referer';\n" + server("location /p/ { access_log {work}/a.log mine; alias {mnt}/by-link/; }"),
        (f"/p/{{token}}/{F}", {"Referer": "http://x/p/{token}/"})),
    "a cookie in the access log": (
        TOKEN_MAP + "log_format mine '$http_cookie';\n"
        + server("location /p/ { access_log {work}/a.log mine; alias {mnt}/by-session/$session/; }"), (f"/p/{F}", {"Cookie": "files={token}"})),
    "the session in the access log": (
        TOKEN_MAP + "log_format mine '$session';\n"
        + server("location /p/ { access_log {work}/a.log mine; alias {mnt}/by-session/$session/; }"), (f"/p/{F}", {"Cookie": "files={token}"})),
    "an argument in the access log": (
        TOKEN_MAP.replace("cookie_files", "arg_t")
        + server("location /p/ { access_log {work}/a.log; alias {mnt}/by-session/$session/; }"), (f"/p/{F}?t={{token}}", {})),
    "a link in the error log": (
        server("location /p/ { error_log {work}/e.log; alias {mnt}/by-link/; }"), ("/p/{token}/none", {})),
    "a link in the error log of two": (
        server("location /p/ { error_log /dev/null emerg; error_log {work}/e.log; alias {mnt}/by-link/; }"), ("/p/{token}/none", {})),
    "a session in the error log": (
        TOKEN_MAP + server("location /p/ { error_log {work}/e.log; alias {mnt}/by-session/$session/; }"),
        ("/p/none", {"Cookie": "files={token}"})),
    "a link in the log of its error page": (
        server("location /p/ { alias {mnt}/by-link/; error_page 404 @gone; } location @gone { access_log {work}/a.log; return 404; }"),
        ("/p/{token}/none", {})),
}

# name: configuration; nothing comes out of it, and nothing is said of it
SAFE = {
    "a file of users by a map": (
        USER_MAP + "map $arg_f $file { default {work}/users; one {work}/one-user; }\n"
        + server('location /p/ { auth_basic "Files"; auth_basic_user_file $file; alias {mnt}/by-user/$user/; }')),
    "a session by a cookie": TOKEN_MAP + server("location /p/ { alias {mnt}/by-session/$session/; }"),
    "a session by a header": TOKEN_MAP.replace("cookie_files", "http_x_token") + server("location /p/ { alias {mnt}/by-session/$session/; }"),
    "a session by an if": server('location /p/ { if ($cookie_files !~ "^[A-Za-z0-9_-]{{16,64}}$") { return 403; } '
                                 "alias {mnt}/by-session/$cookie_files/; }"),
    "a session and what a pattern captured": TOKEN_MAP + server("location ~ ^/p/(.*)$ { alias {mnt}/by-session/$session/$1; }"),
    "a session and a named capture": TOKEN_MAP + server("location ~ ^/p/(?<file>.*)$ { alias {mnt}/by-session/$session/$file; }"),
    "a session by root and rewrite": TOKEN_MAP + server("location /p/ { root {mnt}/by-session/$session; rewrite ^/p/(.*)$ /$1 break; }"),
    "a session by try_files": TOKEN_MAP + server("location /p/ { root {mnt}/by-session/$session; try_files $uri $uri/ =404; }"),
    "a session inside": TOKEN_MAP + server("location /in/ { internal; alias {mnt}/by-session/; }\n"
                                           "location /p/ { rewrite ^/p/(.*)$ /in/$session/$1 last; }"),
    "a session bound to an address": TOKEN_MAP + server("location /p/ { alias {mnt}/from/$remote_addr/by-session/$session/; }"),
    "a proxy's address": TOKEN_MAP + server("set_real_ip_from 192.0.2.0/24; set_real_ip_from 10.0.0.0/8; real_ip_header X-Forwarded-For;\n"
                                            "real_ip_recursive on; location /p/ { alias {mnt}/from/$remote_addr/by-session/$session/; }"),
    "an address of the hop in front": TOKEN_MAP + server("location /a/ { proxy_pass http://127.0.0.1:{back}/p/; proxy_set_header X-Real-IP $remote_addr; }")
    + "server { listen 127.0.0.1:{back}; set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP;\n"
    "location /p/ { alias {mnt}/from/$remote_addr/by-session/$session/; } }",
    "a password": USER_MAP + server("location /p/ { " + BASIC + " alias {mnt}/by-user/$user/; }"),
    "a password, and the name as it is": server("location /p/ { " + BASIC + " alias {mnt}/by-user/$remote_user/; }"),
    "a password of the server's": USER_MAP + "server { listen {port}; " + BASIC + " location /p/ { alias {mnt}/by-user/$user/; } }",
    "a password and an address": USER_MAP + server("location /p/ { satisfy all; allow 127.0.0.0/8; deny all; " + BASIC + " alias {mnt}/by-user/$user/; }"),
    "satisfy any with a password alone": USER_MAP + server("location /p/ { satisfy any; " + BASIC + " alias {mnt}/by-user/$user/; }"),
    "users by a map": 'map $remote_user $user { default ""; bob bob; carol "bob"; }\n'
    + server('location /p/ { ' + BASIC + ' if ($user = "") { return 403; } alias {mnt}/by-user/$user/; }'),
    "a default that is set": 'map $remote_user $user { default ""; bob bob; }\n'
    + server("location /p/ { " + BASIC + ' set $u $user; if ($u = "") { set $u _nobody; } alias {mnt}/by-user/$u/; }'),
    "his own folder alone": USER_MAP + server("location ~ ^/p/([a-z]+)/(.*)$ { " + BASIC + " if ($user != $1) { return 403; } alias {mnt}/by-user/$1/$2; }"),
    "a user behind a password by try_files": USER_MAP + server("location /in/ { internal; alias {mnt}/by-user/$user/; }\n"
                                                               "location /p/ { " + BASIC + " root {www}; try_files $uri /in$uri; }"),
    "what auth_request says": 'map $who $user { default _nobody; "~^(?<n>[a-z]+)$" $n; }\n'
    + server("location = /auth { internal; proxy_pass http://127.0.0.1:{back}; proxy_pass_request_body off; }\n"
             "location /p/ { auth_request /auth; auth_request_set $who $upstream_http_x_user; alias {mnt}/by-user/$user/; }")
    + "server { listen 127.0.0.1:{back}; location / { add_header X-User bob; return 204; } }",
    "a constant user whom auth_request lets in": server("location = /auth { internal; proxy_pass http://127.0.0.1:{back}; }\n"
                                                        "location /p/ { auth_request /auth; alias {mnt}/by-user/alice/; }")
    + "server { listen 127.0.0.1:{back}; return 401; }",
    "a certificate": 'map $ssl_client_s_dn $user { default _nobody; "~(?:^|,)CN=(?<cn>[a-z]+)(?:,|$)" $cn; }\n'
    "server { listen {port} ssl; " + CERTIFICATE + " ssl_verify_client on; ssl_client_certificate {work}/cert.pem;\n"
    "location /p/ { alias {mnt}/by-user/$user/; } }",
    "a certificate, if there is one": 'map $ssl_client_s_dn $user { default _nobody; "~(?:^|,)CN=(?<cn>[a-z]+)(?:,|$)" $cn; }\n'
    "server { listen {port} ssl; " + CERTIFICATE + " ssl_verify_client optional; ssl_client_certificate {work}/cert.pem;\n"
    "location /p/ { alias {mnt}/by-user/$user/; } }",
    "a certificate that an if asks for": 'map $ssl_client_s_dn $user { default _nobody; "~(?:^|,)CN=(?<cn>[a-z]+)(?:,|$)" $cn; }\n'
    "server { listen {port} ssl; " + CERTIFICATE + " ssl_verify_client optional_no_ca; ssl_client_certificate {work}/cert.pem;\n"
    "location /p/ { if ($ssl_client_verify != SUCCESS) { return 403; } alias {mnt}/by-user/$user/; } }",
    "a certificate that a map asks for": 'map "$ssl_client_verify:$ssl_client_s_dn" $user { default _nobody; "~^SUCCESS:CN=(?<cn>[a-z]+)$" $cn; }\n'
    "server { listen {port} ssl; " + CERTIFICATE + " ssl_verify_client optional_no_ca; ssl_client_certificate {work}/cert.pem;\n"
    "location /p/ { alias {mnt}/by-user/$user/; } }",
    "a signature of the path": server('location ~ ^/p/([a-z]+)/(.*)$ { secure_link $arg_md5; secure_link_md5 "$uri secret";\n'
                                      'if ($secure_link = "") { return 403; } alias {mnt}/by-user/$1/$2; }'),
    "a constant user behind a secret": server("location /p/ { if ($http_x_key != KrtKNkLNZrwyr8Vg71) { return 403; } alias {mnt}/by-user/alice/; }"),
    "a constant user behind a secret in a map": 'map $http_x_key $known { default 0; "KrtKNkLNZrwyr8Vg71" 1; }\n'
    + server("location /p/ { if ($known = 0) { return 403; } alias {mnt}/by-user/alice/; }"),
    "a constant user behind a password": server("location /p/ { " + BASIC.replace("users", "one-user") + " alias {mnt}/by-user/alice/; }"),
    "a captured end that goes on": server("location ~ ^/p(.*)$ { alias {mnt}/public/x$1; }"),
    "an old name for a new one": server("rewrite ^/old(.*)$ /p$1 last; rewrite ^/(.*)\\.php$ /p/$1.html last;\n"
                                        "rewrite ^(/download/.*)/media/(.*)\\..*$ $1/mp3/$2.mp3 last; location /p/ { alias {mnt}/public/; }"),
    "a front controller": "server { listen {port}; root {work}/sites; location / { if (!-e $request_filename) { rewrite ^/(.*)$ /index.php?q=$1 last; } }\n"
    "location ~ \\.php$ { fastcgi_split_path_info ^(.+\\.php)(/.+)$; fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name; fastcgi_pass 127.0.0.1:{back}; } }",
    "pictures by what the browser takes": 'map $http_accept $webp { default ""; "~*webp" ".webp"; }\n'
    + server("location ~* ^(?<path>.+)\\.(?<ext>png|jpe?g)$ { root {work}/sites; try_files $path$webp.$ext $uri =404; }"),
    "arguments behind a path": "server { listen {port}; root {work}/sites; location / { try_files $uri $uri/ /index.php$is_args$args; } "
    "location ~ \\.php$ { return 404; } }",
    "all to one program": "server { listen {port}; root {work}/sites; location ~ \\.php(?:$|/) { fastcgi_pass 127.0.0.1:{back}; }\n"
    "location ~ \\.(?:css|js)$ { try_files $uri /index.php$request_uri; } location / { try_files $uri $uri/ /index.php$request_uri; } }",
    "subdomains": 'server { listen {port}; set $sub ""; if ($host ~* "^([a-z0-9-\\.]+)\\.example\\.com$") { set $sub $1; } root {work}/sites/$sub; location / { } }',
    "maintenance": "server { listen {port}; root {work}/sites; if (-f $document_root/maintenance.html) { return 503; } error_page 503 @maintenance;\n"
    "location @maintenance { rewrite ^(.*)$ /maintenance.html break; } location / { try_files $uri $uri.html $uri/ =404; } }",
    "a key that one must know": 'map $http_x_api_key $user { default _nobody; "KrtKNkLNZrwyr8Vg71" bob; }\n'
    + server("location /p/ { alias {mnt}/by-user/$user/; }"),
    "users by address": "geo $user { default _nobody; 192.0.2.7 alice; }\n" + server("location /p/ { alias {mnt}/by-user/$user/; }"),
    "a header from in front": 'map $http_x_user $named { default _nobody; "~^(?<n>[a-z]+)$" $n; }\n'
    + server("location /a/ { " + BASIC + " proxy_pass http://127.0.0.1:{back}/p/; proxy_set_header X-User $remote_user; }")
    + server("allow 192.0.2.1; deny all; location /p/ { alias {mnt}/by-user/$named/; }", "{back}"),
    "links": server("location /p/ { alias {mnt}/by-link/; }"),
    "links by address": server("location /p/ { alias {mnt}/from/$remote_addr/by-link/; }"),
    "a link by a pattern": server("location ~ ^/p/([A-Za-z0-9_-]+)/(.*)$ { alias {mnt}/by-link/$1/$2; }"),
    "links, logged without them": "log_format mine '$remote_addr $status $masked';\n"
    'map $uri $masked { default $uri; "~^/p/[^/]*(?<behind>/.*)?$" /p/-$behind; }\n'
    + server("location /p/ { access_log {work}/a.log mine; alias {mnt}/by-link/; }"),
    "links that are never logged": 'map $request_uri $loggable { default 1; "~^/p/" 0; }\n'
    + server("location /p/ { access_log {work}/a.log combined if=$loggable; alias {mnt}/by-link/; }"),
    "a session, logged as usual": TOKEN_MAP + server("location /p/ { access_log {work}/a.log; alias {mnt}/by-session/$session/; }"),
    "signed": server("location /p/ { alias {mnt}/by-signature/; }"),
    "public": server("location /p/ { alias {mnt}/public/; autoindex on; }"),
    "public by root": server("location /public/ { root {mnt}; }"),
    "public by a pattern": server("location ~ ^/p/(.*)$ { alias {mnt}/public/$1; }"),
    "public by a pattern and an extension": server("location ~* ^/p/(.+\\.(?:css|js|txt))$ { alias {mnt}/public/$1; }"),
    "public by parts": server("location ~ ^/p/([^/]+)(?:/(.*))?$ { alias {mnt}/public/$1/$2; }"),
    "public without a slash": server("location /p { alias {mnt}/public; }"),
    "public by a map": "map $arg_v $what { default public; x public/x; }\n" + server("location /p/ { alias {mnt}/$what/; }"),
    "public with an error page": server("location /p/ { alias {mnt}/public/; error_page 404 /none.html; }\nlocation = /none.html { internal; root {www}; }"),
    "the mount beside": "server { listen {port}; root {work}; location / { return 404; } location /sites/ { } }",
    "the mount below, and closed": "server { listen {port}; root {work}; location ^~ /mnt/ { deny all; } location ^~ /store/ { deny all; }\n"
    "location ^~ /policy/ { return 404; } location ^~ /link/ { return 404; } location ^~ /www/to-mnt/ { deny all; } }",
    "inside, for the application": server("location /in/ { internal; alias {mnt}/; } location /p/ { proxy_pass http://127.0.0.1:{back}; }")
    + "server { listen 127.0.0.1:{back}; return 404; }",
    "virtual hosts": "server { listen {port}; server_name ~^(?<sub>.+)\\.example\\.org$; root {work}/sites/$host/html; location / { try_files $uri $uri/ /index.php?$args; } }",
    "a redirect with what he said": server("location /p/ { return 302 /other/$arg_u; } location /q/ { rewrite ^/q/(.*)$ https://example.org/by-user/$1 permanent; }"),
    "a single page application": "server { listen {port}; root {work}/sites; location / { try_files $uri $uri/ /index.html; } location /api/ { proxy_pass http://127.0.0.1:{back}; } }",
    "old addresses": server("location /old/ { rewrite ^/old/(.*)$ /p/$1 last; } location /p/ { alias {mnt}/public/; }"),
}
