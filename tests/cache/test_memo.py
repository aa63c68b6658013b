"""cached: keys as of functools.lru_cache, methods, coroutines, manners of a function."""

import asyncio
import copy
import functools
import gc
import inspect
import itertools
import pickle
import random
import sys
import threading
import weakref

import pytest

from tests.cache.loaders import AsyncLoader, await_waiters, in_loop, waiters
from tests.cache.memoised import CLASSES, FUNCTIONS
from tests.limit.lines import GUARD, start, until


def counted(function=None):
    """A function that notes its calls."""
    calls = []

    def f(*args, **kwargs):
        calls.append((args, kwargs))
        return function(*args, **kwargs) if function else object()

    f.calls = calls
    return f


# ---- functions ----------------------------------------------------------------------------------


def test_results_are_kept(impl):
    calls = []

    @impl.cached(maxsize=10)
    def f(x, y=0):
        calls.append((x, y))
        return [x, y]

    assert f(1) is f(1)
    assert f(1, 2) == [1, 2]
    assert f(1, y=2) == [1, 2]
    assert calls == [(1, 0), (1, 2), (1, 2)]
    assert f.cache_info() == (1, 3, 10, 3)
    assert f.__wrapped__(1) is not f(1)
    assert len(f.cache) == 3
    assert isinstance(f.cache, impl.Cache)


def test_without_parentheses(impl):
    @impl.cached
    def f(x):
        return [x]

    assert f(1) is f(1)
    assert f.cache.maxsize == 128
    assert impl.cached()(f.__wrapped__).cache.maxsize == 128


def test_keys_are_those_of_lru_cache(impl):
    """The same calls are the same, over many pairs of calls."""

    class Int(int):
        pass

    class Str(str):
        __slots__ = ()

    values = [1, 1.0, True, "a", b"a", None, (1,), ("a",), Int(1), Str("a"), 2, frozenset()]
    calls = [((), {}), ((1,), {"x": 1}), ((1, "x", 1), {}), ((), {"x": 1, "y": 2})]
    calls += [((), {"y": 2, "x": 1}), (((1,),), {}), ((), {"x": 1.0})]
    calls += [((value,), {}) for value in values]
    calls += [(pair, {}) for pair in itertools.product(values[:4], repeat=2)]
    for typed in (False, True):
        ours, theirs = counted(), counted()
        f = impl.cached(1000, typed=typed)(ours)
        g = functools.lru_cache(1000, typed=typed)(theirs)
        rng = random.Random(1)
        for args, kwargs in rng.choices(calls, k=400):
            f(*args, **kwargs)
            g(*args, **kwargs)
            assert len(ours.calls) == len(theirs.calls), (args, kwargs, typed)
        assert f.cache_info()[:2] == g.cache_info()[:2]


def test_cache_key(impl):
    f = impl.cached(counted())
    assert f.cache_key(5) == 5
    assert f.cache_key("a") == "a"
    assert f.cache_key() == ()
    assert f.cache_key(5.0) == (5.0,)
    assert f.cache_key(1, 2) == (1, 2)
    assert f.cache_key(1, x=2) == f.cache_key(1, x=2) != f.cache_key(1, "x", 2)
    f(1, x=2)
    key = f.cache_key(1, x=2)
    assert key in f.cache
    assert pickle.loads(pickle.dumps(key)) == key
    del f.cache[key]
    f(1, x=2)
    assert len(f.__wrapped__.calls) == 2
    typed = impl.cached(typed=True)(counted())
    assert typed.cache_key(1) != typed.cache_key(1.0)
    assert typed.cache_key(x=1) != typed.cache_key(x=1.0)
    assert typed.cache_key(1) == (1, int)


def test_a_key_function(impl):
    wrapped = counted(lambda row, verbose=False: row["id"])
    f = impl.cached(key=lambda row, verbose=False: row["id"])(wrapped)
    assert f({"id": 3}) == f({"id": 3, "more": []}, verbose=True) == 3
    assert len(wrapped.calls) == 1
    assert f.cache_key({"id": 4}) == 4
    assert list(f.cache) == [3]


def test_arguments_by_any_name(impl):
    @impl.cached
    def f(self, instance, key, args, kwargs, function):
        return (self, instance, key, args, kwargs, function)

    assert f(self=1, instance=2, key=3, args=4, kwargs=5, function=6) == (1, 2, 3, 4, 5, 6)
    assert f.cache_key(self=1) == f.cache_key(self=1)


def test_unhashable_arguments(impl):
    f = impl.cached(counted())
    with pytest.raises(TypeError, match="unhashable type: 'list'"):
        f([])
    assert f.__wrapped__.calls == []


def test_errors_are_not_kept(impl):
    @impl.cached
    def f(x):
        calls.append(x)
        if len(calls) < 3:
            raise KeyError(x)
        return x

    calls = []
    for _ in range(2):
        with pytest.raises(KeyError):
            f(1)
    assert f(1) == f(1) == 1
    assert len(calls) == 3
    with pytest.raises(TypeError, match="positional argument"):
        f()


def test_recursion(impl):
    @impl.cached(maxsize=1000)
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    assert fib(100) == 354224848179261915075
    assert fib.cache_info() == (98, 101, 1000, 101)

    @impl.cached
    def endless(n):
        return endless(n)

    with pytest.raises(RuntimeError, match="the load of 1 asks for 1"):
        endless(1)


def test_64_threads_one_call(impl):
    begun, go = threading.Event(), threading.Event()

    @impl.cached
    def f(x):
        calls.append(x)
        begun.set()
        assert go.wait(GUARD)
        return [x]

    calls = []
    threads = [start(lambda: f(7))]
    assert begun.wait(GUARD)
    threads += [start(lambda: f(7)) for _ in range(63)]
    await_waiters(f.cache, 7, 63)
    go.set()
    assert len({id(each.result()) for each in threads}) == 1
    assert calls == [7]


def test_info_clear_parameters(impl):
    f = impl.cached(maxsize=2, ttl=60, tti=30, typed=True, policy="lru")(counted())
    for x in (1, 2, 3, 3):
        f(x)
    info = f.cache_info()
    assert info == (1, 3, 2, 2)
    assert repr(info) == "CacheInfo(hits=1, misses=3, maxsize=2, currsize=2)"
    f.cache_clear()
    assert f.cache_info() == (0, 0, 2, 0)
    f(3)
    assert f.cache_info() == (0, 1, 2, 1)
    assert f.cache_parameters() == {
        "maxsize": 2,
        "typed": True,
        "ttl": 60,
        "tti": 30,
        "policy": "lru",
    }
    f.cache.resize(5)
    assert f.cache_parameters()["maxsize"] == f.cache_info().maxsize == 5


def test_options_reach_the_cache(impl):
    clock = [0.0]
    gone = []
    f = impl.cached(
        10,
        ttl=5,
        timer=lambda: clock[0],
        weigher=lambda key, value: value,
        on_remove=lambda *removed: gone.append(removed),
        seed=3,
    )(lambda x: x)
    f(4)
    f(5)
    assert f.cache_info() == (0, 2, 10, 9)
    clock[0] = 5.0
    f(4)
    assert sorted(gone) == [(4, 4, "expired"), (5, 5, "expired")]
    assert f.cache.seed == 3
    with pytest.raises(ValueError, match="weight 11"):
        f(11)


def test_refresh_after(impl):
    clock, jobs = [0.0], []

    class Pool:
        def submit(self, function, *args):
            jobs.append(functools.partial(function, *args))

    versions = itertools.count()
    f = impl.cached(refresh_after=5, timer=lambda: clock[0], executor=Pool())(
        lambda x: next(versions)
    )
    assert f(1) == 0
    clock[0] = 5.0
    assert f(1) == f(1) == 0
    (job,) = jobs
    job()
    assert f(1) == 1


def test_a_change_during_a_call(impl):
    @impl.cached
    def f(x):
        f.cache_clear()
        return [x]

    assert f(1) == [1]
    assert len(f.cache) == 0


# ---- the manners of a function ------------------------------------------------------------------


def test_names_and_signature(impl):
    def f(x: int, *, y: str = "a") -> list[int]:
        """What it does."""

    f.own = 5
    cached = impl.cached(f)
    for name in ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__", "own"):
        assert getattr(cached, name) == getattr(f, name)
    assert inspect.signature(cached) == inspect.signature(f)
    assert inspect.unwrap(cached) is f
    assert not inspect.iscoroutinefunction(cached)
    assert callable(cached)
    assert repr(cached) == f"<cached {f!r}>"
    assert cached == cached
    assert hash(cached) == hash(cached)
    assert weakref.ref(cached)() is cached
    cached.more = 1
    assert cached.more == 1


def test_attributes_of_a_function_do_not_harm(impl):
    def f(x):
        return [x]

    f.cache = f.cache_info = f._async = "own"
    cached = impl.cached(f)
    assert cached(1) is cached(1)
    assert isinstance(cached.cache, impl.Cache)


def test_pickle_and_copies_are_of_the_name(impl):
    f = FUNCTIONS[impl.__name__]
    assert pickle.loads(pickle.dumps(f)) is f
    assert copy.copy(f) is f
    assert copy.deepcopy([f])[0] is f
    method = CLASSES[impl.__name__].method
    assert pickle.loads(pickle.dumps(method)) is method

    @impl.cached
    def local(x):
        return x

    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(local)


def test_callables_that_are_no_functions(impl):
    class Adder:
        def __call__(self, x):
            return [self, x]

    class Point:
        def __init__(self, x):
            self.x = x

    for function in (Adder(), Point, functools.partial(pow, 2), str.upper, abs):
        f = impl.cached(function)
        argument = "a" if function is str.upper else 5
        assert f(argument) is f(argument)
        assert not inspect.iscoroutinefunction(f)


# ---- methods ------------------------------------------------------------------------------------


class Base:
    def __init__(self, value=0):
        self.value = value
        self.calls = 0

    def compute(self, x):
        self.calls += 1
        return [self.value, x]


def make_class(impl, base=Base, **options):
    class Thing(base):
        @impl.cached(**options)
        def m(self, x, y=0):
            """A method."""
            return self.compute(x)

    return Thing


def test_methods(impl):
    Thing = make_class(impl, maxsize=5)
    a, b = Thing(1), Thing(2)
    assert a.m(3) is a.m(3)
    assert a.m(3) == [1, 3]
    assert b.m(3) == [2, 3]
    assert (a.calls, b.calls) == (1, 1)
    assert a.m.cache_info() == (2, 1, 5, 1)
    assert b.m.cache_info() == (0, 1, 5, 1)
    assert Thing.m.cache_info() == (2, 2, 5, 2)
    assert a.m == a.m
    assert a.m != b.m
    assert a.m.cache_key(3) == 3
    assert 3 in a.m.cache
    assert a.m.cache is not b.m.cache
    a.m.cache_clear()
    assert (a.m.cache_info(), b.m.cache_info()) == ((0, 0, 5, 0), (0, 1, 5, 1))
    a.m(1)
    Thing.m.cache_clear()
    assert Thing.m.cache_info() == (0, 0, 5, 0)
    assert a.m.__self__ is a
    assert a.m.__name__ == "m"
    assert a.m.__doc__ == "A method."
    assert str(inspect.signature(a.m)) == "(x, y=0)"
    assert str(inspect.signature(Thing.m)) == "(self, x, y=0)"


def test_methods_called_through_the_class(impl):
    Thing = make_class(impl)

    class Other(Thing):
        def m(self, x, y=0):
            return super().m(x, y)

    a = Thing(1)
    assert Thing.m(a, 3) is a.m(3)
    assert a.calls == 1
    other = Other(1)
    assert other.m(3) is other.m(3)
    assert other.calls == 1
    gone = weakref.ref(a)
    del a
    assert gone() is None


def test_a_bound_method_is_pickled_with_its_instance(impl):
    thing = CLASSES[impl.__name__]()
    thing.mark = 5
    assert thing.method(1) == [1]
    copied = pickle.loads(pickle.dumps(thing.method))
    assert copied.__self__.mark == 5
    assert copied.cache_info().currsize == 0
    assert copied(1) == [1]


def test_instances_are_not_kept_alive(impl):
    Thing = make_class(impl)
    thing = Thing()
    value = thing.m(1)
    gone, cache = weakref.ref(thing), weakref.ref(thing.m.cache)
    gc.disable()
    try:
        del thing
        assert gone() is None
    finally:
        gc.enable()
    gc.collect()
    assert cache() is None
    assert value == [0, 1]
    assert Thing.m.cache_info() == (0, 0, 128, 0)


def test_many_instances_come_and_go(impl):
    """Another object at the same address is another instance."""
    Thing = make_class(impl)
    for i in range(200):
        assert Thing(i).m(1) == [i, 1]
    assert Thing.m.cache_info() == (0, 0, 128, 0)


def test_instances_need_not_be_hashable_nor_have_a_dict(impl):
    class Slotted:
        __slots__ = ("__weakref__", "calls", "value")
        __hash__ = None
        __init__, compute = Base.__init__, Base.compute

        def __eq__(self, other):
            raise AssertionError

        __bool__ = __len__ = __eq__

    Thing = make_class(impl, Slotted)
    a, b = Thing(1), Thing(1)
    assert a.m(1) is a.m(1)
    assert a.m(1) is not b.m(1)


def test_instances_without_weak_references(impl):
    class Slotted:
        __slots__ = ("x",)

        @impl.cached
        def m(self):
            return 1

    with pytest.raises(TypeError, match=r"a Slotted is gone.*add '__weakref__' to its __slots__"):
        Slotted().m()


def test_key_functions_of_methods_do_not_get_the_instance(impl):
    Thing = make_class(impl, key=lambda x, y=0: x % 10)
    a = Thing()
    assert a.m(3) is a.m(13, y=5)
    assert list(a.m.cache) == [3]


@pytest.mark.parametrize("order", ["outside", "inside"])
@pytest.mark.parametrize("kind", [staticmethod, classmethod])
def test_static_and_class_methods(impl, kind, order):
    calls = []
    arguments = (lambda cls, x: x) if kind is classmethod else (lambda x: x)

    def f(*args):
        calls.append(args)
        return [arguments(*args)]

    class Thing:
        m = kind(impl.cached(f)) if order == "outside" else impl.cached(kind(f))

    class Sub(Thing):
        pass

    assert Thing.m(1) is Thing().m(1) is Thing().m(1)
    assert len(calls) == 1
    Sub.m(1)
    assert len(calls) == (2 if kind is classmethod else 1)
    assert Thing.m.cache_info().currsize == len(calls)
    Thing.m.cache_clear()
    Thing.m(1)
    assert Thing.m.cache_info() == (0, 1, 128, 1)


def test_methods_of_metaclasses(impl):
    class Meta(type):
        @impl.cached
        def m(cls, x):
            return [cls, x]

    class A(metaclass=Meta):
        pass

    class B(metaclass=Meta):
        pass

    assert A.m(1) is A.m(1)
    assert A.m(1) == [A, 1]
    assert B.m(1) == [B, 1]


def test_threads_make_one_cache_of_an_instance(impl):
    calls = []

    class Thing:
        @impl.cached
        def m(self, x):
            calls.append(x)
            return [x]

    for _ in range(20):
        thing = Thing()
        calls.clear()
        line = threading.Barrier(8)

        def ask(thing=thing, line=line):
            line.wait(GUARD)
            return thing.m(1)

        threads = [start(ask) for _ in range(8)]
        assert len({id(each.result()) for each in threads}) == 1
        assert calls == [1]


# ---- coroutine functions ------------------------------------------------------------------------


def test_coroutine_functions(impl):
    calls = []

    @impl.cached(maxsize=10)
    async def f(x, *, y: int = 0) -> list:
        """A coroutine."""
        calls.append(x)
        await asyncio.sleep(0)
        return [x, y]

    async def main():
        first = await f(1)
        assert await f(1) is first
        assert first == [1, 0]
        assert await asyncio.gather(*[f(2) for _ in range(100)]) == [[2, 0]] * 100
        with pytest.raises(TypeError, match="unhashable"):
            await f([])

    in_loop(main)
    assert calls == [1, 2]
    assert f.cache_info() == (1, 101, 10, 2)
    assert inspect.iscoroutinefunction(f)
    assert str(inspect.signature(f)) == "(x, *, y: int = 0) -> list"
    assert f.__doc__ == "A coroutine."
    with pytest.warns(RuntimeWarning, match="never awaited"):
        f(1).__class__, gc.collect()


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="asyncio's own is deprecated")
def test_asyncio_sees_coroutine_functions(impl):
    async def f():
        pass

    assert asyncio.iscoroutinefunction(impl.cached(f))


def test_callables_that_return_coroutines(impl):
    class Fetch:
        async def __call__(self, x):
            return [x]

    async def add(x, y):
        return [x, y]

    for function in (Fetch(), functools.partial(add, 1)):
        f = impl.cached(function)
        assert inspect.iscoroutinefunction(f)

        async def main(f=f):
            assert await f(1) is await f(1)

        in_loop(main)


def test_coroutine_methods(impl):
    class Thing:
        def __init__(self):
            self.calls = 0

        @impl.cached
        async def m(self, x):
            self.calls += 1
            return [self.calls, x]

        @staticmethod
        @impl.cached
        async def s(x):
            return [x]

    async def main():
        a, b = Thing(), Thing()
        assert await a.m(1) is await a.m(1)
        assert await Thing.m(a, 1) is await a.m(1)
        assert await b.m(1) is not await a.m(1)
        assert (a.calls, b.calls) == (1, 1)
        assert inspect.iscoroutinefunction(a.m)
        assert inspect.iscoroutinefunction(Thing.m)
        assert inspect.iscoroutinefunction(Thing.s)
        assert await Thing.s(1) is await a.s(1)

    in_loop(main)


def test_errors_of_coroutines_are_not_kept(impl):
    @impl.cached
    async def f(x):
        calls.append(x)
        if len(calls) == 1:
            raise KeyError(x)
        return x

    calls = []

    async def main():
        with pytest.raises(KeyError):
            await f(1)
        assert await f(1) == 1

    in_loop(main)


def test_1000_tasks_one_call_and_one_is_cancelled(impl):
    load = AsyncLoader()
    f = impl.cached(load)

    async def main():
        tasks = [asyncio.create_task(f(1)) for _ in range(1000)]
        await until(lambda: waiters(f.cache, 1) == 1000)
        tasks[0].cancel()
        load.go.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(answers[0], asyncio.CancelledError)
        assert set(answers[1:]) == {"value"}

    in_loop(main)
    assert load.keys == [1]


def test_a_plain_function_that_returns_a_coroutine(impl):
    async def coroutine():
        pass

    f = impl.cached(lambda: coroutine())
    with pytest.raises(TypeError, match="not a coroutine"):
        f()


# ---- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"maxsize": 0}, ValueError, "maxsize must be in"),
        ({"maxsize": -1}, ValueError, "maxsize must be in"),
        ({"maxsize": None}, TypeError, "maxsize must be an int, not NoneType"),
        ({"maxsize": "5"}, TypeError, "maxsize must be an int, not str"),
        ({"ttl": -1}, ValueError, "ttl must be"),
        ({"ttl": float("nan")}, ValueError, "ttl must be"),
        ({"policy": "fifo"}, ValueError, "policy must be"),
        ({"key": 5}, TypeError, "key must be a function or None, not int"),
        ({"typed": 1}, TypeError, "typed must be a bool, not int"),
        ({"typed": True, "key": str}, ValueError, "typed=True has no effect with a key function"),
        ({"timer": 5}, TypeError, "timer must be"),
        ({"seed": -1}, ValueError, "seed must be"),
        ({"unknown": 1}, TypeError, "unknown"),
    ],
)
def test_bad_arguments(impl, options, error, match):
    with pytest.raises(error, match=match):
        impl.cached(**options)


def generator():
    yield 1


async def async_generator():
    yield 1


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (5, "cached needs a function, not int"),
        (None, "cached needs a function, not NoneType"),
        (property(len), "must stand below property"),
        (generator, "cannot keep what generator returns: a generator"),
        (async_generator, "cannot keep what async_generator returns: a generator"),
    ],
)
def test_bad_functions(impl, function, match):
    with pytest.raises(TypeError, match=match):
        impl.cached()(function)


def test_a_property_above(impl):
    class Thing(Base):
        @property
        @impl.cached
        def p(self):
            return self.compute(1)

    a, b = Thing(1), Thing(2)
    assert a.p is a.p
    assert (a.p, b.p) == ([1, 1], [2, 1])
