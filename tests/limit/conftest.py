"""Servers: Valkey, which the test extra brings, and Debian's Redis where it is installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.limit.server import Server, programs

PROGRAMS = programs()


@pytest.fixture(scope="session", params=PROGRAMS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server that stays up; tests use keys of their own."""
    with Server(PROGRAMS[request.param]) as started:
        yield started


@pytest.fixture
def mortal() -> Iterator[Server]:
    """A server to kill."""
    with Server(PROGRAMS["valkey"]) as started:
        yield started
