"""The examples of rate limiting run in their frameworks."""

import json

from django.core.signing import Signer
from werkzeug.test import Client

from examples import django_limits, fastapi_limits, flask_limits, starlette_limits
from tests.limit.asgi_client import call, status_and_headers


def get(app, *args, **kwargs):
    """(status, headers, body) of a request to an ASGI application."""
    sent = call(app, *args, **kwargs)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return *status_and_headers(sent), body


def test_fastapi():
    app = fastapi_limits.app
    ann, bob = {"x-api-key": "ann"}, {"x-api-key": "bob"}
    answers = [get(app, "/reports", "POST", headers=ann) for _ in range(4)]
    assert [status for status, _, _ in answers] == [200, 200, 200, 429]
    _, headers, body = answers[0]
    assert json.loads(body) == {"report": "made"}
    assert headers["ratelimit-policy"] == '"reports";q=3;w=3600'
    assert headers["ratelimit"].startswith('"reports";r=2;t=')
    _, headers, body = answers[3]
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(body)["violated-policies"] == ["reports"]
    assert 1 <= int(headers["retry-after"]) <= 3600
    assert get(app, "/reports", "POST", headers=bob)[0] == 200
    made_up = [get(app, "/reports", "POST", headers={"x-api-key": str(n)})[0] for n in range(4)]
    assert made_up == [200, 200, 200, 429]
    status, headers, body = get(app, "/items/7", headers=ann)
    assert (status, json.loads(body)) == (200, {"item": 7})
    assert headers["ratelimit-policy"] == '"default";q=20;w=12'
    assert "ratelimit" not in get(app, "/health")[1]


def test_starlette():
    app = starlette_limits.app
    status, headers, body = get(app, "/download")
    assert (status, body) == (200, b"much data")
    assert headers["ratelimit-policy"] == '"default-1";q=5;w=1, "default-2";q=60;w=60'
    for _ in range(2):
        sent = call(app, "/chat/tea", kind="websocket")
        assert [message["type"] for message in sent] == [
            "websocket.accept",
            "websocket.send",
            "websocket.close",
        ]
    assert call(app, "/chat/tea", kind="websocket") == [{"type": "websocket.close", "code": 1008}]
    extensions = {"websocket.http.response": {}}
    sent = call(app, "/chat/tea", kind="websocket", extensions=extensions)
    assert sent[0]["status"] == 429
    assert sent[1]["body"].startswith(b"Please wait ")


def test_flask():
    client = Client(flask_limits.app)
    assert [client.post("/login").status_code for _ in range(6)] == [200] * 5 + [429]
    assert client.post("/login", environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 200
    assert "RateLimit" not in client.get("/").headers
    assert client.get("/search?pages=7").headers["RateLimit"].startswith('"search";r=3;')
    assert client.get("/search?pages=99").status_code == 429
    assert [flask_limits.pages({"QUERY_STRING": f"pages={n}"}) for n in ("-1", "0", "99")] == [
        1,
        1,
        10,
    ]


def test_django():
    client = Client(django_limits.application, use_cookies=False)
    cookie = f"user={Signer().sign('ann')}"
    answers = [client.get("/", headers={"Cookie": cookie}) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[0].text == "hello"
    assert client.get("/").headers["RateLimit-Policy"] == '"default";q=5;w=60'
    made_up = [client.get("/", headers={"Cookie": f"user=x:{n}"}) for n in range(5)]
    assert [answer.status_code for answer in made_up] == [200] * 4 + [429]  # one before
    assert client.get("/health").status_code == 200


def test_django_asgi():
    app = django_limits.asgi_application
    status, headers, body = get(app, peer="192.0.2.9")
    assert (status, headers["ratelimit-policy"], body) == (200, '"default";q=5;w=60', b"hello")
    assert [get(app, peer="192.0.2.9")[0] for _ in range(5)] == [200] * 4 + [429]
    status, headers, _ = get(app, "/health")
    assert status == 200
    assert "ratelimit" not in headers
