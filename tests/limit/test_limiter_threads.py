"""Many threads on one limiter: exactly the limit is admitted, and every call is counted."""

import threading

import numpy as np
import pytest

import fastblocks
from tests.threads import THREADS, run_together

pytestmark = pytest.mark.usefixtures("switch_often")

LIMIT = 10_000
NAMES = ["FixedWindow", "SlidingWindow", "SlidingWindowCounter", "LeakyBucket", "TokenBucket"]


@pytest.fixture(params=NAMES)
def make(request):
    def make(impl, limit=LIMIT, **options):
        args = (1, limit) if request.param == "TokenBucket" else (f"{limit}/hour",)
        return getattr(impl.limit, request.param)(*args, timer=lambda: 1.0, **options)

    return make


@pytest.mark.parametrize("threads", [2, 8])
def test_exactly_the_limit_passes(impl, make, threads):
    limit = LIMIT if impl is fastblocks else 300
    limiter = make(impl, limit)
    calls = 3 * limit // 2 // threads + 1
    passed = []

    def work():
        passed.append(sum([limiter.allow("a") for _ in range(calls)]))

    run_together(*[work] * threads)
    assert sum(passed) == limit
    assert limiter.stats() == (limit, threads * calls - limit, 1, 0)
    assert limiter.top_denied() == [("a", threads * calls - limit)]


@pytest.mark.parametrize("threads", [2, THREADS])
def test_batches_and_single_calls_mix(make, threads):
    """Batches of over 512 keys run without the GIL; costs differ; a key has its limit, no more."""
    storage = fastblocks.limit.Memory(1000)
    limiter = make(fastblocks, storage=storage)
    keys = np.arange(200).repeat(7)
    passed, asked = [], []

    def work(i):
        def run():
            total, calls = np.zeros(200, int), 0
            rng = np.random.default_rng(i)
            for round in range(12):
                mixed = rng.permutation(keys)
                costs = rng.integers(1, 200, len(mixed))
                if (i + round) % 2:
                    answers = limiter.allow_many(mixed, costs)
                    np.add.at(total, mixed[answers], costs[answers])
                    calls += len(mixed)
                else:
                    for key, cost in zip(mixed[:300].tolist(), costs.tolist(), strict=False):
                        total[key] += cost * limiter.hit(key, cost).allowed
                    calls += 300
                storage.to_bytes()
            passed.append(total)
            asked.append(calls)

        return run

    run_together(*[work(i) for i in range(threads)])
    for key, n in enumerate(sum(passed).tolist()):
        assert limiter.peek(key).remaining == LIMIT - n
        assert 0 < n <= LIMIT
    stats = limiter.stats()
    assert stats.allowed + stats.denied == sum(asked)
    assert stats.keys == 200


def test_keys_come_and_go_among_threads():
    """Reclaim, eviction and reset under threads: nobody ever has more than the limit."""
    storage = fastblocks.limit.Memory(50)
    limiter = fastblocks.SlidingWindow("2/hour", storage=storage, timer=lambda: 1.0)
    assert limiter.allow("attacker", 2)
    done = threading.Event()

    def others(i):
        def run():
            for part in range(30):
                limiter.allow_many(np.arange(600) + 1000 * (30 * i + part))
                for key in range(50):
                    limiter.allow(f"{i} {part} {key}")
                    limiter.reset(f"{i} {part} {key}")
            done.set()

        return run

    def attack():
        while not done.is_set():
            assert not limiter.allow("attacker")
            assert not limiter.allow_many(["attacker"] * 600).any()
            assert len(storage) <= 50

    run_together(*[others(i) for i in range(4)], attack, attack)
    again = fastblocks.limit.Memory.from_bytes(storage.to_bytes())
    assert again == storage
