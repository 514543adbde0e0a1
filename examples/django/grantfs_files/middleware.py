"""The cookie that holds the token for files.

It is a cookie of its own, not Django's: if it ever leaks, it opens that user's files and nothing else.
"""

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import UpdateError
from django.http import HttpResponse

from . import conf, owed, policy, sessions


class FilesCookieMiddleware:
    """Stands before SessionMiddleware in MIDDLEWARE, so that it sees the session as it was saved.

    It asks nothing of a request whose view did not look at the session: such pages stay cacheable.
    """

    def __init__(self, get_response):
        self.get_response = get_response
        owed.contact.start()

    def __call__(self, request):
        owed.contact.keep()
        response = self.get_response(request)
        session = getattr(request, "session", None)
        # A failed response has saved no session.
        if session is None or not session.accessed or response.status_code == 500:
            return response
        held = request.COOKIES.get(conf.get("COOKIE"))
        if SESSION_KEY not in session or not session.session_key:
            if held is not None:
                response.delete_cookie(conf.get("COOKIE"), path="/", samesite="Lax")
            return response
        token = sessions.token(session.session_key)
        if held != token and not session.modified and not save(session):
            return response
        if held != token or session.modified:
            set_cookie(response, session, token)
        return response

    def process_exception(self, request, exception):
        """What a view would change of the policy, or read of it, has failed whole. The rest of the site goes on."""
        if not isinstance(exception, policy.PolicyError):
            return None
        owed.contact.failed(exception)
        return HttpResponse("Who may see which file cannot be looked up or changed just now. Nothing was changed; try again later.\n",
                            status=503, content_type="text/plain; charset=utf-8", headers={"Retry-After": "10"})


def save(session):
    """Saving issues the token: for who was logged in before this application came. False if the session has ended."""
    try:
        session.save()
    except UpdateError:
        return False
    return True


def set_cookie(response, session, token):
    age = None if session.get_expire_at_browser_close() else session.get_expiry_age()
    response.set_cookie(conf.get("COOKIE"), token, max_age=age, path="/", secure=conf.cookie_is_secure(), httponly=True,
                        samesite="Lax")
