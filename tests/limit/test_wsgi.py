"""The WSGI middleware: by hand, on a real server, and on four processes that share a limit."""

import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

import fastblocks.limit
from fastblocks.limit.wsgi import RateLimitMiddleware, RouteLimit, client_ip
from tests.limit.lines import GUARD
from tests.threads import run_together

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def limiter(impl):
    return impl.limit.FixedWindow("2/minute", timer=lambda: 30.0)


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"hello"


def call(app, path="/", method="GET", peer="192.0.2.1", **more):
    """(status line, headers, body) of a request, checked to be as PEP 3333 has it."""
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "REMOTE_ADDR": peer, **more}
    environ = {"SCRIPT_NAME": "", "QUERY_STRING": "", **environ}
    setup_testing_defaults(environ)
    answers = []

    def start_response(status, headers, exc_info=None):
        answers.append((status, dict(headers)))
        return lambda data: None

    body = validator(app)(environ, start_response)
    data = b"".join(body)
    body.close()
    ((status, headers),) = answers
    return status, headers, data


POLICY = '"default";q=2;w=60'


def test_allowed_and_denied(limiter):
    app = RateLimitMiddleware(hello, limiter)
    fields = {"RateLimit-Policy": POLICY, "RateLimit": '"default";r=1;t=30'}
    assert call(app) == ("200 OK", {"Content-Type": "text/plain", **fields}, b"hello")
    assert call(app)[0] == "200 OK"
    status, headers, body = call(app)
    assert status == "429 Too Many Requests"
    assert headers == {
        "Content-Type": "application/problem+json",
        "Cache-Control": "no-store",
        "Content-Length": str(len(body)),
        "RateLimit-Policy": POLICY,
        "RateLimit": '"default";r=0;t=30',
        "Retry-After": "30",
    }
    assert json.loads(body)["status"] == 429
    assert call(app, peer="192.0.2.2")[0] == "200 OK"


def test_head_gets_no_body(limiter):
    app = RateLimitMiddleware(hello, limiter)
    limiter.hit("192.0.2.1", 2)
    environ = {"REQUEST_METHOD": "HEAD", "PATH_INFO": "/", "REMOTE_ADDR": "192.0.2.1"}
    assert b"".join(app(environ, lambda *args: None)) == b""


def test_start_response_is_passed_on(limiter):
    """Its exc_info, and the function that it returns."""
    error = (ValueError, ValueError(), None)
    seen = []

    def app(environ, start_response):
        assert start_response("500 Oh", [("X", "1")], error) == "write"
        return []

    def start_response(*args):
        seen.append(args)
        return "write"

    middleware = RateLimitMiddleware(app, limiter)
    assert middleware({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, start_response) == []
    ((status, headers, exc_info),) = seen
    assert (status, headers[0], exc_info) == ("500 Oh", ("X", "1"), error)
    assert [name for name, _ in headers[1:]] == ["RateLimit-Policy", "RateLimit"]


def test_rules_exemptions_keys_and_costs(impl, limiter):
    posts = impl.limit.FixedWindow("3/minute", timer=lambda: 30.0)
    app = RateLimitMiddleware(
        hello,
        limiter,
        rules=[RouteLimit("/api/**", posts, methods=["POST"], cost=2, name="posts")],
        exempt=["/health", client_ip().within("10.0.0.0/8")],
        key=lambda environ: environ["HTTP_X_USER"],
    )
    assert call(app, "/api/x", "POST", HTTP_X_USER="ann")[0] == "200 OK"
    status, headers, _ = call(app, "/api/y", "POST", HTTP_X_USER="ann")
    assert (status[:3], headers["RateLimit"]) == ("429", '"posts";r=1;t=30')
    assert call(app, "/api/y", "POST", HTTP_X_USER="bob")[0] == "200 OK"
    assert call(app, "/api/y", "GET", HTTP_X_USER="ann")[0] == "200 OK"
    for _ in range(5):
        assert "RateLimit" not in call(app, "/health")[1]
        assert call(app, "/api/x", peer="10.1.2.3")[0] == "200 OK"


@pytest.mark.parametrize(
    ("script", "path", "rule"),
    [
        ("", "/caf\xc3\xa9", "/café"),
        ("/mount", "/x", "/mount/x"),
        ("/mount", "", "/mount"),
        ("", "", "/"),
        ("", "/\xff", "/\ufffd"),
    ],
)
def test_paths_are_whole_and_decoded(limiter, script, path, rule):
    app = RateLimitMiddleware(hello, rules=[RouteLimit(rule, limiter)])
    environ = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": script, "PATH_INFO": path}
    list(app(environ, lambda *args: None))
    assert limiter.stats().allowed == 1


def test_on_limited(limiter):
    def on_limited(environ, decision):
        return 499, [("content-type", "text/plain"), ("retry-after", "7")], b"no"

    limiter.hit("192.0.2.1", 2)
    status, headers, body = call(RateLimitMiddleware(hello, limiter, on_limited=on_limited))
    assert (status, body) == ("499 Limited", b"no")
    assert (headers["retry-after"], headers["RateLimit-Policy"]) == ("7", POLICY)
    assert "Retry-After" not in headers


def test_what_a_limiter_raises_is_raised():
    class Down:
        def hit(self, key, cost):
            raise OSError("down")

    with pytest.raises(OSError, match="down"):
        call(RateLimitMiddleware(hello, Down()))


# ---- real servers --------------------------------------------------------------------------------


def get(port, path="/"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GUARD)
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, response.headers, body


def test_on_a_server_of_the_standard_library(impl):
    class Quiet(WSGIRequestHandler):
        def log_message(self, *args):
            pass

    app = RateLimitMiddleware(hello, impl.limit.SlidingWindow("3/day"))
    with make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            answers = [get(server.server_port) for _ in range(4)]
        finally:
            server.shutdown()
            thread.join()
    assert [status for status, _, _ in answers] == [200, 200, 200, 429]
    assert answers[0][1]["RateLimit-Policy"] == '"default";q=3;w=86400'
    assert 86390 <= int(answers[3][1]["Retry-After"]) <= 86400


@contextmanager
def gunicorn(module, workers, environ):
    """The port of a gunicorn that serves an application of tests/limit/apps."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        fd = listener.fileno()
        command = f"-m gunicorn --workers {workers} --bind fd://{fd} --log-level error {module}:app"
        process = subprocess.Popen(
            [sys.executable, *command.split()],
            pass_fds=[fd],
            cwd=ROOT / "tests/limit/apps",
            env={**os.environ, **environ},
            start_new_session=True,
        )
        try:
            yield listener.getsockname()[1]
        finally:
            process.terminate()
            try:
                process.wait(GUARD)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise


@pytest.mark.skipif(not hasattr(fastblocks.limit, "SharedMemory"), reason="no SharedMemory yet")
@pytest.mark.parametrize("module", ["wsgi_shared"])
def test_four_workers_of_gunicorn_admit_exactly_the_limit(module, tmp_path):
    limit, workers, clients = 100, 4, 8  # limit: as in the application
    pids, answers = set(), []

    def until_all_workers_answer():
        for _ in range(2000):
            pids.add(get(port, "/pid")[2])
            if len(pids) == workers:
                return

    def client():
        answers.extend(get(port) for _ in range(2 * limit // clients))

    with gunicorn(module, workers, {"LIMIT_PATH": str(tmp_path / "limits")}) as port:
        run_together(*[until_all_workers_answer] * clients)
        assert len(pids) == workers
        run_together(*[client] * clients)
    statuses = [status for status, _, _ in answers]
    assert (statuses.count(200), statuses.count(429)) == (limit, limit)
    left = [int(headers["RateLimit"].split(";")[1][2:]) for _, headers, _ in answers]
    assert sorted(left) == [0] * limit + list(range(limit))
    assert len({body for status, _, body in answers if status == 200}) > 1
