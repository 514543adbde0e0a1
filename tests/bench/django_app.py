"""A whole Django project in one file: who is logged in may have what a table says is theirs.

    python3 django_app.py KEYFILE PATHSFILE   makes the database, a user who owns the paths, and a session
    gunicorn django_app:application

BENCH_FOLDER holds db.sqlite3; BENCH_STORE is what `stream` sends from.
"""

import os
import sys

import django
from django.conf import settings
from django.http import FileResponse, HttpResponse, HttpResponseForbidden
from django.urls import path

FOLDER = os.environ["BENCH_FOLDER"]
STORE = os.environ.get("BENCH_STORE", "")

settings.configure(
    SECRET_KEY="only for measuring", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, DEBUG=False, USE_TZ=True,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(FOLDER, "db.sqlite3"),
                           "CONN_MAX_AGE": None}},
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402 - needs the set-up above
from django.db import connection, models  # noqa: E402


class Upload(models.Model):
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    file_path = models.CharField(max_length=200)

    class Meta:
        app_label = "uploads"
        indexes = [models.Index(fields=["user", "file_path"], name="by_user_and_path")]


def allowed(request, file_path):
    return (request.user.is_authenticated
            and Upload.objects.filter(user=request.user, file_path=file_path).exists())


def check(request):
    """For auth_request: 204 or 403."""
    original = request.headers.get("X-Original-URI", "").removeprefix("/f/")
    return HttpResponse(status=204) if allowed(request, original) else HttpResponseForbidden()


def xaccel(request, file_path):
    if not allowed(request, file_path):
        return HttpResponseForbidden()
    return HttpResponse(headers={"X-Accel-Redirect": f"/protected/{file_path}",
                                 "Content-Type": "application/octet-stream"})


def stream(request, file_path):
    if not allowed(request, file_path):
        return HttpResponseForbidden()
    return FileResponse(open(os.path.join(STORE, file_path), "rb"), content_type="application/octet-stream")


urlpatterns = [path("check", check), path("xaccel/<path:file_path>", xaccel), path("stream/<path:file_path>", stream)]


def make(key_file, paths):
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        editor.create_model(Upload)
    user = User(username="hot")
    user.set_unusable_password()
    user.save()
    Upload.objects.bulk_create([Upload(user=user, file_path=file_path) for file_path in paths])
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    with open(key_file, "w") as file:
        file.write(session.session_key)


if __name__ == "__main__":
    with open(sys.argv[2]) as lines:
        make(sys.argv[1], lines.read().split())
else:
    from django.core.wsgi import get_wsgi_application

    application = get_wsgi_application()
