"""docs/migration.md, followed by the letter on this machine with every change kept apart."""

import glob
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from test_readme import PRELUDE
from web_test import harness

TOP = pathlib.Path(__file__).resolve().parents[2]

# What the page's reader has: an application's user, its files and its table; and no other nginx.
FILES = """
useradd --system www-app
mkdir -p /srv/media/2024 /srv/app
echo 'for 42' >/srv/media/2024/report.pdf
echo 'for 43' >/srv/media/ünï.pdf
rm -f /etc/nginx/conf.d/* /etc/nginx/sites-enabled/*
"""
TABLE = """
sqlite3 /srv/app/db.sqlite3 "CREATE TABLE uploads (id INTEGER PRIMARY KEY, user_id INTEGER, file_path TEXT);
  INSERT INTO uploads (user_id, file_path) VALUES (42, '2024/report.pdf'), (43, 'ünï.pdf')"
"""
TRY_TABLE = """
export GRANTFS_DB=/var/lib/grantfs/site/policy.db
grantctl check user:42 2024/report.pdf
grantctl check user:43 ünï.pdf
sed 's|/private/|/media/|' examples/nginx/grantfs.conf >/etc/nginx/conf.d/grantfs.conf
nginx
for user in 42 43; do
  token=$(grantctl session create user:$user --expires 1h)
  curl -s -H "Cookie: __Host-files=$token" -w '%{http_code}\\n' http://127.0.0.1:8080/media/2024/report.pdf
done
curl -so /dev/null -w 'without: %{http_code}\\n' http://127.0.0.1:8080/media/2024/report.pdf
"""
END = """
setpriv --reuid=www-data --regid=www-data --clear-groups cat /srv/media/2024/report.pdf || echo 'closed to nginx'
nginx -s quit
umount /srv/files
"""

# A site of Django's, with a FileField of its own and somebody who is logged in.
SITE = """
cp -r "$site/." /srv/app
chown -R www-app: /srv/app
as_app() { (cd /srv/app && setpriv --reuid=www-app --regid=www-app --clear-groups env PYTHONDONTWRITEBYTECODE=1 "$@"); }
python3() { as_app /usr/bin/python3 "$@"; }
python3 manage.py makemigrations documents
python3 manage.py migrate --verbosity 0
session=$(python3 manage.py shell -c "
from importlib import import_module
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from documents.models import Document
for pk, name in ((42, '2024/report.pdf'), (43, 'ünï.pdf')):
    Document.objects.create(user=User.objects.create_user(f'user {pk}', pk=pk), file=name)
user, session = User.objects.get(pk=42), SessionStore()
session.update({SESSION_KEY: '42', BACKEND_SESSION_KEY: 'django.contrib.auth.backends.ModelBackend',
                HASH_SESSION_KEY: user.get_session_auth_hash()})
session.create()
print(session.session_key)")
"""
ON_SQLITE = '"ENGINE": "django.db.backends.sqlite3", "NAME": "/srv/app/db.sqlite3"'
ON_POSTGRESQL = '"ENGINE": "django.db.backends.postgresql", "NAME": "mysite"'
SITE_FILES = {
    "manage.py": (TOP / "examples/django/manage.py").read_text(),
    "mysite/__init__.py": "",
    "mysite/wsgi.py": (TOP / "examples/django/mysite/wsgi.py").read_text(),
    "mysite/settings.py": """
SECRET_KEY = "for this test only, and long enough for what Django checks of keys: 0123456789"
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "documents"]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.contrib.sessions.middleware.SessionMiddleware",
              "django.contrib.auth.middleware.AuthenticationMiddleware"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "/srv/app/db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "mysite.urls"
MEDIA_ROOT = "/srv/media"
MEDIA_URL = "/media/"
USE_TZ = True
SESSION_COOKIE_SECURE = True
""",
    "mysite/urls.py": """
from django.http import HttpResponse
from django.urls import path
from documents.models import Document

def home(request):
    return HttpResponse("".join(f"{request.user}: {document.file.url}\\n" for document in Document.objects.filter(user=request.user.pk)))

urlpatterns = [path("", home)]
""",
    "documents/__init__.py": "",
    "documents/models.py": """
from django.conf import settings
from django.db import models

class Document(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    file = models.FileField(upload_to="documents")
""",
}
# Between the settings and `manage.py`: what the page says in words.
COPY = """
cp -r examples/django/grantfs_files /srv/app/
"""
TRY_SITE = """
as_app /usr/bin/gunicorn --bind 127.0.0.1:8000 mysite.wsgi &
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1 \\
  -keyout /etc/ssl/private/site.key -out /etc/ssl/certs/site.pem 2>/dev/null
sed 's|location ^~ /private/|location ^~ /media/|' examples/django/nginx.conf >/etc/nginx/conf.d/site.conf
grep -q '/media/' /etc/nginx/conf.d/site.conf
eval "$check"
nginx -t && nginx
site=https://127.0.0.1:8443
curl --silent --retry 50 --retry-connrefused --retry-delay 0 --retry-max-time 20 --output /dev/null http://127.0.0.1:8000/
token=$(curl -sik -H "Cookie: sessionid=$session" $site/ | tee /dev/stderr | sed -n 's/^Set-Cookie: *__Host-files=\\([a-z0-9]*\\);.*/\\1/p')
for path in 2024/report.pdf %C3%BCn%C3%AF.pdf; do
  curl -sk -H "Cookie: __Host-files=$token" -w '%{http_code}\\n' $site/media/$path
done
curl -sko /dev/null -w 'without: %{http_code}\\n' $site/media/2024/report.pdf
"""


# PostgreSQL as Debian sets it up: whoever logs in is the role of that name.
POSTGRESQL = """
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
install -d -o postgres -g postgres /run/postgresql /var/lib/postgresql
as_postgres() { (cd / && setpriv --reuid=postgres --regid=postgres --clear-groups "$@"); }
as_postgres $bin/initdb -D /var/lib/postgresql/here -A peer -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null
as_postgres $bin/postgres -D /var/lib/postgresql/here -c wal_level=logical -c listen_addresses= -c fsync=off \\
  -c unix_socket_directories=/run/postgresql &
until as_postgres $bin/pg_isready -q; do sleep 0.1; done
as_postgres createuser www-app
as_postgres createdb -O www-app mysite
# What systemd would do with the unit and its file.
systemctl() {
  set -a; . /etc/grantfs/site.follow.conf; set +a
  (cd / && exec setpriv --reuid=grantfs-follow --regid=grantfs-follow --clear-groups \\
    grantfs-follow "$UPSTREAM" --db /var/lib/grantfs/site/policy.db --node "$NODE") &
  until [ -e /var/lib/grantfs/site/policy.db ]; do sleep 0.1; done
}
psql() { (cd / && setpriv --reuid=www-app --regid=www-app --clear-groups psql "$@"); }
"""
WAIT_UNTIL_CURRENT = """
until grantctl --db /var/lib/grantfs/site/policy.db --json status | grep -q '"current": true'; do sleep 0.1; done
"""
ADD_AND_DELETE = """
python3 manage.py shell -c "
from documents.models import Document
Document.objects.bulk_create([Document(user_id=42, file='later.pdf')])
Document.objects.filter(file='2024/report.pdf').delete()"
psql -qAt mysite -c "SELECT 'recalled: ' || forgotten FROM grantfs.await_recall()"
for path in later.pdf 2024/report.pdf; do
  curl -sk -H "Cookie: __Host-files=$token" -w '%{http_code}\\n' $site/media/$path
done
"""


def blocks(number, section=("## In half an hour", "## With PostgreSQL")):
    """What is indented in that step, block by block."""
    page = (TOP / "docs/migration.md").read_text()
    section = page[page.index(section[0]):page.index(section[1])]
    step = re.search(rf"^{number}\. .*?(?=^\d\. |\Z)", section, re.MULTILINE | re.DOTALL)[0]
    return [re.sub("^       ", "", block, flags=re.MULTILINE) for block in re.findall(r"(?:^       .*\n)+", step, re.MULTILINE)]


@unittest.skipIf(os.geteuid(), "mounts a file system: run it as root")
class Migration(unittest.TestCase):
    def follow(self, script, **variables):
        """On this machine, with every change kept apart; returns standard output, and all that was said."""
        with tempfile.TemporaryDirectory() as scratch:
            done = subprocess.run([*harness.APART, "bash", "-c", PRELUDE + script, "migration", scratch, str(harness.BUILD), str(TOP)],
                                  capture_output=True, text=True, timeout=120, env={**os.environ, "LC_ALL": "C.UTF-8", **variables})
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, 0, said)
        return done.stdout, said

    def test_the_page_leads_from_a_table_of_uploads_to_private_files(self):
        (mount,), (*_, table) = blocks(1), blocks(2)
        self.assertIn("INSERT OR IGNORE INTO owners", table)
        printed, said = self.follow(FILES + TABLE + mount + table + TRY_TABLE + END)
        self.assertIn("for 42\n200\n", printed, said)
        self.assertIn("404\nwithout: 403\nclosed to nginx\n", printed, said)

    def test_it_leads_from_a_site_of_djangos_to_private_files(self):
        (mount,), (settings, field, manage, _), (check,) = blocks(1), blocks(2), blocks(4)
        with tempfile.TemporaryDirectory() as site:
            for name, text in SITE_FILES.items():
                path = pathlib.Path(site, name)
                path.parent.mkdir(exist_ok=True)
                path.write_text(text)
            change = f"""
cat >>/srv/app/mysite/settings.py <<'TEXT'
{settings}
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
TEXT
cat >/srv/app/documents/models.py <<'TEXT'
{self.with_the_field(SITE_FILES["documents/models.py"], field)}
TEXT
"""
            printed, said = self.follow(FILES + SITE + mount + COPY + change + manage + TRY_SITE + END, site=site, check=check)
        self.assertIn("2 files, 2 users and 1 logins are as Django's database says; 0 ended", printed, said)
        self.assertIn("for 42\n200\n", printed, said)
        self.assertRegex(printed, r"(?s)<h1>404 Not Found</h1>.*404\nwithout: 403\nclosed to nginx\n", said)
        self.assertNotIn("?: (grantfs_files", said)

    def test_it_leads_from_a_site_on_postgresql_to_private_files(self):
        if subprocess.run(["/usr/bin/python3", "-c", "import psycopg2"], capture_output=True).returncode or not glob.glob("/usr/lib/postgresql/*/bin/postgres"):
            self.skipTest("PostgreSQL's server or psycopg2 is not installed")
        section = ("## With PostgreSQL", "## From what")
        (*policy, mount), (settings, manage), (check,) = blocks(1, section), blocks(2, section), blocks(4)
        with tempfile.TemporaryDirectory() as site:
            for name, text in SITE_FILES.items():
                path = pathlib.Path(site, name)
                path.parent.mkdir(exist_ok=True)
                path.write_text(text.replace(ON_SQLITE, ON_POSTGRESQL))
            change = f"""
cat >>/srv/app/mysite/settings.py <<'TEXT'
{settings}
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
TEXT
"""
            self.assertIn(ON_POSTGRESQL, pathlib.Path(site, "mysite/settings.py").read_text())
            script = FILES + "echo later >/srv/media/later.pdf\n" + POSTGRESQL + SITE + "".join(policy) + mount + WAIT_UNTIL_CURRENT \
                + COPY + change + manage + TRY_SITE + ADD_AND_DELETE + END
            printed, said = self.follow(script, site=site, check=check)
        self.assertIn("0 files, 2 users and 1 logins are as Django's database says; 0 ended", printed, said)
        self.assertIn("for 42\n200\n", printed, said)
        self.assertRegex(printed, r"(?s)<h1>404 Not Found</h1>.*404\nwithout: 403\nrecalled: true\nlater\n200\n.*404\nclosed to nginx\n", said)
        self.assertNotIn("?: (grantfs_files", said)

    @staticmethod
    def with_the_field(models, block):
        importing, field = block.splitlines()
        return importing + models.replace('file = models.FileField(upload_to="documents")', field)


if __name__ == "__main__":
    unittest.main()
