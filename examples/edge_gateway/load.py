"""Put the gateway under load: ``python -m examples.edge_gateway.load [--url URL]``.

Without a URL it starts gateways of its own, with no block, with each alone, and with all, and
prints what each does. Keys follow Zipf's law, clients sit in real cities, the more the larger,
and every tenth request tells of events.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from rich.console import Console
from rich.table import Table

from .pops import all_pops
from .settings import BLOCKS, checked_by, integer, number

ROOT = Path(__file__).parents[2]
GUARD = 20.0  # seconds in which a gateway starts, a request is answered
REQUESTS = 5000  # different ones, which are sent again and again
ALL = ",".join(BLOCKS)
KEPT = 50  # requests on one connection; those that come anew find workers that have time


@dataclass
class Result:
    """What came of a run."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    workers: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    resets: int = 0  # connections that broke with a request on them, which was sent again
    errors: list[str] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Requests answered."""
        return len(self.latencies) / self.seconds

    def milliseconds(self, percent: float) -> float:
        """In which so many of the requests were answered."""
        return float(np.percentile(self.latencies, percent)) * 1000


# ---- requests ------------------------------------------------------------------------------------


def request(path: str, client: str, body: bytes = b"") -> bytes:
    """Return a request of HTTP/1.1."""
    head = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nhost: edge\r\nx-forwarded-for: {client}"
    return f"{head}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def mixed(clients: int, keys: int, seed: int = 1) -> list[bytes]:
    """Return requests of many kinds, in the order in which they are to be sent."""
    rng = random.Random(seed)
    known = list(all_pops().values())
    pops = rng.choices(known, [pop.population for pop in known], k=REQUESTS)
    objects = np.random.default_rng(seed).zipf(1.2, REQUESTS) % keys
    requests = []
    for i, (item, pop) in enumerate(zip(objects.tolist(), pops, strict=True)):
        client = f"10.{'.'.join(map(str, rng.randrange(clients).to_bytes(3, 'big')))}"
        if i % 10 == 9:
            ids = [f"event-{rng.randrange(10 * REQUESTS)}" for _ in range(3)]
            requests.append(request("/events", client, json.dumps({"ids": ids}).encode()))
        else:
            path = f"/objects/item-{item}?lat={pop.lat}&lng={pop.lng}"
            requests.append(request(path, client))
    return requests


# ---- the client ----------------------------------------------------------------------------------


class Connection(asyncio.Protocol):
    """One connection, and one request on it at a time."""

    def __init__(self) -> None:
        self._got = b""
        self.answer: asyncio.Future[tuple[int, dict[str, str]]]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self, request: bytes) -> asyncio.Future[tuple[int, dict[str, str]]]:
        """Send a request; its answer is a status and headers."""
        self.answer = asyncio.get_running_loop().create_future()
        if self.transport.is_closing():
            self.connection_lost(None)
        self.transport.write(request)
        return self.answer

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, end, body = self._got.partition(b"\r\n\r\n")
        if not end:
            return
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        if len(body) >= int(headers["content-length"]):
            self._got = b""
            self.answer.set_result((int(status.split()[1]), headers))

    def connection_lost(self, error: Exception | None) -> None:
        if hasattr(self, "answer") and not self.answer.done():
            self.answer.set_exception(error or ConnectionResetError("closed by the gateway"))


async def ask_all(host: str, port: int, requests: Iterator[bytes], result: Result) -> None:
    """Send requests one after the other; those that break with their connection again."""
    loop = asyncio.get_running_loop()
    connection: Connection | None = None
    for i, data in enumerate(requests):
        if connection and i % KEPT == 0:
            connection.transport.close()
            connection = None
        start = time.perf_counter()
        while True:
            if connection is None:
                _, connection = await loop.create_connection(Connection, host, port)
            try:
                status, headers = await connection.ask(data)
                break
            except ConnectionError:
                result.resets += 1
                connection = None
        result.latencies.append(time.perf_counter() - start)
        result.statuses[status] += 1
        if worker := headers.get("x-worker"):
            result.workers[worker] += 1
        if status not in (200, 429):
            result.errors.append(f"{status}: {data.split(b' HTTP')[0].decode()}")
    if connection:
        connection.transport.close()


def endless(requests: Sequence[bytes], seconds: float, phase: int) -> Iterator[bytes]:
    """Yield requests again and again, from one on, until the time is over."""
    until, i = time.perf_counter() + seconds, phase
    while time.perf_counter() < until:
        yield requests[i % len(requests)]
        i += 1


def address_of(url: str) -> tuple[str, int]:
    """Return the host and port of a URL."""
    place = urlsplit(url)
    if place.scheme != "http" or not (place.hostname and place.port):
        raise ValueError(f"url must be of the form http://127.0.0.1:8000, not {url!r}")
    return place.hostname, place.port


async def run(url: str, requests: Sequence[bytes], seconds: float, connections: int = 32) -> Result:
    """Send requests on some connections for some time."""
    host, port = address_of(url)
    result = Result()
    start = time.perf_counter()
    phases = range(0, len(requests), max(len(requests) // connections, 1))
    running = [
        ask_all(host, port, endless(requests, seconds, phase), result)
        for phase in phases[:connections]
    ]
    await asyncio.wait_for(asyncio.gather(*running), seconds + GUARD)
    result.seconds = time.perf_counter() - start
    return result


# ---- gateways of our own -------------------------------------------------------------------------


def get_json(url: str) -> Any:
    """Return what is at a URL."""
    with urllib.request.urlopen(url, timeout=GUARD) as response:
        return json.load(response)


@contextmanager
def gateway(**settings: object) -> Iterator[str]:
    """Start a gateway on a free port, and yield its URL when all its workers are there."""
    settings = {"port": 0, "trusted_proxies": "127.0.0.1", **settings}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    command = [sys.executable, "-m", "examples.edge_gateway", *options]
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        try:
            assert process.stdout
            url = process.stdout.readline().partition("/stats")[0]
            until = time.monotonic() + GUARD
            while not (url and is_complete(url, int(str(settings.get("workers", 4))))):
                if not url or process.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    raise RuntimeError(f"the gateway does not start: {log.read()}")
                time.sleep(0.05)
            yield url
        finally:
            process.terminate()


def is_complete(url: str, workers: int) -> bool:
    """Whether so many workers have come up."""
    try:
        return len(get_json(f"{url}/stats.json")["workers"]) == workers
    except OSError:
        return False


# ---- the table -----------------------------------------------------------------------------------


def cpu_seconds(url: str) -> float:
    """Return what the workers of a gateway on this machine have used of the processors."""
    ticks = 0
    for worker in get_json(f"{url}/stats.json")["workers"]:
        fields = Path(f"/proc/{worker['pid']}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])  # of user and system
    return ticks / os.sysconf("SC_CLK_TCK")


def warm(url: str, connections: int) -> list[bytes]:
    """Return the mix of requests, a little of which the gateway has been sent."""
    requests = mixed(clients=1000, keys=2000)
    asyncio.run(run(url, requests, 0.5, connections))
    return requests


def table_of(url: str | None, seconds: float, connections: int) -> Table:
    """Measure the gateway of a URL, or gateways of all kinds, and return a table."""
    table = Table("blocks on")
    for title in ("requests/s", "CPU µs", "p50 ms", "p99 ms", "429", "errors", "workers"):
        table.add_column(title, justify="right")

    def add(name: str, url: str, is_ours: bool) -> None:
        requests = warm(url, connections)
        before = cpu_seconds(url) if is_ours else 0.0
        result = asyncio.run(run(url, requests, seconds, connections))
        used = (cpu_seconds(url) - before) / len(result.latencies) if is_ours else 0.0
        table.add_row(
            name,
            f"{result.per_second:,.0f}",
            f"{used * 1e6:.0f}" if is_ours else "-",
            f"{result.milliseconds(50):.1f}",
            f"{result.milliseconds(99):.1f}",
            f"{result.statuses[429]:,}",
            str(len(result.errors) + result.resets),
            str(len(result.workers)),
        )

    if url:
        add("running", url, is_ours=False)
        return table
    for name, blocks in {"none": "", **{block: block for block in BLOCKS}, "all": ALL}.items():
        with gateway(blocks=blocks, limit="100000/second", origin_ms=2) as started:
            add(name, started, is_ours=True)
    return table


def main() -> None:
    """Measure, and print a table."""
    parser = ArgumentParser("python -m examples.edge_gateway.load", description=__doc__)
    parser.add_argument("--url", type=checked_by(address_of), help="of a gateway that runs")
    parser.add_argument("--seconds", type=number(0.1, 3600), default=3, help="of each run")
    parser.add_argument("--connections", type=integer(1, 10_000), default=32)
    arguments = parser.parse_args()
    try:
        Console().print(table_of(arguments.url, arguments.seconds, arguments.connections))
    except OSError as error:
        sys.exit(f"error: no answer from {arguments.url or 'the gateway'}: {error}")


if __name__ == "__main__":
    main()
