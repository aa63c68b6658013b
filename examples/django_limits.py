"""Rate limits for Django, in one file: by user or else by address, under WSGI and ASGI.

Run it with ``gunicorn examples.django_limits:application``, or with
``uvicorn examples.django_limits:asgi_application``; it needs ``pip install django`` and the server.
In a project, wrap ``application`` in ``wsgi.py`` or ``asgi.py`` the same way.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.signing import BadSignature, Signer
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, parse_cookie
from django.urls import path

from fastblocks.limit import LeakyBucket, asgi, wsgi

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="only-an-example")

LIMITER = LeakyBucket("300/hour", burst=5)

by_address = wsgi.client_ip(trusted_proxies=["unix"])


def by_user(environ: dict[str, Any]) -> str:
    """The user whom a signed cookie names, so that nobody can make one up, or the address."""
    cookie = parse_cookie(environ.get("HTTP_COOKIE", "")).get("user", "")
    try:
        return f"user:{Signer().unsign(cookie)}"
    except BadSignature:
        return by_address(environ)


def index(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello")


urlpatterns = [path("", index), path("health", index)]

application = wsgi.RateLimitMiddleware(
    get_wsgi_application(), LIMITER, key=by_user, exempt="/health"
)
asgi_application = asgi.RateLimitMiddleware(get_asgi_application(), LIMITER, exempt="/health")
