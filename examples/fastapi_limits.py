"""Rate limits for FastAPI: by API key, tighter for a dear route, and waiting for another service.

Run it with ``uvicorn examples.fastapi_limits:app``; it needs ``pip install fastapi uvicorn``. Try::

    curl -i -H 'x-api-key: ann' localhost:8000/items/7
    curl -i -H 'x-api-key: ann' -X POST localhost:8000/reports
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from fastblocks.limit import LeakyBucket, SlidingWindow, TokenBucket
from fastblocks.limit.asgi import RateLimitMiddleware, RouteLimit, client_ip

REPORTS = SlidingWindow("3/hour")  # for each key
UPSTREAM = TokenBucket(50, burst=5)  # what another service lets us do in a second

API_KEYS = {"ann", "bob"}  # that were given out
by_address = client_ip()


def by_api_key(scope: Any) -> str:
    """The key that the client sent, or its address: a key that is made up has no quota."""
    for name, value in scope["headers"]:
        if name == b"x-api-key" and value.decode("latin-1") in API_KEYS:
            return f"key:{value.decode('latin-1')}"
    return by_address(scope)


app = FastAPI()
app.add_middleware(
    RateLimitMiddleware,
    limiter=LeakyBucket("100/minute", burst=20),
    key=by_api_key,
    rules=[RouteLimit("/reports", REPORTS, methods=["POST"], name="reports")],
    exempt=["/health", "/docs", "/openapi.json"],
)


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/items/{number}")
async def item(number: int) -> dict[str, int]:
    await UPSTREAM.wait_async("upstream")  # suspends this request, and no other work
    return {"item": number}


@app.post("/reports")
async def report() -> dict[str, str]:
    return {"report": "made"}
