"""Fixtures of the whole suite: every behaviour test runs on native and pure code."""

from __future__ import annotations

import faulthandler
import sys
import types
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

import fastblocks
import fastblocks.pure

faulthandler.enable()

settings.register_profile(
    "fastblocks",
    deadline=None,  # pure Python is slow, and machines are shared
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("fastblocks")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--exhaustive``: tests against other libraries take a million items instead of some."""
    parser.addoption("--exhaustive", action="store_true", help="compare a million items, not some")


def pytest_report_header() -> str:
    """Which build is tested."""
    return f"fastblocks: {fastblocks.__path__[0]}"


@pytest.fixture
def exhaustive(request: pytest.FixtureRequest) -> bool:
    """Whether ``--exhaustive`` was given."""
    return bool(request.config.getoption("--exhaustive"))


IMPLEMENTATIONS = {"native": fastblocks, "pure": fastblocks.pure}


@pytest.fixture(params=IMPLEMENTATIONS)
def impl(request: pytest.FixtureRequest) -> types.ModuleType:
    """The package under test: `fastblocks`, then `fastblocks.pure`."""
    return IMPLEMENTATIONS[request.param]


@pytest.fixture
def switch_often() -> Iterator[None]:
    """Threads take turns every few microseconds."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)
