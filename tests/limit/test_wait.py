"""`wait` and `wait_async`: fair, punctual, nobody left behind. No test sleeps."""

import asyncio
import contextlib
import gc
import math
import threading

import pytest

from fastblocks._core import waiting
from fastblocks._core.rates import Decision
from tests.limit.lines import FakeClock, HastyClock, start
from tests.threads import run_together


@pytest.fixture
def clock(monkeypatch):
    clock = FakeClock()
    monkeypatch.setattr(waiting, "CLOCK", clock)
    return clock


@pytest.fixture
def limiter(impl, clock):
    return impl.limit.FixedWindow("2/second", timer=clock.now)


STRATEGIES = ["FixedWindow", "SlidingWindow", "SlidingWindowCounter", "LeakyBucket"]


def test_passes_at_once(limiter, clock):
    assert limiter.wait("a") == Decision(True, 2, 1, 0.0, 1.0)
    assert asyncio.run(limiter.wait_async("a")) == Decision(True, 2, 0, 0.0, 1.0)
    assert clock.pauses == []
    assert len(limiter._waiters) == 0


@pytest.mark.parametrize("name", STRATEGIES)
def test_sleeps_exactly_as_long_as_told(impl, clock, name):
    limiter = getattr(impl.limit, name)("3/7second", timer=clock.now)
    while limiter.hit("a", 2):
        pass
    told = limiter.hit("a", 2).retry_after
    thread = start(lambda: limiter.wait("a", 2))
    clock.await_pauses(1)
    assert clock.pauses == [told]
    clock.advance(told)
    assert thread.result().allowed
    assert clock.pauses == [told]


@pytest.mark.parametrize("name", STRATEGIES)
def test_async_sleeps_exactly_as_long_as_told(impl, clock, name):
    limiter = getattr(impl.limit, name)("3/7second", timer=clock.now)
    assert limiter.hit("a", 3)
    told = limiter.hit("a").retry_after

    async def main():
        task = asyncio.create_task(limiter.wait_async("a"))
        await clock.await_pauses_async(1)
        clock.advance(told)
        return await task

    assert asyncio.run(main()).allowed
    assert clock.pauses == [told]


def test_first_come_first_served_among_threads(limiter, clock):
    limiter.hit("a", 2)
    order = []
    threads = []
    for i in range(5):
        threads.append(start(lambda i=i: (limiter.wait("a", 2), order.append(i))))
        clock.await_pauses(i + 1)
    for i in range(5):  # only the first sleeps by the clock
        assert clock.pauses == [1.0, None, None, None, None] + [1.0] * i
        clock.advance(1)
        threads[i].result()
        assert order == list(range(i + 1))
        clock.await_pauses(min(6 + i, 9))
    assert len(limiter._waiters) == 0


def test_a_cheap_call_does_not_overtake_a_dear_one(limiter, clock):
    limiter.hit("a", 1)
    dear = start(lambda: limiter.wait("a", 2))
    clock.await_pauses(1)
    assert limiter.peek("a").remaining == 1
    cheap = start(lambda: limiter.wait("a", 1))
    clock.await_pauses(2)
    assert not limiter.wait("a", 1, timeout=0)
    clock.advance(1)
    assert dear.result().remaining == 0
    clock.await_pauses(3)
    clock.advance(1)
    assert cheap.result().allowed


def test_threads_and_tasks_of_two_loops_stand_in_one_line(limiter, clock):
    limiter.hit("a", 2)
    order = []

    def in_thread(i):
        limiter.wait("a", 2)
        order.append(i)

    async def in_task(i):
        await limiter.wait_async("a", 2)
        order.append(i)

    started = []
    for i in range(6):
        do = (lambda i=i: asyncio.run(in_task(i))) if i % 3 else (lambda i=i: in_thread(i))
        started.append(start(do))
        clock.await_pauses(i + 1)
    for i in range(6):
        clock.advance(1)
        started[i].result()
        clock.await_pauses(min(7 + i, 11))
    assert order == list(range(6))


def test_reset_wakes_who_waits_in_order(limiter, clock):
    """Two at a time pass: as many as the quota that was given allows."""
    assert limiter.hit("a", 2)
    threads = []
    for i in range(5):
        threads.append(start(lambda: limiter.wait("a")))
        clock.await_pauses(i + 1)
    limiter.reset("b")
    for i in range(2):
        limiter.reset("a")
        clock.await_pauses(6 + i)  # whose turn is next sleeps as long as is told again
        assert threads[2 * i].result().allowed
        assert threads[2 * i + 1].result().allowed
        assert threads[2 * i + 2].is_alive()
    limiter.reset("a")
    assert threads[4].result().allowed
    assert clock.time == 0
    assert len(limiter._waiters) == 0


def test_reset_wakes_tasks(limiter, clock):
    async def main():
        assert limiter.hit("a", 2)
        task = asyncio.create_task(limiter.wait_async("a", 2))
        await clock.await_pauses_async(1)
        await limiter.reset_async("a")
        assert (await task).allowed
        task = asyncio.create_task(limiter.wait_async("a"))
        await clock.await_pauses_async(2)
        await asyncio.to_thread(limiter.reset, "a")
        assert (await task).allowed

    asyncio.run(main())
    assert clock.time == 0


def test_a_reset_between_the_answer_and_the_sleep_is_not_lost(clock):
    class Slow:
        """Answers after somebody else has given quota."""

        asked = 0

        def hit(self, key, cost):
            self.asked += 1
            if self.asked == 1:
                lines.wake(b"a")
            return Decision(self.asked > 1, 1, 0, 10.0 if self.asked == 1 else 0.0, 10.0)

    lines = waiting.Waiters(1)
    thread = start(lambda: lines.wait(Slow(), b"a", "a", 1, None))
    clock.await_pauses(1)
    assert clock.pauses == [0]
    clock.advance(0)
    assert thread.result().allowed


def test_each_key_has_a_line_of_its_own(limiter, clock):
    for key in ("a", 7):
        limiter.hit(key, 2)
    first = start(lambda: limiter.wait("a"))
    clock.await_pauses(1)
    other = start(lambda: limiter.wait(7))
    clock.await_pauses(2)
    same = start(lambda: limiter.wait(b"a", 2))
    clock.await_pauses(3)
    assert clock.pauses == [1.0, 1.0, None]
    assert len(limiter._waiters) == 2
    clock.advance(1)
    assert first.result()
    assert other.result()
    clock.await_pauses(4)
    clock.advance(1)
    assert same.result()
    assert len(limiter._waiters) == 0


def test_nothing_is_locked_while_one_sleeps(limiter, clock):
    limiter.hit("a", 2)
    thread = start(lambda: limiter.wait("a"))
    clock.await_pauses(1)
    assert not limiter.hit("a")
    assert limiter.wait("b").allowed
    assert asyncio.run(limiter.wait_async("c")).allowed
    clock.advance(1)
    assert thread.result().allowed


@pytest.mark.parametrize("locked", [False, True])
def test_the_child_of_a_fork_waits_for_nobody_of_its_parent(limiter, clock, monkeypatch, locked):
    limiter.hit("a", 2)
    thread = start(lambda: limiter.wait("a"))
    clock.await_pauses(1)
    lock = limiter._waiters._lock
    with monkeypatch.context() as patch, lock if locked else contextlib.nullcontext():
        patch.setattr(waiting.os, "getpid", lambda: -1)
        other = start(lambda: limiter.wait("a", timeout=0.5))
        assert other.result().retry_after == 1.0  # it was the first in line
    clock.advance(1)
    assert thread.result().allowed
    assert len(limiter._waiters) == 0


# ---- timeouts ------------------------------------------------------------------------------------


def both(limiter, *args, **kwargs):
    """The answers of wait and of wait_async."""
    sync = limiter.wait(*args, **kwargs)
    return sync, asyncio.run(limiter.wait_async(*args, **kwargs))


@pytest.mark.parametrize("timeout", [0, 0.5, 0.999999])
def test_denied_at_once_if_the_time_does_not_suffice(limiter, clock, timeout):
    limiter.hit("a", 2)
    for verdict in both(limiter, "a", timeout=timeout):
        assert verdict == Decision(False, 2, 0, 1.0, 1.0)
    assert clock.pauses == []
    assert len(limiter._waiters) == 0


def test_a_timeout_of_zero_is_one_try(limiter, clock):
    assert both(limiter, "a", timeout=0) == (
        Decision(True, 2, 1, 0.0, 1.0),
        Decision(True, 2, 0, 0.0, 1.0),
    )


def test_the_time_may_just_suffice(limiter, clock):
    limiter.hit("a", 2)
    thread = start(lambda: limiter.wait("a", timeout=1))
    clock.await_pauses(1)
    clock.advance(1)
    assert thread.result().allowed


def test_a_timeout_in_the_line_leaves_it_in_order(limiter, clock):
    limiter.hit("a", 2)
    first = start(lambda: limiter.wait("a", 2))
    clock.await_pauses(1)
    second = start(lambda: limiter.wait("a", 2, timeout=0.25))
    clock.await_pauses(2)
    third = start(lambda: limiter.wait("a", 2))
    clock.await_pauses(3)
    clock.advance(0.25)
    assert second.result() == Decision(False, 2, 0, 0.75, 0.75)
    clock.advance(0.75)
    assert first.result().allowed
    clock.await_pauses(4)
    clock.advance(1)
    assert third.result().allowed
    assert len(limiter._waiters) == 0


def test_the_time_in_the_line_counts(limiter, clock):
    limiter.hit("a", 2)
    first = start(lambda: limiter.wait("a", 2))
    clock.await_pauses(1)
    second = start(lambda: limiter.wait("a", 2, timeout=1.5))  # would pass after 2 s
    clock.await_pauses(2)
    clock.advance(1)
    assert first.result().allowed
    assert second.result() == Decision(False, 2, 0, 1.0, 1.0)


@pytest.mark.parametrize("timeout", [-1, -1e-9, math.nan, math.inf, -math.inf])
def test_bad_timeout(limiter, timeout):
    with pytest.raises(ValueError, match=r"timeout must be in \[0, 9e\+09\), not"):
        limiter.wait("a", timeout=timeout)
    with pytest.raises(ValueError, match=r"timeout must be in \[0, 9e\+09\), not"):
        asyncio.run(limiter.wait_async("a", timeout=timeout))


@pytest.mark.parametrize(
    ("args", "error", "match"),
    [
        (("a", 3), ValueError, "cost must be at most 2, the limit, not 3"),
        (("a", 0), ValueError, "cost must be in"),
        (("a", 1.5), TypeError, "cost must be an int"),
        (("a", 1, "1"), TypeError, "timeout must be a float, not str"),
        (("a", 1, True), TypeError, "timeout must be a float, not bool"),
        ((1.5,), TypeError, "float"),
        ((2**64,), OverflowError, "18446744073709551616"),
    ],
)
def test_bad_input_is_told_at_once(limiter, clock, args, error, match):
    limiter.hit("a", 2)
    waits = start(lambda: limiter.wait("a"))
    clock.await_pauses(1)
    with pytest.raises(error, match=match):
        limiter.wait(*args)
    with pytest.raises(error, match=match):
        asyncio.run(limiter.wait_async(*args))
    clock.advance(1)
    assert waits.result()
    assert limiter.stats().denied == 1


def test_the_smallest_limit_of_several_rates_bounds_the_cost(impl):
    limiter = impl.limit.FixedWindow("100/hour;5/second")
    with pytest.raises(ValueError, match="at most 5"):
        limiter.wait("a", 6)


# ---- giving up -----------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_cancelled_task_leaves_the_line_in_order(limiter, clock, which):
    limiter.hit("a", 2)
    order = []

    async def wait(i):
        await limiter.wait_async("a", 2)
        order.append(i)

    async def main():
        tasks = []
        for i in range(3):
            tasks.append(asyncio.create_task(wait(i)))
            await clock.await_pauses_async(i + 1)
        tasks[which].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[which]
        rest = [i for i in range(3) if i != which]
        pauses = 3 + (which == 0)  # the next one is first now
        await clock.await_pauses_async(pauses)
        for i in rest:
            clock.advance(1)
            await tasks[i]
            await clock.await_pauses_async(pauses + 1)
        assert order == rest

    asyncio.run(main())
    assert len(limiter._waiters) == 0


def test_cancelled_at_the_moment_of_its_turn(limiter, clock):
    limiter.hit("a", 2)

    async def main():
        tasks = []
        for i in range(3):
            tasks.append(asyncio.create_task(limiter.wait_async("a", 2)))
            await clock.await_pauses_async(i + 1)
        tasks[0].cancel()
        await asyncio.sleep(0)  # the first has left, the second has been let in but has not run
        assert not tasks[1].done()
        tasks[1].cancel()
        await asyncio.gather(*tasks[:2], return_exceptions=True)
        await clock.await_pauses_async(4)
        clock.advance(1)
        assert (await tasks[2]).allowed

    asyncio.run(main())
    assert len(limiter._waiters) == 0


def test_wait_for_cancels(limiter, clock):
    limiter.hit("a", 2)

    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(limiter.wait_async("a"), 0.001)

    asyncio.run(main())
    assert len(limiter._waiters) == 0


def test_a_task_whose_loop_is_closed_is_passed_over(limiter, clock):
    limiter.hit("a", 2)
    first = start(lambda: limiter.wait("a", 2))
    clock.await_pauses(1)
    loop = asyncio.new_event_loop()
    lost = loop.create_task(limiter.wait_async("a", 2))
    loop.run_until_complete(clock.await_pauses_async(2))
    last = start(lambda: limiter.wait("a", 2))
    clock.await_pauses(3)
    loop.close()
    clock.advance(1)
    first.result()
    clock.await_pauses(4)
    clock.advance(1)
    assert last.result().allowed
    lost._log_destroy_pending = False
    del lost
    gc.collect()
    assert len(limiter._waiters) == 0


def test_a_dropped_coroutine_leaves_the_line_even_under_the_lock(limiter, clock):
    limiter.hit("a", 2)

    async def main():
        waits = [limiter.wait_async("a", 2) for _ in range(3)]
        for wait in waits:
            wait.send(None)
        with limiter._waiters._lock:  # as if the collector ran now
            waits[0].close()
            waits[1].close()
        assert clock.pauses == [1.0, None, None]
        assert len(limiter._waiters) == 1
        waits[2].close()
        assert len(limiter._waiters) == 0

    asyncio.run(main())


# ---- limiters of other kinds ---------------------------------------------------------------------


class Scripted:
    """A limiter that answers what it was told to."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def hit(self, key, cost):
        self.asked.append((key, cost))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class ScriptedAsync(Scripted):
    async def hit_async(self, key, cost):
        await asyncio.sleep(0)
        return super().hit(key, cost)

    def hit(self, key, cost):
        raise AssertionError("hit_async is to be called")


YES, NO = Decision(True, 9, 8, 0.0, 1.0), Decision(False, 9, 0, 0.25, 1.0)


def test_hit_async_is_awaited(clock):
    limiter, waiters = ScriptedAsync(NO, YES), waiting.Waiters(9)

    async def main():
        task = asyncio.create_task(waiters.wait_async(limiter, b"a", "a", 2, None))
        await clock.await_pauses_async(1)
        clock.advance(0.25)
        return await task

    assert asyncio.run(main()) == YES
    assert limiter.asked == [("a", 2), ("a", 2)]


def test_an_error_of_the_limiter_is_raised_and_the_line_goes_on(clock):
    limiter, waiters = Scripted(NO, OSError("down"), YES), waiting.Waiters(9)
    first = start(lambda: waiters.wait(limiter, b"a", "a", 1, None))
    clock.await_pauses(1)
    second = start(lambda: waiters.wait(limiter, b"a", "a", 2, None))
    clock.await_pauses(2)
    clock.advance(0.25)
    with pytest.raises(OSError, match="down"):
        first.result()
    assert second.result() == YES
    assert limiter.asked == [("a", 1), ("a", 1), ("a", 2)]
    assert len(waiters) == 0


def test_no_limiter_makes_anyone_spin(clock):
    limiter = Scripted(NO._replace(retry_after=0.0), YES)
    thread = start(lambda: waiting.Waiters(9).wait(limiter, b"a", "a", 1, None))
    clock.await_pauses(1)
    assert clock.pauses == [waiting.LEAST]
    clock.advance(waiting.LEAST)
    assert thread.result() == YES


def test_never_is_an_answer(clock):
    never = NO._replace(retry_after=math.inf)
    assert waiting.Waiters(9).wait(Scripted(never), b"a", "a", 1, None) == never


def test_a_wait_that_would_block_a_loop_is_refused():
    async def suspended():
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="suspended"):
        waiting.run(suspended())


# ---- many ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("switch_often")
def test_many_threads_and_loops_get_what_the_rate_allows(impl, monkeypatch):
    clock = HastyClock()
    monkeypatch.setattr(waiting, "CLOCK", clock)
    limiter = impl.limit.TokenBucket(4, burst=2, timer=clock.now)
    rounds = 25
    counts = []

    def thread():
        for _ in range(rounds):
            assert limiter.wait("a")
            counts.append(1)

    async def task():
        for _ in range(rounds):
            assert await limiter.wait_async("a")
            counts.append(1)

    async def tasks():
        await asyncio.gather(*(task() for _ in range(3)))

    run_together(thread, thread, thread, lambda: asyncio.run(tasks()), lambda: asyncio.run(tasks()))
    total = 9 * rounds
    assert len(counts) == total
    assert clock.time == pytest.approx((total - 2) / 4, abs=0.25)
    assert len(limiter._waiters) == 0


def test_real_time(impl):
    """The real clock: it waits, and not for less than it is told to."""
    limiter = impl.limit.TokenBucket(1000, burst=1)
    before = waiting.CLOCK.now()
    assert all(limiter.wait("a") for _ in range(5))
    assert all(asyncio.run(limiter.wait_async("a")) for _ in range(5))
    assert waiting.CLOCK.now() - before >= 0.009
    assert threading.active_count() < 100
