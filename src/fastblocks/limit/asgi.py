"""Rate limiting for ASGI applications: FastAPI, Starlette, Django and others."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias

from fastblocks._core.rates import Decision

from ._http import Answer, ClientIP, Headers, Limits, RouteLimit, callback

__all__ = ["RateLimitMiddleware", "RouteLimit", "client_ip"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

STARTS = {"http.response.start", "websocket.accept", "websocket.http.response.start"}
POLICY_VIOLATION = 1008


def _peer_and_forwarded(scope: Scope) -> tuple[str, str]:
    values = [value for name, value in scope["headers"] if name.lower() == b"x-forwarded-for"]
    return (scope.get("client") or ("",))[0], b",".join(values).decode("latin-1")


def client_ip(
    trusted_proxies: Iterable[str] = (), *, hops: int = 0, ipv6_prefix: int = 64
) -> ClientIP[Scope]:
    """Return a key function: the client's address.

    Parameters
    ----------
    trusted_proxies : iterable of str, default ()
        The addresses and networks of your proxies; ``"unix"`` for one that comes by a socket
        without addresses. What they add to X-Forwarded-For is believed, and nothing else. Without
        proxies the client is the peer of the connection.
    hops : int, default 0
        Instead of that, how many proxies each request passes, if nobody can reach the application
        around them.
    ipv6_prefix : int, default 64
        IPv6 clients of one network of this size are one client.

    Returns
    -------
    callable
        A function of the scope. Its method ``within(*networks)`` returns one that tells whether
        the client is in one of these networks, for `exempt`.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If it is out of range, or no address or network.
    """
    return ClientIP(_peer_and_forwarded, trusted_proxies, hops, ipv6_prefix)


class RateLimitMiddleware:
    """RateLimitMiddleware(app, limiter=None, *, key=client_ip(), rules=(), exempt=(), cost=1, name="default", on_limited=None)

    An ASGI application that lets an application have only so many requests.

    Each request is charged once, to the first rule whose path and method it has; to `limiter` if it
    has those of none. Responses get the fields ``RateLimit-Policy`` and ``RateLimit``. A request
    that is denied gets status 429 with ``Retry-After``, without reaching the application; a
    WebSocket the same, where the server can, and else it is closed before it is accepted, which
    servers turn into status 403. Lifespan and other scopes pass.

    A limiter with a method ``hit_async`` is awaited. What it raises is raised.

    Parameters
    ----------
    app : ASGI application
        What is called with the requests that are allowed.
    limiter : limiter, optional
        Of the requests that no rule covers; None to let these pass.
    key : callable
        Who is limited: a function of the scope that returns a key (str, bytes or int).
    rules : iterable of RouteLimit, default ()
        The limits of paths and methods, the first that covers a request counts.
    exempt : path, function, or an iterable of these
        What is not limited: paths as those of `RouteLimit`, and functions of the scope.
    cost : int or callable, default 1
        Of a request to `limiter`, or a function of the scope that returns it.
    name : str, default "default"
        Of the policy of `limiter`.
    on_limited : callable, optional
        A function of the scope and the `Decision` that returns ``(status, headers, body)``, or an
        awaitable of it: the answer to a request that is denied. Headers are pairs of str, the body
        is str or bytes. The fields and the length are added.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If one is out of range.

    Examples
    --------
    >>> from fastblocks.limit import FixedWindow
    >>> from fastblocks.limit.asgi import RateLimitMiddleware
    >>> async def app(scope, receive, send):
    ...     await send({"type": "http.response.start", "status": 204, "headers": []})
    ...     await send({"type": "http.response.body", "body": b""})
    >>> app = RateLimitMiddleware(app, FixedWindow("100/minute"), exempt="/health")
    """  # noqa: E501  # a signature is one line

    def __init__(
        self,
        app: App,
        limiter: Any = None,
        *,
        key: Callable[[Scope], Any] = client_ip(),  # noqa: B008  # never changes
        rules: Iterable[RouteLimit] = (),
        exempt: str
        | re.Pattern[str]
        | Callable[[Scope], Any]
        | Iterable[str | re.Pattern[str] | Callable[[Scope], Any]] = (),
        cost: int | Callable[[Scope], int] = 1,
        name: str = "default",
        on_limited: Callable[[Scope, Decision], Any] | None = None,
    ) -> None:
        self.app: App = callback("app", app)
        self._limits: Limits[Scope] = Limits(limiter, key, rules, exempt, cost, name, on_limited)

    def __repr__(self) -> str:
        return f"RateLimitMiddleware({self.app!r}, rules={self._limits!r})"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection.

        Parameters
        ----------
        scope, receive, send
            As ASGI has them.
        """
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        method = scope.get("method", "GET")
        charge = self._limits.charge(scope, scope["path"], method)
        if charge is None:
            return await self.app(scope, receive, send)
        limiter = charge.route.limiter
        if hasattr(limiter, "hit_async"):
            decision = await limiter.hit_async(charge.key, charge.cost)
        else:
            decision = limiter.hit(charge.key, charge.cost)
        if not decision.allowed:
            given = self._limits.on_limited and self._limits.on_limited(scope, decision)
            if inspect.isawaitable(given):
                given = await given
            answer = self._limits.answer(charge.route, decision, given, method)
            return await _deny(scope, receive, send, answer)
        extra = _encoded(charge.route.fields(decision))

        async def send_with_fields(message: Message) -> None:
            if message["type"] in STARTS:
                message = {**message, "headers": [*(message.get("headers") or ()), *extra]}
            await send(message)

        return await self.app(scope, receive, send_with_fields)


def _encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


async def _deny(scope: Scope, receive: Receive, send: Send, answer: Answer) -> None:
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        if "websocket.http.response" not in (scope.get("extensions") or ()):
            return await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        kind = "websocket.http.response"
    headers = _encoded(answer.headers)
    await send({"type": f"{kind}.start", "status": answer.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": answer.body})
