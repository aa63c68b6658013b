"""Fixtures of the cache's tests."""

import pytest

from fastblocks._core.caches import POLICIES
from tests.filters.clock import Clock

SECOND = 10**9


@pytest.fixture(params=POLICIES)
def policy(request):
    return request.param


@pytest.fixture
def clock():
    return Clock(5 * SECOND)


@pytest.fixture
def events():
    return []


@pytest.fixture
def on_remove(events):
    """A listener that writes down what it is told."""
    return lambda key, value, cause: events.append((key, value, cause))
