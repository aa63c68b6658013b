"""ConcurrencyLimiter: never more than the limit, first come, first served, no place is lost."""

import asyncio
import copy
import gc
import pickle
import random
import threading

import pytest

import fastblocks
import fastblocks.pure
from fastblocks._core import waiting
from fastblocks.limit import ConcurrencyLimiter
from tests.limit.lines import GUARD, FakeClock, start, until
from tests.threads import run_together


@pytest.fixture
def clock(monkeypatch):
    clock = FakeClock()
    monkeypatch.setattr(waiting, "CLOCK", clock)
    monkeypatch.setattr("fastblocks.limit.concurrency.CLOCK", clock)
    return clock


def test_pickles_and_copies_are_others_in_which_nobody_is():
    limiter = ConcurrencyLimiter(2)
    assert limiter.acquire()
    for other in (pickle.loads(pickle.dumps(limiter)), copy.copy(limiter), copy.deepcopy(limiter)):
        assert (other.limit, other.in_use) == (2, 0)
        assert other.acquire()
    assert limiter.in_use == 1


def test_one_class_for_native_and_pure():
    assert fastblocks.ConcurrencyLimiter is ConcurrencyLimiter
    assert fastblocks.pure.ConcurrencyLimiter is ConcurrencyLimiter
    assert fastblocks.pure.limit.ConcurrencyLimiter is ConcurrencyLimiter


def test_counts():
    limiter = ConcurrencyLimiter(2)
    assert (limiter.limit, limiter.in_use, limiter.waiting) == (2, 0, 0)
    with limiter as same, limiter:
        assert same is limiter
        assert limiter.in_use == 2
        assert not limiter.try_acquire()
        assert not limiter.acquire(timeout=0)
    assert limiter.in_use == 0
    assert limiter.try_acquire()
    assert limiter.acquire(0)
    assert limiter.in_use == 2
    assert repr(limiter) == "ConcurrencyLimiter(2)"


def test_counts_async():
    async def main():
        limiter = ConcurrencyLimiter(2)
        async with limiter as same, limiter:
            assert same is limiter
            assert limiter.in_use == 2
            assert not await limiter.acquire_async(timeout=0)
        assert limiter.in_use == 0

    asyncio.run(main())


def test_an_error_inside_releases():
    limiter = ConcurrencyLimiter(1)
    with pytest.raises(KeyError), limiter:
        raise KeyError
    assert limiter.in_use == 0


def test_released_too_often():
    limiter = ConcurrencyLimiter(1)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="released more often than acquired"):
            limiter.release()
    assert limiter.in_use == 0
    assert limiter.try_acquire()
    limiter.release()
    with pytest.raises(RuntimeError):
        limiter.release()


@pytest.mark.parametrize("limit", [0, -1, 2**31])
def test_bad_limit(limit):
    with pytest.raises(ValueError, match="limit must be in"):
        ConcurrencyLimiter(limit)


@pytest.mark.parametrize("limit", [1.0, "1", None, True])
def test_limit_of_a_wrong_type(limit):
    with pytest.raises(TypeError, match="limit must be an int"):
        ConcurrencyLimiter(limit)


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf")])
def test_bad_timeout(timeout):
    limiter = ConcurrencyLimiter(1)
    with pytest.raises(ValueError, match="timeout must be in"):
        limiter.acquire(timeout)
    with pytest.raises(ValueError, match="timeout must be in"):
        asyncio.run(limiter.acquire_async(timeout))
    with pytest.raises(TypeError, match="timeout must be a float"):
        limiter.acquire("1")
    assert limiter.in_use == 0


def test_first_come_first_served(clock):
    limiter = ConcurrencyLimiter(2)
    limiter.acquire()
    limiter.acquire()
    order = []

    async def in_task(i):
        await limiter.acquire_async()
        order.append(i)

    def in_thread(i):
        limiter.acquire()
        order.append(i)

    started = []
    for i in range(6):
        do = (lambda i=i: asyncio.run(in_task(i))) if i % 2 else (lambda i=i: in_thread(i))
        started.append(start(do))
        clock.await_pauses(i + 1)
        assert limiter.waiting == i + 1
        assert not limiter.try_acquire()
    for i in range(6):
        limiter.release()
        started[i].result()
        assert order == list(range(i + 1))
        assert limiter.in_use == 2
    limiter.release()
    limiter.release()
    assert (limiter.in_use, limiter.waiting) == (0, 0)


def test_nobody_overtakes_who_waits(clock):
    limiter = ConcurrencyLimiter(1)
    limiter.acquire()
    waits = start(limiter.acquire)
    clock.await_pauses(1)
    limiter.release()  # the place is given away, not freed
    assert limiter.in_use == 1
    assert not limiter.try_acquire()
    assert waits.result()


def test_a_timeout_leaves_the_line(clock):
    limiter = ConcurrencyLimiter(1)
    limiter.acquire()
    first = start(lambda: limiter.acquire(0.5))
    clock.await_pauses(1)
    second = start(lambda: asyncio.run(limiter.acquire_async(1.5)))
    clock.await_pauses(2)
    clock.advance(0.5)
    assert first.result() is False
    assert (limiter.in_use, limiter.waiting) == (1, 1)
    clock.advance(0.5)
    limiter.release()
    assert second.result() is True
    assert (limiter.in_use, limiter.waiting) == (1, 0)


def test_a_timeout_at_the_moment_of_its_turn_does_not_lose_the_place(clock):
    async def main():
        limiter = ConcurrencyLimiter(1)
        await limiter.acquire_async()
        task = asyncio.create_task(limiter.acquire_async(1))
        await clock.await_pauses_async(1)
        clock.advance(1)  # woken by the clock, but it has not run
        limiter.release()
        assert await task is True
        assert limiter.in_use == 1

    asyncio.run(main())


def test_a_cancelled_task_leaves_the_line(clock):
    async def main():
        limiter = ConcurrencyLimiter(1)
        await limiter.acquire_async()
        first = asyncio.create_task(limiter.acquire_async())
        await until(lambda: limiter.waiting == 1)
        second = asyncio.create_task(limiter.acquire_async())
        await until(lambda: limiter.waiting == 2)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert (limiter.in_use, limiter.waiting) == (1, 1)
        limiter.release()
        assert await second

    asyncio.run(main())


@pytest.mark.parametrize("next_waits", [False, True])
def test_cancelled_at_the_moment_of_its_turn_the_place_goes_to_the_next(next_waits):
    async def main():
        limiter = ConcurrencyLimiter(1)
        await limiter.acquire_async()
        first = asyncio.create_task(limiter.acquire_async())
        await until(lambda: limiter.waiting == 1)
        if next_waits:
            second = asyncio.create_task(limiter.acquire_async())
            await until(lambda: limiter.waiting == 2)
        limiter.release()
        first.cancel()  # it has been given the place and does not know it yet
        with pytest.raises(asyncio.CancelledError):
            await first
        if next_waits:
            assert await second
        assert (limiter.in_use, limiter.waiting) == (next_waits, 0)

    asyncio.run(main())


def test_a_cancelled_async_with_releases():
    async def main():
        limiter = ConcurrencyLimiter(1)

        async def inside():
            async with limiter:
                await asyncio.Event().wait()

        task = asyncio.create_task(inside())
        await until(lambda: limiter.in_use == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert limiter.in_use == 0

    asyncio.run(main())


def test_a_task_whose_loop_is_closed_is_passed_over(clock):
    limiter = ConcurrencyLimiter(1)
    limiter.acquire()
    loop = asyncio.new_event_loop()
    lost = loop.create_task(limiter.acquire_async())
    loop.run_until_complete(clock.await_pauses_async(1))
    waits = start(limiter.acquire)
    clock.await_pauses(2)
    loop.close()
    limiter.release()
    assert waits.result()
    lost._log_destroy_pending = False
    del lost
    gc.collect()
    assert (limiter.in_use, limiter.waiting) == (1, 0)


def test_coroutines_dropped_while_a_place_is_given():
    """The collector may run at any moment, even while the thread gives a place to another."""

    async def main():
        limiter = ConcurrencyLimiter(2)
        gate = limiter._gate
        await limiter.acquire_async()
        await limiter.acquire_async()
        dropped = [limiter.acquire_async() for _ in range(4)]
        for coroutine in dropped:
            coroutine.send(None)
        victims = [dropped[0], dropped[2]]

        class Waker(waiting.ThreadTurn):
            def wake(self):
                while victims:
                    victims.pop().close()
                return super().wake()

        turn = Waker()
        gate.waiting[turn] = None
        gate.waiting.move_to_end(turn, last=False)
        limiter.release()
        assert turn.admitted
        assert (limiter.in_use, limiter.waiting) == (2, 2)
        limiter.release()
        limiter.release()
        assert (limiter.in_use, limiter.waiting) == (2, 0)
        dropped[1].close()  # was given a place: it goes back
        dropped[3].close()
        assert limiter.in_use == 0

    asyncio.run(main())


@pytest.mark.usefixtures("switch_often")
def test_never_more_than_the_limit():
    """Threads and two loops, with timeouts and cancellations at random."""
    limiter = ConcurrencyLimiter(3)
    inside, most, done = [], [], []

    def work():
        inside.append(1)
        most.append(len(inside))
        inside.pop()

    def thread(seed):
        rng = random.Random(seed)
        for _ in range(150):
            if limiter.acquire(rng.choice([None, None, 0, 1e-5])):
                work()
                limiter.release()
        done.append(1)

    async def task(rng):
        for _ in range(60):
            one = asyncio.create_task(limiter.acquire_async(rng.choice([None, None, 0, 1e-5])))
            for _ in range(rng.randrange(3)):
                await asyncio.sleep(0)
            if rng.random() < 0.3:
                one.cancel()
            try:
                got = await one
            except asyncio.CancelledError:
                continue
            if got:
                work()
                await asyncio.sleep(0)
                limiter.release()
        done.append(1)

    async def loop(seed):
        rng = random.Random(seed)
        await asyncio.wait_for(asyncio.gather(*(task(rng) for _ in range(8))), GUARD)

    threads = [lambda seed=seed: thread(seed) for seed in range(4)]
    loops = [lambda seed=seed: asyncio.run(loop(seed)) for seed in (8, 9)]
    run_together(*threads, *loops)
    assert len(done) == 4 + 16
    assert max(most) <= 3
    assert (limiter.in_use, limiter.waiting) == (0, 0)


def test_no_thread_is_started_for_those_who_wait(clock):
    async def main():
        limiter = ConcurrencyLimiter(1)
        await limiter.acquire_async()
        before = threading.active_count()
        tasks = [asyncio.create_task(limiter.acquire_async()) for _ in range(1000)]
        await until(lambda: limiter.waiting == 1000)
        assert threading.active_count() == before
        for task in reversed(tasks[1:]):
            task.cancel()
        limiter.release()
        assert await tasks[0]
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (limiter.in_use, limiter.waiting) == (1, 0)

    asyncio.run(main())
