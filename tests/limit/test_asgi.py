"""The ASGI middleware: by hand, and on a real server."""

import asyncio
import http.client
import json
import socket
import threading
from contextlib import contextmanager

import pytest
import uvicorn

from fastblocks.limit.asgi import RateLimitMiddleware, RouteLimit, client_ip
from tests.limit.asgi_client import call, status_and_headers
from tests.limit.lines import GUARD
from tests.threads import run_together


@pytest.fixture
def limiter(impl):
    return impl.limit.FixedWindow("2/minute", timer=lambda: 30.0)


async def hello(scope, receive, send):
    headers = [(b"x-app", b"1")]
    if scope["type"] == "websocket":
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "hello"})
    elif scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"hello"})
    else:
        await send({"type": f"{scope['type']}.done"})


POLICY = '"default";q=2;w=60'


def test_allowed_and_denied(limiter):
    app = RateLimitMiddleware(hello, limiter)
    sent = call(app)
    assert status_and_headers(sent) == (
        200,
        {"x-app": "1", "ratelimit-policy": POLICY, "ratelimit": '"default";r=1;t=30'},
    )
    assert sent[1]["body"] == b"hello"
    assert call(app)[0]["status"] == 200
    sent = call(app)
    status, headers = status_and_headers(sent)
    assert status == 429
    body = sent[1]["body"]
    assert headers == {
        "content-type": "application/problem+json",
        "cache-control": "no-store",
        "content-length": str(len(body)),
        "ratelimit-policy": POLICY,
        "ratelimit": '"default";r=0;t=30',
        "retry-after": "30",
    }
    assert json.loads(body)["status"] == 429
    assert call(app, peer="192.0.2.2")[0]["status"] == 200


def test_head_gets_no_body(limiter):
    app = RateLimitMiddleware(hello, limiter)
    for _ in range(2):
        call(app)
    sent = call(app, method="HEAD")
    assert sent[0]["status"] == 429
    assert sent[1]["body"] == b""


def test_the_applications_headers_are_not_changed(limiter):
    mine = [(b"x-app", b"1")]

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": mine})

    async def bare(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})

    assert len(call(RateLimitMiddleware(app, limiter))[0]["headers"]) == 3
    assert mine == [(b"x-app", b"1")]
    assert len(call(RateLimitMiddleware(bare, limiter))[0]["headers"]) == 2


def test_rules_exemptions_keys_and_costs(impl, limiter):
    posts = impl.limit.FixedWindow("3/minute", timer=lambda: 30.0)
    app = RateLimitMiddleware(
        hello,
        limiter,
        rules=[RouteLimit("/api/**", posts, methods=["POST"], cost=2, name="posts")],
        exempt=["/health", client_ip().within("10.0.0.0/8")],
        key=lambda scope: scope["user"],
    )
    assert call(app, "/api/x", "POST", user="ann")[0]["status"] == 200
    status, headers = status_and_headers(call(app, "/api/y", "POST", user="ann"))
    assert (status, headers["ratelimit"]) == (429, '"posts";r=1;t=30')
    assert call(app, "/api/y", "POST", user="bob")[0]["status"] == 200
    assert call(app, "/api/y", "GET", user="ann")[0]["status"] == 200
    for _ in range(5):
        assert len(call(app, "/health")[0]["headers"]) == 1
        assert call(app, "/api/x", peer="10.1.2.3")[0]["status"] == 200


def test_without_a_limiter_other_requests_pass(limiter):
    app = RateLimitMiddleware(hello, rules=[RouteLimit("/api", limiter)])
    assert len(call(app, "/")[0]["headers"]) == 1
    assert len(call(app, "/api")[0]["headers"]) == 3


def test_on_limited(limiter):
    async def later(scope, decision):
        return now(scope, decision)

    def now(scope, decision):
        headers = [("content-type", "text/plain"), ("retry-after", "7")]
        return 503, headers, f"{scope['path']}: {decision.limit}"

    for on_limited in (now, later):
        limiter.reset("192.0.2.1")
        limiter.hit("192.0.2.1", 2)
        sent = call(RateLimitMiddleware(hello, limiter, on_limited=on_limited), "/x")
        status, headers = status_and_headers(sent)
        assert (status, sent[1]["body"]) == (503, b"/x: 2")
        assert headers["retry-after"] == "7"
        assert headers["content-length"] == "5"
        assert headers["ratelimit-policy"] == POLICY
        assert [name.lower() for name, _ in sent[0]["headers"]].count(b"retry-after") == 1


def test_lifespan_passes(limiter):
    app = RateLimitMiddleware(hello, limiter)
    for _ in range(3):
        assert call(app, kind="lifespan") == [{"type": "lifespan.done"}]
    assert limiter.stats().allowed == 0


def test_websockets(limiter):
    app = RateLimitMiddleware(hello, limiter, rules=[RouteLimit("/no", limiter, methods=["POST"])])
    for path in ("/", "/no"):
        accept, text = call(app, path, kind="websocket")
        assert accept["type"] == "websocket.accept"
        assert dict(accept["headers"])[b"ratelimit-policy"] == POLICY.encode()
        assert text == {"type": "websocket.send", "text": "hello"}
    assert call(app, kind="websocket") == [{"type": "websocket.close", "code": 1008}]
    sent = call(app, kind="websocket", extensions={"websocket.http.response": {}})
    status, headers = status_and_headers(sent)
    assert (status, headers["retry-after"]) == (429, "30")
    kinds = ["websocket.http.response.start", "websocket.http.response.body"]
    assert [message["type"] for message in sent] == kinds


def test_hit_async_is_awaited(limiter):
    class Remote:
        rules = limiter.rules

        def hit(self, key, cost):
            raise AssertionError("hit_async is to be called")

        async def hit_async(self, key, cost):
            await asyncio.sleep(0)
            return limiter.hit(key, cost)

    app = RateLimitMiddleware(hello, Remote())
    assert [call(app)[0]["status"] for _ in range(3)] == [200, 200, 429]


def test_what_a_limiter_raises_is_raised(impl, limiter):
    class Down:
        def hit(self, key, cost):
            raise OSError("down")

    with pytest.raises(OSError, match="down"):
        call(RateLimitMiddleware(hello, Down()))
    with pytest.raises(TypeError, match="NoneType"):
        call(RateLimitMiddleware(hello, limiter, key=lambda scope: None))


# ---- a real server -------------------------------------------------------------------------------


@contextmanager
def served(app):
    """The port of a server that runs the application in a thread."""
    config = uvicorn.Config(app, lifespan="off", log_level="error", ws="none")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(GUARD)
            assert not thread.is_alive()


def get(port, path="/", method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GUARD)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, response.headers, body


def test_on_uvicorn_exactly_the_limit_is_admitted(impl):
    app = RateLimitMiddleware(hello, impl.limit.SlidingWindow("30/day"), exempt="/health")
    statuses = []

    def client(port):
        statuses.extend(get(port)[0] for _ in range(10))

    with served(app) as port:
        run_together(*(lambda: client(port) for _ in range(6)))
        assert (statuses.count(200), statuses.count(429)) == (30, 30)
        status, headers, body = get(port)
        assert status == 429
        assert 86390 <= int(headers["Retry-After"]) <= 86400
        assert headers["RateLimit"] == f'"default";r=0;t={headers["Retry-After"]}'
        assert json.loads(body)["type"].endswith("#quota-exceeded")
        status, headers, body = get(port, method="HEAD")
        assert (status, body) == (429, b"")
        status, headers, body = get(port, "/health")
        assert (status, headers["RateLimit"], body) == (200, None, b"hello")
