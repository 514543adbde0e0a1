"""A site behind nginx (nginx.conf beside this folder). Lines that grantfs_files needs are marked "# <-"."""

import os
from pathlib import Path

DATA = Path(os.environ.get("SITE_DATA", "/var/lib/mysite"))  # this application's own, mode 0700

SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = os.environ.get("SITE_HOSTS", "localhost,127.0.0.1").split(",")
DEBUG = False

POSTGRESQL = os.environ.get("SITE_POSTGRESQL")  # the name of a database; PGHOST and so on say where

GRANTFS = {  # <-
    "DATABASE": "default" if POSTGRESQL else os.environ.get("GRANTFS_DB", "/var/lib/grantfs/site/policy.db"),
    "STORE": os.environ.get("GRANTFS_STORE", "/srv/private"),
}

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "grantfs_files",  # <-
    "gallery",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "grantfs_files.middleware.FilesCookieMiddleware",  # <- before SessionMiddleware
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": POSTGRESQL} if POSTGRESQL else
             {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA / "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "APP_DIRS": True,
    "OPTIONS": {"context_processors": ["django.template.context_processors.request",
                                       "django.contrib.auth.context_processors.auth",
                                       "django.contrib.messages.context_processors.messages"]},
}]

ROOT_URLCONF = "mysite.urls"
WSGI_APPLICATION = "mysite.wsgi.application"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "gallery"
LOGOUT_REDIRECT_URL = "login"
USE_TZ = True

# nginx speaks https and says so; it overwrites the header if a client sends one.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-session"
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_NAME = "__Host-csrf"  # no other host of the domain can set it

# A new link is shown by a message: kept by who made it alone, and not, as a session would, in the database.
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"

AUTH_PASSWORD_VALIDATORS = [{"NAME": f"django.contrib.auth.password_validation.{name}"} for name in (
    "UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")]
