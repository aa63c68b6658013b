"""Loading: once however many ask, no deadlocks, errors, cancellations, changes meanwhile."""

import asyncio
import concurrent.futures
import contextlib
import contextvars
import gc
import logging
import os
import threading
import weakref

import pytest

from fastblocks._core import flights
from tests.cache.loaders import AsyncLoader, Loader, await_waiters, in_loop, waiters
from tests.limit.lines import GUARD, start, until
from tests.threads import run_together


@pytest.fixture(autouse=True)
def nothing_left():
    """After each test nobody waits."""
    yield
    assert flights._blocked == {}


@pytest.fixture
def cache(impl):
    return impl.Cache(100)


class Pool(concurrent.futures.Executor):
    """An executor that runs its jobs when the test says so."""

    def __init__(self):
        self.jobs = []

    def submit(self, function, /, *args, **kwargs):
        self.jobs.append(lambda: function(*args, **kwargs))

    def run(self):
        jobs, self.jobs = self.jobs, []
        for job in jobs:
            job()


class Clock:
    def __init__(self):
        self.time = 1000.0

    def __call__(self):
        return self.time


# ---- threads ------------------------------------------------------------------------------------


def test_a_value_is_loaded_once_and_kept(cache):
    calls = []

    def load(key):
        calls.append(key)
        return key * 2

    assert [cache.get_or_load("a", load) for _ in range(3)] == ["aa"] * 3
    assert calls == ["a"]
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.loads, stats.load_errors) == (2, 1, 1, 0)


def test_64_threads_one_load(cache):
    load = Loader()
    leader = start(lambda: cache.get_or_load("k", load))
    assert load.begun.wait(GUARD)
    others = [start(lambda: cache.get_or_load("k", load)) for _ in range(63)]
    await_waiters(cache, "k", 63)
    load.go.set()
    assert {each.result() for each in [leader, *others]} == {"value"}
    assert load.keys == ["k"]
    assert not cache._flights.table
    assert cache.stats().loads == 1


def test_threads_race_for_many_keys(cache, switch_often):
    calls = []

    def load(key):
        calls.append(key)
        return -key

    def work():
        for key in range(100):
            assert cache.get_or_load(key, load) == -key

    run_together(*[work] * 8)
    assert sorted(calls) == list(range(100))


def test_an_error_reaches_all_and_is_not_kept(cache):
    error = ValueError("no")
    load = Loader(error)
    leader = start(lambda: cache.get_or_load("k", load))
    assert load.begun.wait(GUARD)
    others = [start(lambda: cache.get_or_load("k", load)) for _ in range(7)]
    await_waiters(cache, "k", 7)
    load.go.set()
    for each in [leader, *others]:
        with pytest.raises(ValueError, match="no") as caught:
            each.result()
        assert caught.value is error
    assert "k" not in cache
    assert cache.get_or_load("k", str.upper) == "K"
    stats = cache.stats()
    assert (stats.loads, stats.load_errors) == (1, 1)


def test_the_traceback_does_not_grow_with_the_waiters(cache):
    def length(error):
        traceback, n = error.__traceback__, 0
        while traceback is not None:
            traceback, n = traceback.tb_next, n + 1
        return n

    def ask():
        with pytest.raises(ValueError, match="no"):
            cache.get_or_load("k", load)

    load = Loader(ValueError("no"))
    each = [start(ask) for _ in range(30)]
    await_waiters(cache, "k", 29)
    load.go.set()
    for one in each:
        one.result()
    assert length(load.value) < 30


def test_an_error_is_not_kept_alive(cache):
    alive = []

    class Mine(Exception):
        def __init__(self):
            alive.append(weakref.ref(self))

    def load(key):
        raise Mine

    def outer(key):
        return cache.get_or_load("k", load)

    def ask(key, loader):
        with contextlib.suppress(Mine):
            cache.get_or_load(key, loader)

    gc.disable()
    try:
        ask("k", load)
        ask("outer", outer)
        assert [each() for each in alive] == [None, None]
    finally:
        gc.enable()


def test_an_interrupted_leader_leaves_the_load_to_others(cache):
    loads = [Loader(KeyboardInterrupt()), Loader(1)]
    calls = iter(loads)
    leader = start(lambda: cache.get_or_load("k", loads[0]))
    assert loads[0].begun.wait(GUARD)
    others = [start(lambda: cache.get_or_load("k", loads[1])) for _ in range(3)]
    await_waiters(cache, "k", 3)
    loads[0].go.set()
    loads[1].go.set()
    with pytest.raises(KeyboardInterrupt):
        leader.result()
    assert [each.result() for each in others] == [1, 1, 1]
    assert len(loads[1].keys) == 1
    assert next(calls) is loads[0]


def test_one_loader_may_ask_for_other_keys(cache):
    def factorial(n):
        return 1 if n == 0 else n * cache.get_or_load(n - 1, factorial)

    assert cache.get_or_load(60, factorial) == 60 * cache[59]
    assert len(cache) == 61


def test_asking_for_the_same_key_raises(cache):
    def load(key):
        return cache.get_or_load(key, load)

    with pytest.raises(RuntimeError, match=r"the load of 'k' asks for 'k', which waits for that"):
        cache.get_or_load("k", load)
    assert not cache._flights.table
    assert cache.get_or_load("k", str.upper) == "K"


def test_a_circle_within_a_thread_raises(cache):
    def load(key):
        return cache.get_or_load((key + 1) % 3, load)

    with pytest.raises(RuntimeError, match="the load of 0 asks for 0"):
        cache.get_or_load(0, load)


def test_a_circle_of_threads_raises_in_one_and_reaches_all(cache):
    begun = threading.Barrier(3)

    def load(key):
        begun.wait(GUARD)
        return cache.get_or_load((key + 1) % 3, load)

    threads = [start(lambda key=key: cache.get_or_load(key, load)) for key in range(3)]
    for each in threads:
        with pytest.raises(RuntimeError, match="which waits for that load"):
            each.result()


def test_a_circle_over_two_caches(impl):
    one, two = impl.Cache(10), impl.Cache(10)

    def load_one(key):
        return two.get_or_load(key, load_two)

    def load_two(key):
        return one.get_or_load(key, load_one)

    with pytest.raises(RuntimeError, match="waits for that load"):
        one.get_or_load("k", load_one)


def test_a_circle_through_a_helper_thread(cache):
    """The context of a load goes with `asyncio.to_thread`; asking there is asking here."""

    def load(key):
        async def main():
            return await asyncio.to_thread(cache.get_or_load, key, load)

        return in_loop(main)

    with pytest.raises(RuntimeError, match="waits for that load"):
        cache.get_or_load("k", load)


def test_waiting_for_what_others_load_is_no_circle(cache):
    slow = Loader(5)
    other = start(lambda: cache.get_or_load("slow", slow))
    assert slow.begun.wait(GUARD)
    mine = start(lambda: cache.get_or_load("mine", lambda key: cache.get_or_load("slow", slow) + 1))
    await_waiters(cache, "slow", 1)
    slow.go.set()
    assert (other.result(), mine.result()) == (5, 6)


@pytest.mark.parametrize("change", ["set", "pop", "del", "clear", "set_many", "tag", "where"])
def test_a_change_during_the_load(cache, change):
    load = Loader("old")
    cache.set("other", 0, tags=("t",))
    leader = start(lambda: cache.get_or_load("k", load))
    assert load.begun.wait(GUARD)
    waits = start(lambda: cache.get_or_load("k", load))
    await_waiters(cache, "k", 1)
    if change == "set":
        cache["k"] = "new"
    elif change == "set_many":
        cache.set_many({"k": "new"})
    elif change == "pop":
        cache.pop("k", None)
    elif change == "clear":
        cache.clear()
    elif change == "del":
        with pytest.raises(KeyError):
            del cache["k"]
    else:  # these do not know of a key that is not there
        cache["k"] = "new"
        cache.set("k", "new", tags=("t",))
        (cache.invalidate_tag("t"), cache.invalidate_where(lambda key, value: key == "k"))
    load.go.set()
    assert leader.result() == waits.result() == "old"
    expected = {"set": "new", "set_many": "new"}.get(change)
    assert cache.peek("k") == expected


def test_who_comes_after_a_change_does_not_get_the_old_value(cache):
    old, new = Loader("old"), Loader("new")
    new.go.set()
    leader = start(lambda: cache.get_or_load("k", old))
    assert old.begun.wait(GUARD)
    cache.pop("k", None)
    later = start(lambda: cache.get_or_load("k", new))
    await_waiters(cache, "k", 1)
    assert new.keys == []
    old.go.set()
    assert leader.result() == "old"
    assert later.result() == "new"
    assert cache["k"] == "new"


def test_evictions_and_other_keys_do_not_matter_to_a_load(impl):
    cache = impl.Cache(2, policy="lru")
    load = Loader(1)
    leader = start(lambda: cache.get_or_load("k", load))
    assert load.begun.wait(GUARD)
    for key in range(10):
        cache[key] = key
    cache.pop(9)
    load.go.set()
    assert leader.result() == 1
    assert cache.peek("k") == 1


def test_what_the_cache_refuses_reaches_all(impl):
    cache = impl.Cache(10, weigher=lambda key, value: value)
    load = Loader(11)
    leader = start(lambda: cache.get_or_load("k", load))
    assert load.begun.wait(GUARD)
    waits = start(lambda: cache.get_or_load("k", load))
    await_waiters(cache, "k", 1)
    load.go.set()
    for each in (leader, waits):
        with pytest.raises(ValueError, match="weight 11"):
            each.result()
    assert cache.stats().load_errors == 1
    assert not cache._flights.table


def test_a_coroutine_is_no_value(cache):
    async def load(key):
        return key

    with pytest.raises(TypeError, match="not a coroutine"):
        cache.get_or_load("k", load)
    assert "k" not in cache


def test_what_was_loaded_between_the_miss_and_the_lead_is_not_loaded_again(cache):
    """The last step before the load is another look into the cache."""
    cache["k"] = 5
    calls = []
    assert cache._flights.load(cache, "k", calls.append) == 5
    assert calls == []
    assert cache.stats().loads == 0


def test_what_is_set_between_the_miss_and_the_lead_is_not_loaded(impl):
    clock = Clock()

    def renew(key, value, cause):
        if cause == "expired":
            cache[key] = "renewed"

    cache = impl.Cache(10, ttl=1, timer=clock, on_remove=renew)
    calls = []
    cache["k"] = "old"
    clock.time += 1
    assert cache.get_or_load("k", calls.append) == "renewed"
    assert calls == []
    assert cache.stats().loads == 0
    assert not cache._flights.table


# ---- the second who comes -----------------------------------------------------------------------


class Failure(Exception):
    pass


@pytest.mark.parametrize("outcome", ["value", Failure("no")], ids=["value", "error"])
def test_threads_and_tasks_join_the_load_of_a_thread(cache, outcome):
    load = Loader(outcome)
    leader = start(lambda: cache.get_or_load("k", load))
    assert load.begun.wait(GUARD)
    flight = weakref.ref(cache._flights.table["k"])
    thread = start(lambda: cache.get_or_load("k", str))
    await_waiters(cache, "k", 1)

    async def never(key):
        raise AssertionError

    async def main():
        cancelled, task = [
            asyncio.create_task(cache.get_or_load_async("k", never)) for _ in range(2)
        ]
        await until(lambda: waiters(cache, "k") == 3)
        cancelled.cancel()
        await until(lambda: waiters(cache, "k") == 2)
        load.go.set()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        return await asyncio.gather(task, return_exceptions=True)

    def ended(started):
        try:
            return started.result()
        except Failure as error:
            return error

    results = [*in_loop(main), ended(leader), ended(thread)]
    assert [result is outcome for result in results] == [True] * 3
    assert load.keys == ["k"]
    assert cache.peek("k") == (None if isinstance(outcome, Failure) else outcome)
    del leader, thread, results
    if not isinstance(outcome, Failure):
        gc.collect()
        assert flight() is None


def test_a_thread_joins_the_load_of_a_task(cache):
    load = AsyncLoader(5)

    async def main():
        task = asyncio.create_task(cache.get_or_load_async("k", load))
        await until(load.begun.is_set)
        thread = start(lambda: cache.get_or_load("k", str))
        await until(lambda: waiters(cache, "k") == 2)
        load.go.set()
        assert await task == 5
        return thread

    assert in_loop(main).result() == 5
    assert cache.stats().loads == 1


def test_the_leader_asks_for_the_same_key_while_others_wait(cache):
    begun, go = threading.Event(), threading.Event()

    def load(key):
        begun.set()
        assert go.wait(GUARD)
        with pytest.raises(RuntimeError, match="the load of 'k' asks for 'k'"):
            cache.get_or_load(key, str)
        return "value"

    leader = start(lambda: cache.get_or_load("k", load))
    assert begun.wait(GUARD)
    waits = start(lambda: cache.get_or_load("k", str))
    await_waiters(cache, "k", 1)
    go.set()
    assert leader.result() == waits.result() == "value"


def test_a_circle_of_a_nested_load_and_a_thread(cache):
    """outer -> inner in one thread, other -> outer in another; then inner -> other."""
    begun, go = threading.Event(), threading.Event()

    def inner(key):
        begun.set()
        assert go.wait(GUARD)
        return cache.get_or_load("other", str)

    first = start(lambda: cache.get_or_load("outer", lambda key: cache.get_or_load("inner", inner)))
    assert begun.wait(GUARD)
    second = start(lambda: cache.get_or_load("other", lambda key: cache.get_or_load("outer", str)))
    await_waiters(cache, "outer", 1)
    go.set()
    for each in (first, second):
        with pytest.raises(RuntimeError, match="asks for 'other', which waits for that load"):
            each.result()
    assert not cache._flights.table


def test_a_circle_by_a_task_of_a_nested_load(cache):
    """The same, where the inner load waits in a task, so that its thread does not."""
    begun, go = threading.Event(), threading.Event()

    async def never(key):
        raise AssertionError

    def inner(key):
        begun.set()
        assert go.wait(GUARD)
        return in_loop(lambda: cache.get_or_load_async("other", never))

    first = start(lambda: cache.get_or_load("outer", lambda key: cache.get_or_load("inner", inner)))
    assert begun.wait(GUARD)
    second = start(lambda: cache.get_or_load("other", lambda key: cache.get_or_load("outer", str)))
    await_waiters(cache, "outer", 1)
    go.set()
    for each in (first, second):
        with pytest.raises(RuntimeError, match="which waits for that load"):
            each.result()


def test_a_value_is_not_kept_alive_by_the_context_of_its_load(cache):
    class Value:
        pass

    contexts = []

    def load(key):
        contexts.append(contextvars.copy_context())
        return Value()

    value = weakref.ref(cache.get_or_load("k", load))
    cache.clear()
    gc.collect()
    assert value() is None
    assert contexts[0].run(cache.get_or_load, "k", str.upper) == "K"  # that load is over


def test_threads_load_and_change(cache, switch_often):
    """Who begins to read after a key was removed gets nothing that was loaded before."""
    truth, removed = [0] * 5, [0] * 5

    def read():
        for i in range(300):
            least = removed[i % 5]
            assert cache.get_or_load(i % 5, truth.__getitem__) >= least

    def write():
        for i in range(300):
            truth[i % 5] += 1
            cache.pop(i % 5, None)
            removed[i % 5] = truth[i % 5]

    run_together(*[read] * 6, write)
    assert not cache._flights.table
    stats = cache.stats()
    assert (stats.hits + stats.misses, stats.load_errors) == (6 * 300, 0)


# ---- time, and keys that raise ------------------------------------------------------------------


def test_load_time_is_of_the_cache_s_clock(impl):
    clock = Clock()
    cache = impl.Cache(10, ttl=100, timer=clock)

    def load(key):
        clock.time += 1.5
        if key == "bad":
            raise ValueError("no")
        return key

    cache.get_or_load("k", load)
    with pytest.raises(ValueError, match="no"):
        cache.get_or_load("bad", load)
    assert cache.stats().load_seconds == 3.0


def test_keys_that_raise(cache):
    class Evil:
        def __init__(self, name):
            self.name = name
            self.angry = False

        def __hash__(self):
            return 7

        def __eq__(self, other):
            if self.angry or other.angry:
                raise ZeroDivisionError
            return self.name == other.name

    a, b = Evil("a"), Evil("b")
    load_a = Loader("a")
    leader = start(lambda: cache.get_or_load(a, load_a))
    assert load_a.begun.wait(GUARD)
    a.angry = True
    with pytest.raises(ZeroDivisionError):
        cache.get_or_load(b, str)
    a.angry = False
    assert cache.get_or_load(b, lambda key: "b") == "b"
    load_a.go.set()
    assert leader.result() == "a"
    assert not cache._flights.table

    def load(key):
        a.angry = True  # so that neither this load nor the outer one can be removed from the table
        return "a"

    cache.clear()
    with pytest.raises(ZeroDivisionError):
        cache.get_or_load(b, lambda key: cache.get_or_load(a, load))
    a.angry = False
    assert cache.get_or_load(a, lambda key: 1) in ("a", 1)
    assert cache.get_or_load(b, lambda key: 2) == 2
    cache.clear()
    assert cache.get_or_load(a, lambda key: 3) == 3
    assert not cache._flights.table


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_does_not_wait_for_threads_of_its_parent(cache):
    load = Loader()
    leader = start(lambda: cache.get_or_load("k", load))
    assert load.begun.wait(GUARD)
    child = os.fork()
    if child == 0:
        os._exit(0 if cache.get_or_load("k", lambda key: "mine") == "mine" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    load.go.set()
    assert leader.result() == "value"


# ---- many ---------------------------------------------------------------------------------------


def test_load_many(cache):
    cache["a"] = 1
    calls = []

    def load(keys):
        calls.append(keys)
        return {key: key.upper() for key in keys if key != "none"}

    found = cache._flights.load_many(cache, ["a", "b", "none", "c", "b"], load)
    assert found == {"a": 1, "b": "B", "c": "C"}
    assert calls == [["b", "none", "c"]]
    assert cache["c"] == "C"
    assert "none" not in cache
    assert cache._flights.load_many(cache, ["a"], load) == {"a": 1}
    assert len(calls) == 1
    assert cache.stats().loads == 1


def test_load_many_waits_for_what_others_load(cache):
    slow = Loader("slow")
    leader = start(lambda: cache.get_or_load("s", slow))
    assert slow.begun.wait(GUARD)
    calls = []

    def load(keys):
        calls.append(keys)
        return dict.fromkeys(keys, "many")

    many = start(lambda: cache._flights.load_many(cache, ["s", "x"], load))
    await_waiters(cache, "s", 1)
    assert cache["x"] == "many"  # it did its own work before it began to wait
    slow.go.set()
    assert many.result() == {"s": "slow", "x": "many"}
    assert leader.result() == "slow"
    assert calls == [["x"]]


def test_others_wait_for_load_many(cache):
    go = Loader()

    def load(keys):
        go(keys)
        return {"a": 1}

    many = start(lambda: cache._flights.load_many(cache, ["a", "b"], load))
    assert go.begun.wait(GUARD)
    a = start(lambda: cache.get_or_load("a", str))
    b = start(lambda: cache.get_or_load("b", str))
    await_waiters(cache, "a", 1)
    await_waiters(cache, "b", 1)
    go.go.set()
    assert many.result() == {"a": 1}
    assert a.result() == 1
    with pytest.raises(KeyError, match="b"):
        b.result()


def test_load_many_fails_for_all(cache):
    def load(keys):
        raise ValueError("down")

    with pytest.raises(ValueError, match="down"):
        cache._flights.load_many(cache, ["a", "b"], load)
    assert not cache._flights.table
    assert cache.stats().load_errors == 1


def test_load_many_within_its_own_load(cache):
    def load(keys):
        return {key: cache.get_or_load("b", str) for key in keys}

    with pytest.raises(RuntimeError, match="which waits for that load"):
        cache._flights.load_many(cache, ["a", "b"], load)


# ---- tasks --------------------------------------------------------------------------------------


def test_1000_tasks_one_load(cache):
    load = AsyncLoader()

    async def main():
        tasks = [asyncio.create_task(cache.get_or_load_async("k", load)) for _ in range(1000)]
        await until(lambda: waiters(cache, "k") == 1000)
        load.go.set()
        assert set(await asyncio.gather(*tasks)) == {"value"}
        assert await cache.get_or_load_async("k", load) == "value"

    in_loop(main)
    assert load.keys == ["k"]
    assert cache.stats().loads == 1


@pytest.mark.parametrize("first", ["thread", "task"])
def test_threads_and_tasks_share_a_load(cache, first):
    load, load_async = Loader("thread"), AsyncLoader("task")

    def in_task():
        return in_loop(lambda: cache.get_or_load_async("k", load_async))

    def in_thread():
        return cache.get_or_load("k", load)

    leading = load if first == "thread" else load_async
    leader = start(in_thread if first == "thread" else in_task)
    assert leading.begun.wait(GUARD)
    others = [start(each) for each in [in_thread, in_task] * 4]
    await_waiters(cache, "k", 8 if first == "thread" else 9)
    leading.go.set()
    assert {each.result() for each in [leader, *others]} == {first}
    assert len(load.keys) + len(load_async.keys) == 1


def test_an_error_reaches_all_tasks(cache):
    load = AsyncLoader(ValueError("no"))

    async def main():
        tasks = [asyncio.create_task(cache.get_or_load_async("k", load)) for _ in range(5)]
        await until(lambda: waiters(cache, "k") == 5)
        load.go.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(answer is load.value for answer in answers)
        assert "k" not in cache

    in_loop(main)
    assert cache.stats().load_errors == 1


@pytest.mark.parametrize("cancelled", [[0], [1], [0, 1], [0, 1, 2]])
def test_cancelling_one_does_not_cancel_the_load(cache, cancelled):
    load = AsyncLoader()

    async def main():
        tasks = [asyncio.create_task(cache.get_or_load_async("k", load)) for _ in range(3)]
        await until(lambda: waiters(cache, "k") == 3)
        for i in cancelled:
            tasks[i].cancel()
        await until(lambda: waiters(cache, "k") == 3 - len(cancelled))
        load.go.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        for i, answer in enumerate(answers):
            assert isinstance(answer, asyncio.CancelledError) == (i in cancelled)
            assert (answer == "value") == (i not in cancelled)
        await until(lambda: not cache._flights.table)
        assert cache["k"] == "value"

    in_loop(main)


def test_a_load_that_is_cancelled_itself(cache):
    """Who asked first is told; another one leads."""
    first, second = AsyncLoader(asyncio.CancelledError()), AsyncLoader("second")
    second.go.set()

    async def main():
        one = asyncio.create_task(cache.get_or_load_async("k", first))
        await until(first.begun.is_set)
        two = asyncio.create_task(cache.get_or_load_async("k", second))
        await until(lambda: waiters(cache, "k") == 2)
        first.go.set()
        with pytest.raises(asyncio.CancelledError):
            await one
        assert await two == "second"

    in_loop(main)


def test_a_loop_that_ends_in_the_midst_of_a_load(cache):
    load = AsyncLoader()

    async def main():
        asyncio.create_task(cache.get_or_load_async("k", load))  # noqa: RUF006
        await until(load.begun.is_set)

    in_loop(main)
    assert not cache._flights.table
    assert cache.get_or_load("k", str.upper) == "K"


def test_a_load_that_is_cancelled_before_it_begins(cache):
    async def main():
        task = asyncio.create_task(cache.get_or_load_async("k", AsyncLoader()))
        await until(lambda: cache._flights._tasks)
        for each in cache._flights._tasks:
            each.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    in_loop(main)
    assert not cache._flights.table


def test_a_loop_that_was_closed_with_tasks_in_it(cache):
    loop = asyncio.new_event_loop()
    load = AsyncLoader()
    task = loop.create_task(cache.get_or_load_async("k", load))
    loop.run_until_complete(until(load.begun.is_set))
    loop.close()
    assert cache.get_or_load("k", str.upper) == "K"
    for each in [task, *cache._flights._tasks]:
        each._log_destroy_pending = False
    cache._flights._tasks.clear()


def test_asking_for_the_same_key_raises_in_tasks(cache):
    async def load(key):
        return await cache.get_or_load_async(key, load)

    async def circle(key):
        return await cache.get_or_load_async((key + 1) % 3, circle)

    async def main():
        with pytest.raises(RuntimeError, match="which waits for that load"):
            await cache.get_or_load_async("k", load)
        answers = await asyncio.gather(
            *[cache.get_or_load_async(key, circle) for key in range(3)], return_exceptions=True
        )
        assert all(isinstance(answer, RuntimeError) for answer in answers)
        assert not cache._flights.table

    in_loop(main)


def test_asking_for_the_same_key_in_a_task_of_the_loader(cache):
    async def load(key):
        return await asyncio.gather(*[cache.get_or_load_async(k, load) for k in ("other", "k")])

    async def main():
        with pytest.raises(RuntimeError, match="which waits for that load"):
            await cache.get_or_load_async("k", load)
        await until(lambda: not cache._flights.table)

    in_loop(main)


def test_a_task_s_loader_may_ask_for_other_keys(cache):
    async def factorial(n):
        return 1 if n == 0 else n * await cache.get_or_load_async(n - 1, factorial)

    assert in_loop(lambda: cache.get_or_load_async(20, factorial)) == 2432902008176640000


def test_a_circle_of_threads_and_tasks(cache):
    begun = threading.Barrier(2)

    def in_thread(key):
        begun.wait(GUARD)
        return cache.get_or_load("task", in_thread)

    async def in_task(key):
        await asyncio.to_thread(begun.wait, GUARD)
        return await cache.get_or_load_async("thread", in_task)

    each = [
        start(lambda: cache.get_or_load("thread", in_thread)),
        start(lambda: in_loop(lambda: cache.get_or_load_async("task", in_task))),
    ]
    for one in each:
        with pytest.raises(RuntimeError, match=r"waits for that load|block the event loop"):
            one.result()


def test_a_loader_in_a_helper_thread_asks_for_what_waits_for_it(cache):
    """A task's load waits for a load that it began in a thread, which asks for the first."""

    def inner(key):
        return cache.get_or_load("outer", inner)

    async def outer(key):
        return await asyncio.to_thread(cache.get_or_load, "inner", inner)

    async def main():
        with pytest.raises(RuntimeError, match="waits for that load"):
            await cache.get_or_load_async("outer", outer)

    in_loop(main)


def test_blocking_the_loop_that_loads_raises(cache):
    load = AsyncLoader()

    async def main():
        task = asyncio.create_task(cache.get_or_load_async("k", load))
        await until(load.begun.is_set)
        with pytest.raises(RuntimeError, match=r"block the event loop.*use get_or_load_async"):
            cache.get_or_load("k", str)
        load.go.set()
        assert await task == "value"
        assert cache.get_or_load("k", str) == "value"

    in_loop(main)


def test_blocking_the_loop_that_loads_by_way_of_a_thread(cache):
    """The loop's thread would wait for a thread, whose load needs the loop."""
    load = AsyncLoader()

    async def main():
        task = asyncio.create_task(cache.get_or_load_async("k", load))
        await until(load.begun.is_set)
        thread = start(lambda: cache.get_or_load("t", lambda key: cache.get_or_load("k", str)))
        await until(lambda: waiters(cache, "k") == 2)
        with pytest.raises(RuntimeError, match="block the event loop that has to load 'k'"):
            cache.get_or_load("t", str)
        load.go.set()
        assert await task == "value"
        assert thread.result() == "value"

    in_loop(main)


def test_a_thread_asks_for_what_a_blocked_loop_loads(cache):
    """The same, the other way round: the loop's thread waits already."""
    load, begun, go = AsyncLoader(), threading.Event(), threading.Event()

    def in_thread(key):
        begun.set()
        assert go.wait(GUARD)
        return cache.get_or_load("k", str)

    async def main():
        task = asyncio.create_task(cache.get_or_load_async("k", load))
        await until(load.begun.is_set)
        thread = start(lambda: cache.get_or_load("t", in_thread))
        await until(begun.is_set)

        def let_go():
            await_waiters(cache, "t", 1)
            go.set()

        start(let_go)
        with pytest.raises(RuntimeError, match="waits for that load"):
            cache.get_or_load("t", str)
        with pytest.raises(RuntimeError, match="waits for that load"):
            thread.result()
        load.go.set()
        assert await task == "value"

    in_loop(main)


@pytest.mark.parametrize("value", [5, "text", None])
def test_an_async_loader_returns_an_awaitable(cache, value):
    async def main():
        with pytest.raises(TypeError, match="loader must return an awaitable, not "):
            await cache.get_or_load_async("k", lambda key: value)

    in_loop(main)
    assert cache.stats().load_errors == 1


def test_a_future_is_an_awaitable(cache):
    async def main():
        future = asyncio.get_running_loop().create_future()
        future.set_result(3)
        assert await cache.get_or_load_async("k", lambda key: future) == 3

    in_loop(main)


def test_changes_during_a_task_s_load(cache):
    old, new = AsyncLoader("old"), AsyncLoader("new")
    new.go.set()

    async def main():
        first = asyncio.create_task(cache.get_or_load_async("k", old))
        await until(old.begun.is_set)
        cache.pop("k", None)
        later = asyncio.create_task(cache.get_or_load_async("k", new))
        await until(lambda: waiters(cache, "k") == 2)
        old.go.set()
        assert await first == "old"
        assert await later == "new"
        assert cache["k"] == "new"

    in_loop(main)


# ---- loads in the background --------------------------------------------------------------------


def test_refresh_after(impl):
    clock, pool = Clock(), Pool()
    cache = impl.Cache(10, refresh_after=5, timer=clock, executor=pool)
    assert cache.get_or_load("k", lambda key: "old") == "old"
    clock.time += 4.99
    assert cache.get_or_load("k", lambda key: "never") == "old"
    assert pool.jobs == []
    clock.time += 0.01
    assert cache.get_or_load("k", lambda key: "new") == "old"
    assert cache.get_or_load("k", lambda key: "newer") == "old"
    assert len(pool.jobs) == 1
    pool.run()
    assert cache.get_or_load("k", lambda key: "newer") == "new"
    assert pool.jobs == []
    assert cache.stats().loads == 2


def test_a_refresh_that_fails_keeps_the_value_and_warns(impl, caplog):
    clock, pool = Clock(), Pool()
    cache = impl.Cache(10, refresh_after=5, timer=clock, executor=pool)
    cache["k"] = "old"
    clock.time += 5

    def load(key):
        raise ValueError("down")

    with caplog.at_level(logging.WARNING, "fastblocks.cache"):
        assert cache.get_or_load("k", load) == "old"
        pool.run()
    (record,) = caplog.records
    assert record.getMessage() == "the load of 'k' in the background failed"
    assert isinstance(record.exc_info[1], ValueError)
    assert cache["k"] == "old"
    assert cache.stats().load_errors == 1
    assert cache.get_or_load("k", str.upper) == "old"
    pool.run()
    assert cache["k"] == "K"


def test_a_refresh_in_the_shared_executor(impl):
    clock = Clock()
    cache = impl.Cache(10, refresh_after=5, timer=clock)
    cache["k"] = "old"
    clock.time += 5
    load = Loader("new")
    assert cache.get_or_load("k", load) == "old"
    assert load.begun.wait(GUARD)
    clock.time += 1
    cache.pop("k")
    waits = start(lambda: cache.get_or_load("k", lambda key: "newest"))
    await_waiters(cache, "k", 1)
    load.go.set()
    assert waits.result() == "newest"


def test_a_refresh_that_has_not_begun_is_taken_over(impl):
    clock, pool = Clock(), Pool()
    cache = impl.Cache(10, ttl=10, refresh_after=5, timer=clock, executor=pool)
    cache["k"] = "old"
    clock.time += 5
    assert cache.get_or_load("k", lambda key: "background") == "old"
    clock.time += 5  # it is dead now
    assert cache.get_or_load("k", lambda key: "foreground") == "foreground"
    pool.run()
    assert cache["k"] == "foreground"
    assert cache.stats().loads == 1


def test_loaders_that_fill_the_executor_do_not_wait_for_it(impl):
    clock = Clock()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        cache = impl.Cache(10, ttl=10, refresh_after=5, timer=clock, executor=pool)
        cache["a"] = cache["b"] = "old"
        clock.time += 5
        go = threading.Event()

        def load_a(key):
            assert go.wait(GUARD)
            return cache.get_or_load("b", lambda key: "b")

        cache.get_or_load("a", load_a)
        cache.get_or_load("b", lambda key: "never")  # waits for a place in the executor
        clock.time += 5
        go.set()
        assert cache.get_or_load("a", str) == "b"


def test_an_executor_that_was_shut_down(impl, caplog):
    clock = Clock()
    pool = concurrent.futures.ThreadPoolExecutor(1)
    pool.shutdown()
    cache = impl.Cache(10, refresh_after=5, timer=clock, executor=pool)
    cache["k"] = "old"
    clock.time += 5
    with caplog.at_level(logging.WARNING, "fastblocks.cache"):
        assert cache.get_or_load("k", str.upper) == "old"
    assert "shutdown" in str(caplog.records[0].exc_info[1])
    assert not cache._flights.table


def test_refresh_in_a_task(impl, caplog):
    clock = Clock()
    cache = impl.Cache(10, refresh_after=5, timer=clock)
    cache["k"] = "old"
    clock.time += 5
    bad, good = AsyncLoader(ValueError("down")), AsyncLoader("new")
    bad.go.set()

    async def main():
        assert await cache.get_or_load_async("k", bad) == "old"
        await until(lambda: not cache._flights.table)
        assert await cache.get_or_load_async("k", good) == "old"
        assert await cache.get_or_load_async("k", good) == "old"
        good.go.set()
        await until(lambda: not cache._flights.table)
        assert await cache.get_or_load_async("k", good) == "new"

    with caplog.at_level(logging.WARNING, "fastblocks.cache"):
        in_loop(main)
    assert [record.getMessage() for record in caplog.records] == [
        "the load of 'k' in the background failed"
    ]
    assert good.keys == ["k"]


def test_a_change_during_a_refresh(impl):
    clock, pool = Clock(), Pool()
    cache = impl.Cache(10, refresh_after=5, timer=clock, executor=pool)
    cache["k"] = "old"
    clock.time += 5

    def load(key):
        cache["k"] = "set meanwhile"
        return "loaded"

    assert cache.get_or_load("k", load) == "old"
    pool.run()
    assert cache["k"] == "set meanwhile"


def test_early_refresh(impl):
    """XFetch: the longer the load and the nearer the end, the likelier is another load."""
    clock, pool = Clock(), Pool()
    cache = impl.Cache(10, ttl=100, early_refresh=1.0, timer=clock, executor=pool, seed=1)

    def load(key):
        clock.time += 1
        return key

    cache.get_or_load("k", load)
    for _ in range(1000):
        cache.get_or_load("k", load)
    assert pool.jobs == []  # 100 times the length of the load before the end: exp(-100)
    clock.time += 98.5
    asked = 0
    while not pool.jobs:
        cache.get_or_load("k", load)
        asked += 1
    assert asked < 50  # each with a probability of exp(-1.5)
    pool.run()
    assert cache.stats().loads == 2
    cache["set"] = 1  # what was never loaded has no length
    clock.time += 99
    for _ in range(100):
        cache.get_or_load("set", load)
    assert pool.jobs == []
