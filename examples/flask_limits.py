"""Rate limits for Flask: a few logins for each address, and searches that cost what they ask for.

Run it with ``flask --app examples.flask_limits run``; it needs ``pip install flask``.

Behind several workers (``gunicorn -w 4 examples.flask_limits:app``) each counts alone, unless the
limiters get a storage that they share: ``SlidingWindow("5/minute", storage=SharedMemory(...))``.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from flask import Flask

from fastblocks.limit import SlidingWindow, TokenBucket
from fastblocks.limit.wsgi import RateLimitMiddleware, RouteLimit


def pages(environ: dict[str, Any]) -> int:
    """How much a search costs: the pages it asks for, 1 to 10."""
    asked = parse_qs(environ.get("QUERY_STRING", "")).get("pages", ["1"])[0]
    return min(max(int(asked), 1), 10) if asked.isdecimal() else 1


app = Flask(__name__)
app.wsgi_app = RateLimitMiddleware(  # type: ignore[method-assign]
    app.wsgi_app,
    rules=[
        RouteLimit("/login", SlidingWindow("5/minute"), methods=["POST"], name="login"),
        RouteLimit("/search", TokenBucket(2, burst=10), cost=pages, name="search"),
    ],
)


@app.get("/")
def index() -> str:
    return "not limited"


@app.post("/login")
def login() -> str:
    return "hello"


@app.get("/search")
def search() -> str:
    return "found"
