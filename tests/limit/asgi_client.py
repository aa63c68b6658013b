"""One connection to an ASGI application, without a server."""

import asyncio


def scope_of(path="/", method="GET", peer="192.0.2.1", kind="http", headers=(), **more):
    path, _, query = path.partition("?")
    encoded = [(name.lower().encode(), value.encode()) for name, value in dict(headers).items()]
    scope = {"type": kind, "path": path, "query_string": query.encode(), "headers": encoded}
    scope |= {"client": (peer, 4321), **more}
    return {**scope, "method": method} if kind == "http" else scope


def call(app, *args, **kwargs):
    """The messages that an application sends to one connection."""
    scope = scope_of(*args, **kwargs)
    first = {"type": "websocket.connect"}
    if scope["type"] == "http":
        first = {"type": "http.request", "body": b"", "more_body": False}
    arriving, sent = [first], []

    async def receive():
        if not arriving:
            await asyncio.Event().wait()
        return arriving.pop()

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


def status_and_headers(sent):
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers
