"""What can be set: each by an option of the command line, or by a variable of the environment.

The command line wins. ``python -m examples.edge_gateway`` hands what it has read on to its workers
through the environment, so they read it by the same rules.
"""

from __future__ import annotations

import math
import os
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fastblocks.limit import LeakyBucket, Redis
from fastblocks.limit.asgi import client_ip

BLOCKS = ("limit", "topk", "geo", "ring", "cache", "events")


@dataclass(frozen=True)
class Settings:
    """The settings of a gateway, checked."""

    host: str
    port: int
    workers: int
    state: str
    blocks: str
    limit: str
    max_clients: int
    redis: str
    trusted_proxies: str
    shards: int
    origin_ms: float
    max_objects: int
    refresh_after: float
    ttl: float
    event_window: float
    max_events: int


def integer(low: int, high: int) -> Callable[[str], int]:
    """Return a function that reads a whole number in [low, high]."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
            raise ArgumentTypeError(f"must be a whole number in [{low}, {high}], not {text!r}")
        return int(text)

    return read


def number(low: float, high: float) -> Callable[[str], float]:
    """Return a function that reads a number in [low, high]."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise ArgumentTypeError(f"must be a number in [{low:g}, {high:g}], not {text!r}")
        return value

    return read


def checked_by(use: Callable[[str], object]) -> Callable[[str], str]:
    """Return a function that takes a text if `use` does, and tells why if it does not."""

    def read(text: str) -> str:
        try:
            use(text)
        except (ValueError, ImportError) as error:
            raise ArgumentTypeError(str(error)) from None
        return text

    return read


def words(text: str) -> list[str]:
    """Return the words of a text that are separated by commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def known_blocks(text: str) -> None:
    """Raise ValueError if one of these is no block."""
    for word in words(text):
        if word not in BLOCKS:
            raise ValueError(f"must be some of {','.join(BLOCKS)}, not {word!r}")


OPTIONS: list[tuple[str, Callable[[str], Any], str, str]] = [
    ("host", str, "127.0.0.1", "address to listen at"),
    ("port", integer(0, 65535), "8000", "port to listen at; 0 for any that is free"),
    ("workers", integer(1, 64), "4", "processes that answer requests"),
    ("state", str, "", "folder of what they share, which outlives them; a temporary one if empty"),
    ("blocks", checked_by(known_blocks), ",".join(BLOCKS), "blocks that are on"),
    ("limit", checked_by(LeakyBucket), "600/minute", "requests of a client"),
    ("max-clients", integer(1, 10_000_000), "100000", "clients whose requests are counted"),
    (
        "redis",
        checked_by(lambda text: text and Redis(text)),
        "",
        "URL of a server for the limits",
    ),
    (
        "trusted-proxies",
        checked_by(lambda text: client_ip(words(text))),
        "",
        "addresses and networks whose X-Forwarded-For is believed",
    ),
    ("shards", integer(1, 1000), "8", "servers behind the gateway"),
    ("origin-ms", number(0, 60_000), "20", "milliseconds that they take to answer"),
    ("max-objects", integer(1, 10_000_000), "10000", "objects in the cache of a worker"),
    ("refresh-after", number(0.001, 1e6), "10", "seconds after which a hit loads anew, behind"),
    ("ttl", number(0.001, 1e6), "60", "seconds after which an object is gone"),
    ("event-window", number(0.1, 1e6), "600", "seconds in which an event counts once"),
    ("max-events", integer(1, 100_000_000), "100000", "events of a worker in that time"),
]


def variable(name: str) -> str:
    """Return the name of the variable of an option."""
    return "EDGE_" + name.upper().replace("-", "_")


def read(arguments: Sequence[str] = ()) -> Settings:
    """Return the settings of arguments and environment; end with a message if one is wrong."""
    parser = ArgumentParser(
        "python -m examples.edge_gateway",
        description="A gateway at the edge of a network. Options have variables: EDGE_LIMIT ...",
        formatter_class=ArgumentDefaultsHelpFormatter,
    )
    for name, kind, default, help in OPTIONS:
        default = os.environ.get(variable(name), default)
        parser.add_argument(f"--{name}", type=kind, default=default, help=help)
    settings = Settings(**vars(parser.parse_args(arguments)))
    if settings.refresh_after >= settings.ttl:
        parser.error(
            f"argument --refresh-after: must be below --ttl, not {settings.refresh_after:g}"
        )
    return settings


def export(settings: Settings) -> None:
    """Put the settings into the environment, for the workers."""
    os.environ.update({variable(name): str(value) for name, value in asdict(settings).items()})
