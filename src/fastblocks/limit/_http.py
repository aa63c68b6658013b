"""What the middlewares for ASGI and WSGI have in common: which limiter, which key, which answer."""

from __future__ import annotations

import functools
import inspect
import ipaddress
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from fastblocks._core import check, limits
from fastblocks._core.rates import Decision, Rule

__all__ = [
    "Answer",
    "Charge",
    "ClientIP",
    "Headers",
    "Limits",
    "RouteLimit",
]

Raw = TypeVar("Raw")  # an ASGI scope or a WSGI environ
Path: TypeAlias = str | re.Pattern[str]
Headers: TypeAlias = list[tuple[str, str]]
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

PROBLEM = "https://iana.org/assignments/http-problem-types#quota-exceeded"
UNKNOWN = "unknown"  # the key of clients without an address
LONGEST_ADDRESS = 64  # characters that are worth remembering; ports and brackets come with it


class Answer(NamedTuple):
    """What a client gets that is denied."""

    status: int
    headers: Headers
    body: bytes


# ---- which requests ------------------------------------------------------------------------------


def path_pattern(name: str, path: Any) -> re.Pattern[str]:
    """Return the regular expression of a path: ``*`` is any text without a slash, ``**`` any."""
    if isinstance(path, re.Pattern) and isinstance(path.pattern, str):
        return path
    if not isinstance(path, str):
        raise TypeError(f"{name} must be a str or a compiled pattern, not {type(path).__name__}")
    if not path.startswith(("/", "*")):
        raise ValueError(f"{name} must begin with '/' or '*', not {path!r}")
    wild = {"*": "[^/]*", "**": ".*"}
    parts = re.split(r"(\*\*|\*)", path)
    return re.compile("".join(wild.get(part) or re.escape(part) for part in parts), re.DOTALL)


def callback(name: str, value: Any) -> Any:
    if not callable(value):
        raise TypeError(f"{name} must be a function, not {type(value).__name__}")
    return value


def function(name: str, value: Any) -> Any:
    """Return `value` if it can be called for an answer: a coroutine is none, and it is true."""
    callback(name, value)
    if any(map(inspect.iscoroutinefunction, (value, getattr(value, "__call__", None)))):  # noqa: B004
        raise TypeError(f"{name} must be a function that is not async, not {value!r}")
    return value


def items(name: str, value: Any, kind: str) -> list[Any]:
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        raise TypeError(f"{name} must be {kind}, not {type(value).__name__}")
    return list(value)


def policy_name(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, not {type(name).__name__}")
    if not (name and name.isascii() and name.isprintable()):
        raise ValueError(f"name must be printable ASCII, not {name!r}")
    return str.__str__(name)


class RouteLimit:
    """RouteLimit(path, limiter, *, methods=None, key=None, cost=1, name="default")

    The limit of some paths and methods.

    Parameters
    ----------
    path : str or re.Pattern
        The whole path, in which ``*`` stands for any text without a slash and ``**`` for any text;
        or a compiled regular expression, which has to match the whole path.
    limiter : limiter
        What decides. Routes that have one limiter in common share its quotas.
    methods : iterable of str, optional
        Of requests, in any case; GET stands for HEAD and for WebSockets too. None for all.
    key : callable, optional
        Who is limited: a function of the ASGI scope or the WSGI environ that returns a key. None
        for that of the middleware.
    cost : int or callable, default 1
        Of one request, or a function as above that returns it.
    name : str, default "default"
        Of the policy in the fields ``RateLimit-Policy`` and ``RateLimit``. With several rates they
        are ``name-1``, ``name-2`` and so on.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If one is out of range.
    """

    __slots__ = (
        "_matches",
        "_names",
        "_policies",
        "_rules",
        "cost",
        "key",
        "limiter",
        "methods",
        "name",
        "path",
    )

    def __init__(
        self,
        path: Path,
        limiter: Any,
        *,
        methods: Iterable[str] | None = None,
        key: Callable[[Any], Any] | None = None,
        cost: int | Callable[[Any], int] = 1,
        name: str = "default",
    ) -> None:
        self._matches = path_pattern("path", path).fullmatch
        if isinstance(limiter, type):
            raise TypeError(f"limiter must be an object, not the class {limiter.__name__}")
        if not callable(getattr(limiter, "hit", None)):
            raise TypeError(f"limiter must have a method hit, unlike {type(limiter).__name__}")
        given = None if methods is None else str_list("methods", methods)
        self.methods = None if given is None else {method.upper() for method in given}
        if self.methods and "GET" in self.methods:
            self.methods.add("HEAD")
        self.path = path
        self.limiter = limiter
        self.key = None if key is None else function("key", key)
        self.cost = function("cost", cost) if callable(cost) else limits.cost_of(cost)
        self.name = policy_name(name)
        self._rules: Sequence[Rule] = getattr(limiter, "rules", ())
        several = range(1, len(self._rules) + 1) if len(self._rules) > 1 else ()
        self._names = [f"{name}-{i}" for i in several] or [name]
        pairs = zip(self._names, self._rules, strict=False)  # a name, and no rule, if none is told
        items = [f"{quoted(name)};q={rule.limit};w={window(rule)}" for name, rule in pairs]
        self._policies: Headers = [("RateLimit-Policy", ", ".join(items))] if items else []

    def __repr__(self) -> str:
        return f"RouteLimit({self.path!r}, {self.limiter!r}, name={self.name!r})"

    def covers(self, path: str, method: str) -> bool:
        """Tell whether a request is one of these.

        Parameters
        ----------
        path, method : str
            Of the request.

        Returns
        -------
        bool
        """
        known = self.methods is None or method.upper() in self.methods  # frameworks take any case
        return known and bool(self._matches(path))

    def _violated(self, decision: Decision) -> str:
        """Of which policy a decision tells: of several with its limit, the longest is tightest."""
        periods = [rule.period_ns * (rule.limit == decision.limit) for rule in self._rules]
        return self._names[periods.index(max(periods)) if periods else 0]

    def fields(self, decision: Decision) -> Headers:
        """The fields of a response that tell the policies and what is left."""
        result = self._policies.copy()
        left = f"{quoted(self._violated(decision))};r={decision.remaining}"
        if decision.allowed:
            result.append(("RateLimit", f"{left};t={math.ceil(decision.reset_after)}"))
        elif decision.retry_after == math.inf:
            result.append(("RateLimit", left))
        else:
            wait = whole_seconds(decision.retry_after)
            result += [("RateLimit", f"{left};t={wait}"), ("Retry-After", str(wait))]
        return result

    def answer(self, decision: Decision) -> Answer:
        """What a client gets that is denied: a problem in JSON."""
        problem: dict[str, Any] = {
            "type": PROBLEM,
            "title": "Too many requests",
            "status": 429,
            "violated-policies": [self._violated(decision)],
        }
        if decision.retry_after < math.inf:
            problem["detail"] = f"Try again in {whole_seconds(decision.retry_after)} s."
        headers = [("Content-Type", "application/problem+json"), ("Cache-Control", "no-store")]
        return Answer(429, headers, json.dumps(problem).encode())


class Charge(NamedTuple):
    """What a request is charged: who pays how much, and to which limit."""

    route: RouteLimit
    key: Any
    cost: int


class Limits(Generic[Raw]):
    """Which requests are limited, and what is answered if they are denied."""

    def __init__(
        self,
        limiter: Any,
        key: Callable[[Raw], Any],
        rules: Iterable[RouteLimit],
        exempt: Any,
        cost: int | Callable[[Raw], int],
        name: str,
        on_limited: Callable[[Raw, Decision], Any] | None,
    ) -> None:
        self._routes = items("rules", rules, "an iterable of RouteLimit objects")
        for route in self._routes:
            if not isinstance(route, RouteLimit):
                raise TypeError(f"rules must be RouteLimit objects, not {type(route).__name__}")
        if limiter is not None:
            self._routes.append(RouteLimit("**", limiter, cost=cost, name=name))
        elif not self._routes:
            raise ValueError("limiter must not be None without rules")
        self._key = function("key", key)
        self.on_limited = None if on_limited is None else callback("on_limited", on_limited)
        single = callable(exempt) or isinstance(exempt, (str, re.Pattern))
        kinds = "a path, a function or an iterable of these"
        given = [exempt] if single else items("exempt", exempt, kinds)
        self._exempt = [function("exempt", item) for item in given if callable(item)]
        self._exempt_paths = [path_pattern("exempt", item) for item in given if not callable(item)]

    def __repr__(self) -> str:
        return repr(self._routes)

    def charge(self, raw: Raw, path: str, method: str) -> Charge | None:
        """What a request is charged; None if it is not limited."""
        if any(pattern.fullmatch(path) for pattern in self._exempt_paths):
            return None
        if any(test(raw) for test in self._exempt):
            return None
        for route in self._routes:
            if route.covers(path, method):
                cost = route.cost(raw) if callable(route.cost) else route.cost
                key = (route.key or self._key)(raw)
                if key is None:
                    raise TypeError("key must return str, bytes or int, not NoneType; see exempt")
                return Charge(route, key, cost)
        return None

    def answer(self, route: RouteLimit, decision: Decision, given: Any, method: str) -> Answer:
        """The answer to a request that is denied: the given one, or the usual, and the fields."""
        status, headers, data = route.answer(decision) if given is None else checked(given)
        names = {name.lower() for name, _ in headers}
        more = [*route.fields(decision), ("Content-Length", str(len(data)))]
        headers = [*headers, *(pair for pair in more if pair[0].lower() not in names)]
        return Answer(status, headers, b"" if method == "HEAD" else data)


def is_header(pair: Any) -> bool:
    is_pair = isinstance(pair, (tuple, list)) and len(pair) == 2
    return is_pair and all(isinstance(text, str) for text in pair)


def checked(given: Any) -> Answer:
    """What `on_limited` returned, if it is an answer."""
    if not (isinstance(given, (tuple, list)) and len(given) == 3):
        raise TypeError(f"on_limited must return (status, headers, body), not {given!r}")
    status, headers, body = given
    if not isinstance(status, int):
        raise TypeError(f"on_limited must return an int as status, not {status!r}")
    pairs = list(headers) if hasattr(headers, "__iter__") else [headers]
    if not all(map(is_header, pairs)):
        raise TypeError(f"on_limited must return pairs of str as headers, not {headers!r}")
    if not isinstance(body, (str, bytes, bytearray, memoryview)):
        raise TypeError(f"on_limited must return str or bytes as body, not {body!r}")
    return Answer(status, pairs, body.encode() if isinstance(body, str) else bytes(body))


# ---- who -----------------------------------------------------------------------------------------


def str_list(name: str, texts: Iterable[str]) -> list[str]:
    """Return an iterable of str, checked, as a list."""
    if isinstance(texts, (str, bytes)) or not hasattr(texts, "__iter__"):
        raise TypeError(f"{name} must be an iterable of str, not {texts!r}")
    result = list(texts)
    for text in result:
        if not isinstance(text, str):
            raise TypeError(f"{name} must be an iterable of str, not of {type(text).__name__}")
    return result


def networks_of(name: str, networks: Iterable[str]) -> list[Network]:
    """Return addresses and networks, checked."""
    try:
        return [ipaddress.ip_network(text) for text in str_list(name, networks)]
    except ValueError as error:
        raise ValueError(f"{name} must be addresses or networks: {error}") from None


def is_within(address: Address | None, networks: Sequence[Network]) -> bool:
    return address is not None and any(address in network for network in networks)


def address_of(text: str) -> Address | None:
    """The address in an element of X-Forwarded-For, which may have a port; None if it is none."""
    text = text.strip().strip('"')
    return parsed(text) if len(text) <= LONGEST_ADDRESS else parsed.__wrapped__(text)


@functools.lru_cache(maxsize=4096)  # clients come again, and ipaddress takes microseconds
def parsed(text: str) -> Address | None:
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


class ClientIP(Generic[Raw]):
    """Who a client is by its address: a function of an ASGI scope or a WSGI environ.

    X-Forwarded-For is read from the right, and only as far as it was written by proxies that are
    trusted: what stands to the left of that the client may have made up.
    """

    def __init__(
        self,
        read: Callable[[Raw], tuple[str, str]],
        trusted_proxies: Iterable[str],
        hops: int,
        ipv6_prefix: int,
    ) -> None:
        self._read = read  # the peer and what was forwarded
        texts = str_list("trusted_proxies", trusted_proxies)
        self._unix = "unix" in texts
        self._trusted = networks_of("trusted_proxies", [text for text in texts if text != "unix"])
        self._hops = check.integer("hops", hops, 0, 100)
        if texts and hops:
            raise ValueError(f"hops must be 0 with trusted_proxies, not {hops}")
        self._ipv6_prefix = check.integer("ipv6_prefix", ipv6_prefix, 1, 128)

    def __call__(self, raw: Raw) -> str:
        """The key of a client: its address; of IPv6, where a client has many, its network."""
        address = self.address(raw)
        if address is None:
            return UNKNOWN
        if address.version == 6 and self._ipv6_prefix < 128:
            return str(ipaddress.ip_network((address, self._ipv6_prefix), strict=False))
        return str(address)

    def within(self, *networks: str) -> Callable[[Raw], bool]:
        """A function that tells whether the client's address is in one of these networks.

        Parameters
        ----------
        *networks : str
            Addresses or networks: ``"192.0.2.7"``, ``"10.0.0.0/8"``.

        Returns
        -------
        callable
            For the argument ``exempt`` of a middleware.
        """
        checked = networks_of("networks", networks)
        return lambda raw: is_within(self.address(raw), checked)

    def address(self, raw: Raw) -> Address | None:
        """The address of a client; None if the server does not know it."""
        peer, forwarded = self._read(raw)
        client = address_of(peer)
        seen = [text for text in forwarded.split(",") if text.strip()]
        if self._hops:
            first = seen[-self._hops :][:1]
            return (address_of(first[0]) if first else None) or client
        while seen and self._trusts(client):
            before = address_of(seen.pop())
            if before is None:  # written by no proxy
                break
            client = before
        return client

    def _trusts(self, address: Address | None) -> bool:
        return self._unix if address is None else is_within(address, self._trusted)


# ---- fields of draft-ietf-httpapi-ratelimit-headers-11 -------------------------------------------


def quoted(text: str) -> str:
    """A string as a structured field (RFC 9651)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def whole_seconds(seconds: float) -> int:
    """Seconds rounded up; at least 1."""
    return max(math.ceil(seconds), 1)


def window(rule: Rule) -> int:
    """The seconds in which the quota of a rule can be used once, rounded up."""
    return -(-rule.limit * rule.period_ns // (rule.count * 10**9))
