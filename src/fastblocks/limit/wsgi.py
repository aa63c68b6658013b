"""Rate limiting for WSGI applications: Flask, Django and others."""

from __future__ import annotations

import http
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from fastblocks._core.rates import Decision

from ._http import ClientIP, Limits, RouteLimit, callback

__all__ = ["RateLimitMiddleware", "RouteLimit", "client_ip"]

Environ: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., Any]
App: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]


def _peer_and_forwarded(environ: Environ) -> tuple[str, str]:
    return environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR", "")


def client_ip(
    trusted_proxies: Iterable[str] = (), *, hops: int = 0, ipv6_prefix: int = 64
) -> ClientIP[Environ]:
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
        A function of the environ. Its method ``within(*networks)`` returns one that tells whether
        the client is in one of these networks, for `exempt`.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If it is out of range, or no address or network.
    """
    return ClientIP(_peer_and_forwarded, trusted_proxies, hops, ipv6_prefix)


def _path(environ: Environ) -> str:
    path: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return path.encode("latin-1").decode(errors="replace") or "/"


class RateLimitMiddleware:
    """RateLimitMiddleware(app, limiter=None, *, key=client_ip(), rules=(), exempt=(), cost=1, name="default", on_limited=None)

    A WSGI application that lets an application have only so many requests.

    Each request is charged once, to the first rule whose path and method it has; to `limiter` if it
    has those of none. Responses get the fields ``RateLimit-Policy`` and ``RateLimit``. A request
    that is denied gets status 429 with ``Retry-After``, without reaching the application. What a
    limiter raises is raised.

    Parameters
    ----------
    app : WSGI application
        What is called with the requests that are allowed.
    limiter : limiter, optional
        Of the requests that no rule covers; None to let these pass.
    key : callable
        Who is limited: a function of the environ that returns a key (str, bytes or int).
    rules : iterable of RouteLimit, default ()
        The limits of paths and methods, the first that covers a request counts.
    exempt : path, function, or an iterable of these
        What is not limited: paths as those of `RouteLimit`, and functions of the environ.
    cost : int or callable, default 1
        Of a request to `limiter`, or a function of the environ that returns it.
    name : str, default "default"
        Of the policy of `limiter`.
    on_limited : callable, optional
        A function of the environ and the `Decision` that returns ``(status, headers, body)``: the
        answer to a request that is denied. Headers are pairs of str, the body is str or bytes. The
        fields and the length are added.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If one is out of range.

    Examples
    --------
    >>> from fastblocks.limit import FixedWindow
    >>> from fastblocks.limit.wsgi import RateLimitMiddleware
    >>> def app(environ, start_response):
    ...     start_response("204 No Content", [])
    ...     return []
    >>> app = RateLimitMiddleware(app, FixedWindow("100/minute"), exempt="/health")
    """  # noqa: E501  # a signature is one line

    def __init__(
        self,
        app: App,
        limiter: Any = None,
        *,
        key: Callable[[Environ], Any] = client_ip(),  # noqa: B008  # never changes
        rules: Iterable[RouteLimit] = (),
        exempt: str
        | re.Pattern[str]
        | Callable[[Environ], Any]
        | Iterable[str | re.Pattern[str] | Callable[[Environ], Any]] = (),
        cost: int | Callable[[Environ], int] = 1,
        name: str = "default",
        on_limited: Callable[[Environ, Decision], Any] | None = None,
    ) -> None:
        self.app: App = callback("app", app)
        self._limits: Limits[Environ] = Limits(limiter, key, rules, exempt, cost, name, on_limited)

    def __repr__(self) -> str:
        return f"RateLimitMiddleware({self.app!r}, rules={self._limits!r})"

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request.

        Parameters
        ----------
        environ, start_response
            As PEP 3333 has them.

        Returns
        -------
        iterable of bytes
            The body.
        """
        method = environ["REQUEST_METHOD"]
        charge = self._limits.charge(environ, _path(environ), method)
        if charge is None:
            return self.app(environ, start_response)
        decision = charge.route.limiter.hit(charge.key, charge.cost)
        if not decision.allowed:
            given = self._limits.on_limited and self._limits.on_limited(environ, decision)
            answer = self._limits.answer(charge.route, decision, given, method)
            start_response(_status_line(answer.status), answer.headers)
            return [answer.body]
        fields = charge.route.fields(decision)

        def start_with_fields(status: str, headers: Any, *exc_info: Any) -> Any:
            return start_response(status, [*headers, *fields], *exc_info)

        return self.app(environ, start_with_fields)


def _status_line(status: int) -> str:
    try:
        return f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Limited"
