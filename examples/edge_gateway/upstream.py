"""The servers behind the gateway, and which of them is asked for an object."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple, TypeAlias

from fastblocks import HashRing

LOAD_FACTOR = 1.25  # no shard has more than 1.25 times its share of what is being loaded

Fetch: TypeAlias = Callable[[str, str], Awaitable[bytes]]


class Object(NamedTuple):
    """What a shard has answered."""

    body: bytes
    shard: str
    loaded: float  # when, by time.monotonic


class UpstreamError(Exception):
    """A shard has not answered as it should."""


def pretended(seconds: float) -> Fetch:
    """Return a function that stands for a request to a shard: it takes a while to answer."""

    async def fetch(shard: str, key: str) -> bytes:
        await asyncio.sleep(seconds)
        return json.dumps({"key": key, "shard": shard, "made": time.time()}).encode()

    return fetch


class Upstream:
    """Asks the shard where a key is at home, or the next on the ring while that one is busy."""

    def __init__(self, shards: int, fetch: Fetch, use_ring: bool) -> None:
        names = [f"shard-{i}" for i in range(shards)]
        self._ring = HashRing(names, load_factor=LOAD_FACTOR) if use_ring else None
        self._fetch = fetch
        self.loads: Counter[str] = Counter()

    async def load(self, key: str) -> Object:
        """Return an object; UpstreamError if its shard does not answer."""
        shard = self._ring.assign(key) if self._ring else "shard-0"
        self.loads[shard] += 1
        try:
            return Object(await self._fetch(shard, key), shard, time.monotonic())
        except (OSError, asyncio.TimeoutError) as error:
            why = str(error) or type(error).__name__
            raise UpstreamError(f"{shard} did not answer: {why}") from error
        finally:
            if self._ring:
                with suppress(KeyError):  # loaded twice at once, as may be without the cache
                    self._ring.release(key)
