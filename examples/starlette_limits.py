"""Rate limits for Starlette: pages, a WebSocket, an answer of one's own, few downloads at once.

Run it with ``uvicorn examples.starlette_limits:app``; it needs ``pip install starlette uvicorn``.
"""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from fastblocks.limit import ConcurrencyLimiter, Decision, SlidingWindow, SlidingWindowCounter
from fastblocks.limit.asgi import RateLimitMiddleware, RouteLimit, client_ip

DOWNLOADS = ConcurrencyLimiter(4)


async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse("a page")


async def download(request: Request) -> PlainTextResponse:
    async with DOWNLOADS:  # the fifth waits until one of the four is done
        return PlainTextResponse("much data")


async def chat(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("welcome")
    await socket.close()


def slow_down(scope: Any, decision: Decision) -> tuple[int, list[tuple[str, str]], str]:
    """Told to people in plain words; the fields are added."""
    text = f"Please wait {decision.retry_after:.0f} seconds."
    return 429, [("Content-Type", "text/plain; charset=utf-8")], text


limits = Middleware(
    RateLimitMiddleware,
    limiter=SlidingWindowCounter("5/second;60/minute"),
    key=client_ip(trusted_proxies=["10.0.0.0/8"]),
    rules=[RouteLimit("/chat/*", SlidingWindow("2/minute"), name="chat")],
    on_limited=slow_down,
)
routes = [Route("/", page), Route("/download", download), WebSocketRoute("/chat/{room}", chat)]
app = Starlette(routes=routes, middleware=[limits])
