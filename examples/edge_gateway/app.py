"""The gateway: an ASGI application, of which each worker runs one.

GET  /objects/{key}?lat=&lng=    an object, from the cache or the shard where it is at home
GET  /pops?lat=&lng=&k=          the points of presence that are nearest; all without a place
POST /events {"ids": [...]}      which of these events are new
GET  /stats, /stats.json         what all workers do, as a page that is alive, and as figures
GET  /health
"""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from fastblocks import Cache, TopK
from fastblocks.limit.asgi import RateLimitMiddleware, client_ip

from . import settings as options
from .inputs import count_of, ids_of, key_of, place_of
from .pops import Pops
from .settings import Settings
from .shared import Events, Figures, limiter
from .upstream import Fetch, Object, Upstream, UpstreamError, pretended

HOT = 20  # keys and points of presence that are told
HALF_LIFE = 60.0  # seconds in which what was hot counts half
MAX_POPS = 100
PAGE = Path(__file__).with_name("stats.html")
NOT_LIMITED = ["/health", "/pops", "/stats", "/stats.json"]


class Gateway:
    """One worker: its blocks, and what it answers. A block that is off is None."""

    def __init__(self, settings: Settings, fetch: Fetch) -> None:
        on = set(options.words(settings.blocks))
        self.events = Events(settings)
        self.slot = self.events.slot
        self.figures = Figures(settings, self.slot)
        self.limiter = limiter(settings) if "limit" in on else None
        self.deduplicates = "events" in on
        self.hot_keys = TopK(HOT, decay=HALF_LIFE) if "topk" in on else None
        self.hot_pops = TopK(HOT, decay=HALF_LIFE)
        self.pops = Pops() if "geo" in on else None
        self.upstream = Upstream(settings.shards, fetch, use_ring="ring" in on)
        self.cache: Cache[str, Object] | None = None
        if "cache" in on:
            self.cache = Cache(
                settings.max_objects, ttl=settings.ttl, refresh_after=settings.refresh_after
            )
        self.count: Counter[str] = Counter()
        self.started = time.monotonic()

    async def object(self, request: Request) -> Response:
        """Answer with an object, and tell by headers how it came."""
        key, place = key_of(request), place_of(request)
        self.count["requests"] += 1
        headers = {"x-worker": str(self.slot)}
        if self.hot_keys is not None:
            self.hot_keys.add(key)
        if self.pops and place:
            pop, metres = self.pops.nearest(*place)[0]
            self.hot_pops.add(pop.code)
            headers["x-pop"] = f"{pop.code}; km={metres / 1000:.0f}"
        if self.cache is None:
            found = await self.upstream.load(key)
        else:
            headers["x-cache"] = "hit" if self.cache.peek(key) else "miss"
            found = await self.cache.get_or_load_async(key, self.upstream.load)
        headers["age"] = str(int(time.monotonic() - found.loaded))
        headers["x-shard"] = found.shard
        return Response(found.body, headers=headers, media_type="application/json")

    async def nearest(self, request: Request) -> Response:
        """Answer with points of presence."""
        if self.pops is None:
            raise HTTPException(404, "geo is off")
        place = place_of(request)
        if place is None:
            return JSONResponse([pop._asdict() for pop in self.pops.by_code.values()])
        found = self.pops.nearest(*place, k=count_of(request, "k", 1, MAX_POPS))
        return JSONResponse([{**pop._asdict(), "km": metres / 1000} for pop, metres in found])

    async def event(self, request: Request) -> Response:
        """Answer with those events that are new."""
        ids = await ids_of(request)
        new = [id for id in ids if self.events.add(id)] if self.deduplicates else ids
        self.count["requests"] += 1
        self.count["events"] += len(ids)
        self.count["duplicates"] += len(ids) - len(new)
        return JSONResponse({"new": new}, headers={"x-worker": str(self.slot)})

    # ---- figures ---------------------------------------------------------------------------------

    def write_figures(self) -> None:
        """Tell the other workers what this one has done."""
        own: dict[str, Any] = {
            "slot": self.slot,
            "pid": os.getpid(),
            "uptime": round(time.monotonic() - self.started, 1),
            "count": self.count,
            "loads": self.upstream.loads,  # by shard
            "hot_pops": base64.b64encode(self.hot_pops.to_bytes()).decode(),
        }
        if self.hot_keys is not None:
            own["hot_keys"] = base64.b64encode(self.hot_keys.to_bytes()).decode()
        if self.cache is not None:
            own["cache"] = {**self.cache.stats()._asdict(), "objects": len(self.cache)}
        if self.limiter:
            stats = self.limiter.stats()
            own["limit"] = {"allowed": stats.allowed, "denied": stats.denied}
        self.figures.write(own)

    def all_figures(self) -> dict[str, Any]:
        """What all workers have done, those of this one as of now."""
        self.write_figures()
        workers = self.figures.read_all()
        keys, codes = (self.merged(workers, name) for name in ("hot_keys", "hot_pops"))
        pops = self.pops.by_code if self.pops else {}
        return {
            "answered_by": self.slot,
            "workers": workers,
            "limit": repr(self.limiter) if self.limiter else "off",
            "clients": self.limiter and self.limiter.stats().keys,
            "denied": self.limiter.top_denied(10) if self.limiter else [],
            "hot_keys": [{"key": key, "count": count} for key, count in keys],
            "hot_pops": [
                {**pops[code]._asdict(), "count": count} for code, count in codes if code in pops
            ],
        }

    @staticmethod
    def merged(workers: list[dict[str, Any]], name: str) -> list[tuple[str, float]]:
        """Take the sketches of this name from all workers, and return what is hot in their sum."""
        sum = TopK(HOT, decay=HALF_LIFE)
        for worker in workers:
            if name in worker:
                sum.merge(TopK.from_bytes(base64.b64decode(worker.pop(name))))
        return [(str(key), round(count, 1)) for key, count, _ in sum.top()]

    async def stats(self, request: Request) -> Response:
        """Answer with the figures of all workers."""
        return JSONResponse(self.all_figures(), headers={"cache-control": "no-store"})

    @asynccontextmanager
    async def running(self, app: Starlette) -> AsyncIterator[None]:
        """Write the figures of this worker every second; in the end let go of the limits."""

        async def write() -> None:
            while True:
                self.write_figures()
                await asyncio.sleep(1)

        writing = asyncio.create_task(write())
        yield
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
        if self.limiter and hasattr(self.limiter.storage, "aclose"):
            await self.limiter.storage.aclose()  # of Redis


async def failed(request: Request, error: Exception) -> Response:
    """What a client is told of an error."""
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)
    return JSONResponse({"error": str(error)}, 502)


async def health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def page(request: Request) -> Response:
    return HTMLResponse(PAGE.read_text())


def create_app(settings: Settings | None = None, fetch: Fetch | None = None) -> Starlette:
    """Return the application of one worker; `fetch` asks a shard for an object."""
    settings = settings or options.read()
    if not settings.state:
        raise ValueError(
            "state must be a prepared folder: start by python -m examples.edge_gateway"
        )
    gateway = Gateway(settings, fetch or pretended(settings.origin_ms / 1000))
    limits = Middleware(
        RateLimitMiddleware,
        limiter=gateway.limiter,
        key=client_ip(options.words(settings.trusted_proxies)),
        exempt=NOT_LIMITED,
    )
    return Starlette(
        routes=[
            Route("/objects/{key:path}", gateway.object),
            Route("/pops", gateway.nearest),
            Route("/events", gateway.event, methods=["POST"]),
            Route("/stats", page),
            Route("/stats.json", gateway.stats),
            Route("/health", health),
        ],
        middleware=[limits] if gateway.limiter else [],
        exception_handlers={HTTPException: failed, UpstreamError: failed},
        lifespan=gateway.running,
    )
