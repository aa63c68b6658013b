"""What both middlewares share: routes, fields, client addresses."""

import doctest
import json
import math
import re

import pytest

from fastblocks._core.rates import Decision
from fastblocks.limit import asgi, wsgi
from fastblocks.limit._http import Limits, RouteLimit
from fastblocks.pure.limit import FixedWindow, LeakyBucket, TokenBucket

KEY = r"[a-z*][a-z0-9_\-.*]*"
STRING = r'"(?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"'
INTEGER = r"-?[0-9]{1,15}"
ITEM = rf"({STRING})((?:; *{KEY}={INTEGER})*)"


def parse(field):
    """A structured field (RFC 9651) that is a list of strings with integers as parameters."""
    result = []
    at = 0
    while True:
        match = re.compile(ITEM).match(field, at)
        assert match, field[at:]
        name = re.sub(r"\\(.)", r"\1", match[1][1:-1])
        pairs = re.findall(rf"; *({KEY})=({INTEGER})", match[2])
        result.append((name, {key: int(value) for key, value in pairs}))
        at = match.end()
        if at == len(field):
            return result
        comma = re.compile(r"[ \t]*,[ \t]*").match(field, at)
        assert comma
        at = comma.end()


def fields(limiter, decision, **kwargs):
    return dict(RouteLimit("/", limiter, **kwargs).fields(decision))


# ---- fields --------------------------------------------------------------------------------------


def test_fields_of_a_response_that_is_allowed():
    limiter = FixedWindow("100/minute")
    assert fields(limiter, Decision(True, 100, 50, 0.0, 29.2)) == {
        "RateLimit-Policy": '"default";q=100;w=60',
        "RateLimit": '"default";r=50;t=30',
    }


def test_fields_of_a_response_that_is_denied():
    limiter = FixedWindow("100/minute")
    assert fields(limiter, Decision(False, 100, 0, 0.001, 29.2)) == {
        "RateLimit-Policy": '"default";q=100;w=60',
        "RateLimit": '"default";r=0;t=1',
        "Retry-After": "1",
    }


@pytest.mark.parametrize(
    ("wait", "told"), [(1e-9, 1), (0.999, 1), (1.0, 1), (1.000000001, 2), (59.5, 60)]
)
def test_waits_are_rounded_up(wait, told):
    found = fields(FixedWindow("1/minute"), Decision(False, 1, 0, wait, 60.0))
    assert found["Retry-After"] == str(told)
    assert parse(found["RateLimit"]) == [("default", {"r": 0, "t": told})]


def test_what_can_never_pass_has_no_time_to_retry():
    found = fields(FixedWindow("5/minute"), Decision(False, 5, 3, math.inf, 60.0))
    assert "Retry-After" not in found
    assert parse(found["RateLimit"]) == [("default", {"r": 3})]


@pytest.mark.parametrize(
    ("limiter", "policy"),
    [
        (FixedWindow("7/2second"), {"q": 7, "w": 2}),
        (FixedWindow("1000/day"), {"q": 1000, "w": 86400}),
        (LeakyBucket("60/minute", burst=10), {"q": 10, "w": 10}),
        (LeakyBucket("3/7second"), {"q": 3, "w": 7}),
        (TokenBucket(10, burst=25), {"q": 25, "w": 3}),  # rounded up
        (TokenBucket(1000, burst=5), {"q": 5, "w": 1}),
    ],
)
def test_policies(limiter, policy):
    found = fields(limiter, limiter.hit("a"))
    assert parse(found["RateLimit-Policy"]) == [("default", policy)]


def test_several_rates_are_several_policies_and_the_tightest_is_told():
    limiter = FixedWindow("10/second;12/hour", timer=lambda: 0.5)
    route = RouteLimit("/", limiter, name="api")
    found = dict(route.fields(limiter.hit("a")))
    assert parse(found["RateLimit-Policy"]) == [
        ("api-1", {"q": 10, "w": 1}),
        ("api-2", {"q": 12, "w": 3600}),
    ]
    assert parse(found["RateLimit"]) == [("api-1", {"r": 9, "t": 3600})]
    told = dict(route.fields(Decision(True, 12, 1, 0.0, 99.0)))["RateLimit"]
    assert parse(told) == [("api-2", {"r": 1, "t": 99})]
    denied = Decision(False, 12, 0, 99.0, 99.0)
    assert json.loads(route.answer(denied).body)["violated-policies"] == ["api-2"]


def test_of_rates_with_one_limit_the_longest_is_the_tightest():
    found = fields(FixedWindow("5/second;5/hour"), Decision(True, 5, 1, 0.0, 9.0))
    assert parse(found["RateLimit"])[0][0] == "default-2"


@pytest.mark.parametrize("name", ['say "hi"', "back\\slash", "a;b=1, c", "~ "])
def test_names_are_quoted(name):
    found = fields(FixedWindow("5/second"), Decision(True, 5, 1, 0.0, 9.0), name=name)
    assert parse(found["RateLimit"]) == [(name, {"r": 1, "t": 9})]
    assert parse(found["RateLimit-Policy"]) == [(name, {"q": 5, "w": 1})]


class Bare:
    """A limiter that tells no rules."""

    def hit(self, key, cost):
        return Decision(True, 5, 4, 0.0, 1.0)


def test_a_limiter_that_tells_no_rules_has_no_policy():
    assert fields(Bare(), Bare().hit("a", 1)) == {"RateLimit": '"default";r=4;t=1'}


def test_the_problem():
    answer = RouteLimit("/", FixedWindow("5/second")).answer(Decision(False, 5, 0, 1.5, 2.0))
    assert answer.status == 429
    assert dict(answer.headers)["Content-Type"] == "application/problem+json"
    assert json.loads(answer.body) == {
        "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "title": "Too many requests",
        "status": 429,
        "detail": "Try again in 2 s.",
        "violated-policies": ["default"],
    }


# ---- routes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "yes", "no"),
    [
        ("/api", ["/api"], ["/api/", "/api/x", "/apis", "/", "/v1/api", "/API"]),
        ("/api/*", ["/api/", "/api/x"], ["/api", "/api/x/y", "/api/x/"]),
        ("/api/**", ["/api/", "/api/x", "/api/x/y"], ["/api", "/apis/x"]),
        ("/*/items/*", ["/a/items/7"], ["/a/b/items/7", "/a/items"]),
        ("/a.b+c", ["/a.b+c"], ["/axb+c", "/a.bbc"]),
        ("**", ["/", "/x/y", "/line\nbreak", ""], []),
        ("**.png", ["/a/b.png"], ["/a/b.png/"]),
        (re.compile(r"/users/\d+"), ["/users/12"], ["/users/12/x", "/users/x", "x/users/1"]),
    ],
)
def test_paths(path, yes, no):
    route = RouteLimit(path, Bare())
    assert [text for text in yes if not route.covers(text, "GET")] == []
    assert [text for text in no if route.covers(text, "GET")] == []


def test_methods():
    route = RouteLimit("/", Bare(), methods=["get", "Post"])
    assert [method for method in ("GET", "HEAD", "POST", "PUT") if route.covers("/", method)] == [
        "GET",
        "HEAD",
        "POST",
    ]
    assert RouteLimit("/", Bare(), methods=["POST"]).covers("/", "post")  # as Flask and Django do
    assert not RouteLimit("/", Bare(), methods=["POST"]).covers("/", "HEAD")
    assert not RouteLimit("/", Bare(), methods=[]).covers("/", "GET")
    assert "RouteLimit('/', " in repr(route)


async def later(raw):
    return False


class Later:
    async def __call__(self, raw):
        return False


@pytest.mark.parametrize(
    ("args", "kwargs", "error", "match"),
    [
        (("api", Bare()), {}, ValueError, "path must begin with '/' or '\\*', not 'api'"),
        (("", Bare()), {}, ValueError, "path must begin"),
        ((7, Bare()), {}, TypeError, "path must be a str or a compiled pattern, not int"),
        ((re.compile(b"/"), Bare()), {}, TypeError, "path must be a str or a compiled pattern"),
        (("/", None), {}, TypeError, "limiter must have a method hit, unlike NoneType"),
        (("/", Bare), {}, TypeError, "limiter must be an object, not the class Bare"),
        (("/", Bare()), {"methods": 5}, TypeError, "methods must be an iterable of str, not 5"),
        (("/", Bare()), {"key": later}, TypeError, "key must be a function that is not async"),
        (("/", Bare()), {"cost": later}, TypeError, "cost must be a function that is not async"),
        (("/", Bare()), {"methods": "GET"}, TypeError, "methods must be an iterable of str"),
        (("/", Bare()), {"methods": [1]}, TypeError, "methods must be an iterable of str, not of"),
        (("/", Bare()), {"key": "ip"}, TypeError, "key must be a function, not str"),
        (("/", Bare()), {"cost": 0}, ValueError, "cost must be in"),
        (("/", Bare()), {"cost": "1"}, TypeError, "cost must be an int"),
        (("/", Bare()), {"name": ""}, ValueError, "name must be printable ASCII, not ''"),
        (("/", Bare()), {"name": "ü"}, ValueError, "name must be printable ASCII"),
        (("/", Bare()), {"name": "a\r\nb"}, ValueError, "name must be printable ASCII"),
        (("/", Bare()), {"name": 7}, TypeError, "name must be a str, not int"),
    ],
)
def test_bad_routes(args, kwargs, error, match):
    with pytest.raises(error, match=match):
        RouteLimit(*args, **kwargs)


@pytest.mark.parametrize("module", [asgi, wsgi])
@pytest.mark.parametrize(
    ("kwargs", "error", "match"),
    [
        ({}, ValueError, "limiter must not be None without rules"),
        ({"limiter": 7}, TypeError, "limiter must have a method hit"),
        ({"limiter": Bare(), "key": None}, TypeError, "key must be a function, not NoneType"),
        ({"limiter": Bare(), "on_limited": 429}, TypeError, "on_limited must be a function"),
        ({"limiter": Bare(), "exempt": "health"}, ValueError, "exempt must begin with '/'"),
        ({"limiter": Bare(), "exempt": [7]}, TypeError, "exempt must be a str or a compiled"),
        ({"limiter": Bare(), "cost": -1}, ValueError, "cost must be in"),
        ({"limiter": Bare(), "name": ""}, ValueError, "name must be printable ASCII"),
        ({"limiter": Bare(), "exempt": 7}, TypeError, "exempt must be a path, a function or"),
        ({"limiter": Bare(), "exempt": later}, TypeError, "exempt must be .* that is not async"),
        ({"limiter": Bare(), "exempt": Later()}, TypeError, "exempt must be .* that is not async"),
        ({"limiter": Bare(), "key": later}, TypeError, "key must be .* that is not async"),
        ({"rules": ["/"]}, TypeError, "rules must be RouteLimit objects, not str"),
        ({"rules": None}, TypeError, "rules must be an iterable of RouteLimit objects, not None"),
    ],
)
def test_bad_middlewares(module, kwargs, error, match):
    with pytest.raises(error, match=match):
        module.RateLimitMiddleware(lambda *args: None, **kwargs)


@pytest.mark.parametrize("module", [asgi, wsgi])
def test_a_middleware_tells_what_it_is(module):
    with pytest.raises(TypeError, match="app must be a function, not NoneType"):
        module.RateLimitMiddleware(None, Bare())
    made = module.RateLimitMiddleware(len, FixedWindow("5/s"), rules=[RouteLimit("/x", Bare())])
    assert repr(made).startswith("RateLimitMiddleware(<built-in function len>, rules=[RouteLimit")


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ("no", r"return \(status, headers, body\), not 'no'"),
        ((429, []), r"return \(status, headers, body\)"),
        (("429", [], b""), "return an int as status, not '429'"),
        ((429, [("a", 1)], b""), "return pairs of str as headers"),
        ((429, [("a",)], b""), "return pairs of str as headers"),
        ((429, {"ab": "c"}, b""), "return pairs of str as headers"),
        ((429, None, b""), "return pairs of str as headers, not None"),
        ((429, [], None), "return str or bytes as body, not None"),
        ((429, [], 5), "return str or bytes as body, not 5"),
    ],
)
def test_answers_that_are_none(given, match):
    denied = Decision(False, 5, 0, 1.5, 2.0)
    with pytest.raises(TypeError, match=f"on_limited must {match}"):
        limits(Bare()).answer(RouteLimit("/", Bare()), denied, given, "GET")


def limits(limiter=None, rules=(), exempt=(), cost=1, key=lambda raw: raw["who"]):
    return Limits(limiter, key, rules, exempt, cost, "default", None)


def test_the_first_rule_that_covers_a_request_counts():
    api, rest = Bare(), Bare()
    first = RouteLimit("/api/*", api, methods=["POST"], cost=5, key=lambda raw: raw["token"])
    second = RouteLimit("/api/**", api, cost=lambda raw: raw["weight"])
    found = limits(rest, [first, second], cost=2)
    raw = {"who": "w", "token": "t", "weight": 3}
    assert found.charge(raw, "/api/x", "POST") == (first, "t", 5)
    assert found.charge(raw, "/api/x", "GET") == (second, "w", 3)
    route, key, cost = found.charge(raw, "/", "GET")
    assert (route.limiter, key, cost) == (rest, "w", 2)
    assert limits(None, [first]).charge(raw, "/", "GET") is None


def test_exemptions():
    for exempt in ("/health", ["/health"], [re.compile("/h.*"), "/other"], iter(["/health"])):
        found = limits(Bare(), exempt=exempt)
        assert found.charge({"who": "w"}, "/health", "GET") is None
        assert found.charge({"who": "w"}, "/x", "GET") is not None
    for exempt in (lambda raw: raw["who"] == "admin", ["/x", lambda raw: raw["who"] == "admin"]):
        found = limits(Bare(), exempt=exempt)
        assert found.charge({"who": "admin"}, "/", "GET") is None
        assert found.charge({"who": "w"}, "/", "GET") is not None


# ---- addresses -----------------------------------------------------------------------------------


def asgi_request(peer, forwarded):
    headers = [(b"x-forwarded-for", text.encode("latin-1")) for text in forwarded]
    return {"client": None if peer is None else (peer, 1234), "headers": headers}


def wsgi_request(peer, forwarded):
    environ = {"HTTP_X_FORWARDED_FOR": ",".join(forwarded)} if forwarded else {}
    return environ if peer is None else {**environ, "REMOTE_ADDR": peer}


@pytest.fixture(params=[(asgi.client_ip, asgi_request), (wsgi.client_ip, wsgi_request)])
def client(request):
    """client(peer, *forwarded, **arguments of client_ip) -> key"""
    make, raw = request.param
    return lambda peer, *forwarded, **kwargs: make(**kwargs)(raw(peer, forwarded))


def test_without_proxies_nothing_is_believed(client):
    assert client("192.0.2.1") == "192.0.2.1"
    assert client("192.0.2.1", "1.1.1.1") == "192.0.2.1"
    assert client(None) == "unknown"
    assert client(None, "1.1.1.1") == "unknown"
    assert client("") == client("testclient") == "unknown"


TRUSTED = {"trusted_proxies": ["10.0.0.0/8", "2001:db8:ffff::1"]}


@pytest.mark.parametrize(
    ("peer", "forwarded", "told"),
    [
        ("10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["6.6.6.6, 192.0.2.1"], "192.0.2.1"),  # made up by the client
        ("10.0.0.1", ["6.6.6.6, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
        ("10.0.0.1", ["6.6.6.6", "192.0.2.1", "10.0.0.2"], "192.0.2.1"),
        ("10.0.0.1", ["10.9.9.9, 192.0.2.1"], "192.0.2.1"),
        ("192.0.2.9", ["10.0.0.1, 6.6.6.6"], "192.0.2.9"),  # no proxy of ours
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),  # a client of our own network
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["192.0.2.1, junk"], "10.0.0.1"),
        ("10.0.0.1", ["192.0.2.1, , "], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.1:5678"], "192.0.2.1"),
        ("10.0.0.1", ["[2001:db8:1:2:3::4]:443"], "2001:db8:1:2::/64"),
        ("10.0.0.1", ["2001:db8:1:2:3::4"], "2001:db8:1:2::/64"),
        ("10.0.0.1", ['"[2001:db8:1:2:3::4]"'], "2001:db8:1:2::/64"),
        ("10.0.0.1", ["::ffff:192.0.2.1"], "192.0.2.1"),
        ("::ffff:10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        ("2001:db8:ffff::1", ["192.0.2.1"], "192.0.2.1"),
        ("fe80::1%eth0", ["192.0.2.1"], "fe80::/64"),
        ("fe80::1%" + "e" * 100, ["192.0.2.1"], "fe80::/64"),
        ("10.0.0.1", ["192.0.2.1:" + "9" * 100], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.1, 6.6.6.6:" + "9" * 100 + ":9"], "10.0.0.1"),
        (None, ["192.0.2.1"], "unknown"),
    ],
)
def test_trusted_proxies(client, peer, forwarded, told):
    assert client(peer, *forwarded, **TRUSTED) == told


def test_a_proxy_on_a_socket(client):
    trusted = ["unix", "10.0.0.0/8"]
    assert client(None, "6.6.6.6, 192.0.2.1, 10.0.0.1", trusted_proxies=trusted) == "192.0.2.1"
    assert client("", "192.0.2.1", trusted_proxies=["unix"]) == "192.0.2.1"


@pytest.mark.parametrize(
    ("hops", "forwarded", "told"),
    [
        (1, ["6.6.6.6, 192.0.2.1"], "192.0.2.1"),
        (2, ["6.6.6.6, 192.0.2.1, 10.0.0.1"], "192.0.2.1"),
        (2, ["192.0.2.1"], "192.0.2.1"),
        (1, [], "10.0.0.1"),
        (1, ["192.0.2.1, junk"], "10.0.0.1"),
    ],
)
def test_hops(client, hops, forwarded, told):
    assert client("10.0.0.1", *forwarded, hops=hops) == told


def test_ipv6_prefix(client):
    assert client("2001:db8:1:2:3::4", ipv6_prefix=48) == "2001:db8:1::/48"
    assert client("2001:db8:1:2:3::4", ipv6_prefix=128) == "2001:db8:1:2:3::4"


def test_within():
    inside = wsgi.client_ip(["10.0.0.0/8"]).within("192.0.2.0/24", "2001:db8::/32")
    assert inside(wsgi_request("192.0.2.200", []))
    assert inside(wsgi_request("10.0.0.1", ["2001:db8::7"]))
    assert not inside(wsgi_request("192.0.3.1", ["192.0.2.1"]))
    assert not inside(wsgi_request(None, []))


@pytest.mark.parametrize(
    ("kwargs", "error", "match"),
    [
        ({"trusted_proxies": "10.0.0.0/8"}, TypeError, "trusted_proxies must be an iterable of"),
        ({"trusted_proxies": [10]}, TypeError, "trusted_proxies must be an iterable of str"),
        ({"trusted_proxies": ["x"]}, ValueError, "trusted_proxies must be addresses or networks"),
        ({"trusted_proxies": ["10.0.0.1/8"]}, ValueError, "trusted_proxies must be .* host bits"),
        ({"trusted_proxies": ["unix"], "hops": 1}, ValueError, "hops must be 0 with"),
        ({"hops": -1}, ValueError, "hops must be in"),
        ({"hops": 1.0}, TypeError, "hops must be an int"),
        ({"ipv6_prefix": 0}, ValueError, "ipv6_prefix must be in"),
    ],
)
@pytest.mark.parametrize("module", [asgi, wsgi])
def test_bad_client_ip(module, kwargs, error, match):
    with pytest.raises(error, match=match):
        module.client_ip(**kwargs)


def test_bad_networks():
    with pytest.raises(ValueError, match="networks must be addresses or networks"):
        asgi.client_ip().within("intranet")


@pytest.mark.parametrize("module", [asgi, wsgi])
def test_examples_in_docstrings(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
