"""Store: the patterns, and that write-behind loses nothing and keeps order."""

import gc
import itertools
import logging
import os
import random
import subprocess
import sys
import textwrap
import threading
import weakref

import pytest

import fastblocks
import fastblocks.pure
from fastblocks.cache import Store, StoreError, StoreFullError
from tests.cache.loaders import Loader, await_waiters
from tests.limit.lines import GUARD, start
from tests.threads import run_together

EVERY = ["cache-aside", "read-through", "write-through", "write-behind", "refresh-ahead"]
FOREVER = 1e6  # seconds: not in this test


class Source:
    """A source of truth that notes what is done to it, and can be down."""

    def __init__(self, **values):
        self.values = values
        self.log = []
        self.down = False  # or the number of calls that fail
        self.failed = threading.Semaphore(0)
        self.written = threading.Semaphore(0)

    def _call(self, name, *args):
        if self.down:
            self.down = self.down if self.down is True else self.down - 1
            self.failed.release()
            raise ConnectionError("down")
        self.log.append((name, *args))

    def load(self, key):
        self._call("load", key)
        return self.values[key]

    def load_many(self, keys):
        self._call("load_many", keys)
        return {key: self.values[key] for key in keys if key in self.values}

    def write(self, key, value):
        self._call("write", key, value)
        self.values[key] = value
        self.written.release()

    def write_many(self, values):
        self._call("write_many", values)
        self.values.update(values)
        self.written.release()

    def delete(self, key):
        self._call("delete", key)
        self.values.pop(key, None)
        self.written.release()

    def functions(self, *names):
        return {name: getattr(self, name) for name in names}


ALL = ("load", "load_many", "write", "write_many", "delete")


def make(impl, source, *names, mode="cache-aside", cache=None, **options):
    if cache is None:
        cache = impl.Cache(100, refresh_after=FOREVER if mode == "refresh-ahead" else None)
    return Store(cache, **source.functions(*(names or ALL)), mode=mode, **options)


@pytest.fixture
def source():
    return Source(a=1, b=2)


def behind(impl, source, *names, **options):
    """A store that writes only when it is flushed, or has a full batch."""
    options = {"flush_interval": FOREVER, "retry": (1e-4, 1e-3), **options}
    return make(impl, source, *names, mode="write-behind", **options)


def test_one_class_for_native_and_pure():
    assert fastblocks.Store is fastblocks.pure.Store is Store
    assert fastblocks.pure.cache.StoreError is StoreError


# ---- reading ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", EVERY)
def test_reading(impl, source, mode):
    with make(impl, source, mode=mode) as store:
        assert store.get("a") == store.get("a") == 1
        assert source.log == [("load", "a")]
        assert store.get("c") is None
        assert store.get("c", "none") == "none"
        assert store.cache.peek("a") == 1
        assert "c" not in store.cache
        assert store.mode == mode


@pytest.mark.parametrize("mode", EVERY)
def test_reading_many(impl, source, mode):
    with make(impl, source, mode=mode) as store:
        store.get("b")
        assert store.get_many(["c", "b", "a", "d", "a"]) == {"b": 2, "a": 1}
        assert list(store.get_many(["b", "a"])) == ["b", "a"]
        assert source.log == [("load", "b"), ("load_many", ["c", "a", "d"])]
        assert store.get_many([]) == {}


@pytest.mark.parametrize("name", ["load", "load_many"])
def test_one_function_serves_one_and_many(impl, source, name):
    store = make(impl, source, name)
    assert store.get_many(["a", "c", "b"]) == {"a": 1, "b": 2}
    store.cache.clear()
    assert store.get("a") == 1
    assert store.get("c", 0) == 0


def test_one_load_however_many_ask(impl):
    load = Loader("value")
    store = Store(impl.Cache(10), load=load)
    first = start(lambda: store.get("k"))
    assert load.begun.wait(GUARD)
    others = [start(lambda: store.get("k")) for _ in range(10)]
    many = start(lambda: store.get_many(["k"]))
    await_waiters(store.cache, "k", 11)
    load.go.set()
    assert {each.result() for each in [first, *others]} == {"value"}
    assert many.result() == {"k": "value"}
    assert load.keys == ["k"]


def test_errors_of_loads(impl, source):
    store = make(impl, source)
    source.down = 2
    with pytest.raises(ConnectionError):
        store.get("a")
    with pytest.raises(ConnectionError):
        store.get_many(["a", "b"])
    assert store.get("a") == 1


def test_a_key_error_of_another_key_is_an_error(impl):
    def load(key):
        row = {"name": key}
        return row["nmae"]

    store = Store(impl.Cache(10), load=load)
    with pytest.raises(KeyError, match="nmae"):
        store.get("a")
    with pytest.raises(KeyError, match="nmae"):
        store.get_many(["a"])


def test_load_many_returns_a_mapping(impl):
    store = Store(impl.Cache(10), load_many=list)
    with pytest.raises(TypeError, match="load_many must return a mapping of values by key, not li"):
        store.get("a")


def test_values_with_an_equality_of_their_own(impl):
    class Array:
        def __eq__(self, other):
            raise ValueError("ambiguous")

        __hash__ = None

    value = Array()
    store = Store(impl.Cache(10), load_many=lambda keys: dict.fromkeys(keys, value))
    assert store.get("a") is value
    assert store.get_many(["a", "b"])["b"] is value


# ---- writing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["cache-aside", "read-through"])
def test_aside(impl, source, mode):
    store = make(impl, source, mode=mode)
    store.get("a")
    store.set("a", 10)
    assert source.values["a"] == 10
    assert "a" not in store.cache
    assert store.get("a") == 10
    store.delete("a")
    assert store.get("a") is None
    assert source.log[1:] == [
        ("write", "a", 10),
        ("load", "a"),
        ("delete", "a"),
        ("load", "a"),
    ]


@pytest.mark.parametrize("mode", ["write-through", "refresh-ahead"])
def test_through(impl, source, mode):
    store = make(impl, source, mode=mode)
    store.set("a", 10, tags=("t",))
    assert (source.values["a"], store.cache.peek("a")) == (10, 10)
    assert store.get("a") == 10
    assert store.cache.invalidate_tag("t") == 1
    store.delete("a")
    assert store.get("a") is None
    assert source.log == [("write", "a", 10), ("delete", "a"), ("load", "a")]


@pytest.mark.parametrize("mode", ["cache-aside", "write-through"])
def test_set_many(impl, source, mode):
    store = make(impl, source, mode=mode)
    store.set_many({"a": 10, "c": 30})
    store.set_many([("d", 40)])
    store.set_many({})
    assert source.log == [("write_many", {"a": 10, "c": 30}), ("write", "d", 40)]
    assert len(store.cache) == (0 if mode == "cache-aside" else 3)
    assert store.get_many(["a", "c", "d"]) == {"a": 10, "c": 30, "d": 40}
    single = make(impl, source, "load", "write", mode=mode)
    single.set_many({"x": 1, "y": 2})
    assert source.log[-2:] == [("write", "x", 1), ("write", "y", 2)]
    many = make(impl, source, "load", "write_many", mode=mode)
    many.set("z", 3)
    assert source.log[-1] == ("write_many", {"z": 3})


def test_cache_aside_by_hand(impl):
    """Without functions, the application does it all."""
    store = Store(impl.Cache(10))
    assert store.get("a") is None
    store.set("a", 1)
    store.set_many({"b": 2})
    assert store.get_many(["a", "b", "c"]) == {"a": 1, "b": 2}
    store.delete("a")
    assert store.get("a", "none") == "none"
    assert store.flush()
    store.close()


@pytest.mark.parametrize("mode", ["cache-aside", "read-through", "write-through", "refresh-ahead"])
def test_a_write_that_fails(impl, source, mode):
    store = make(impl, source, mode=mode)
    assert store.get("a") == 1
    source.down = 1
    with pytest.raises(ConnectionError):
        store.set("a", 10)
    assert "a" not in store.cache  # nobody knows what the source has
    assert store.get("a") == 1
    source.down = 1
    with pytest.raises(ConnectionError):
        store.delete("a")
    assert store.get("a") == 1


def test_a_write_that_fails_without_loads_leaves_the_entry(impl, source):
    store = make(impl, source, "write", mode="write-through")
    store.set("a", 10)
    source.down = 1
    with pytest.raises(ConnectionError):
        store.set("a", 11)
    assert store.get("a") == 10


@pytest.mark.parametrize("mode", ["write-through", "write-behind"])
def test_what_the_cache_refuses(impl, source, mode):
    cache = impl.Cache(10, weigher=lambda key, value: value)
    store = make(impl, source, mode=mode, cache=cache)
    store.set("a", 5)
    with pytest.raises(ValueError, match="weight 11"):
        store.set("a", 11)
    store.flush()
    assert store.get("a") == source.values["a"] if mode == "write-behind" else "a" not in cache
    for bad in ({"ttl": -1}, {"tags": "t"}):
        with pytest.raises((ValueError, TypeError), match="t"):
            store.set("b", 7, **bad)
    assert source.values["b"] == 2
    store.close()


@pytest.mark.parametrize("mode", ["cache-aside", "write-through", "write-behind"])
def test_a_load_that_began_before_a_write_is_not_kept(impl, source, mode):
    load = Loader("old")
    with Store(impl.Cache(10), load=load, write=source.write, delete=source.delete, mode=mode) as s:
        reader = start(lambda: s.get("k"))
        assert load.begun.wait(GUARD)
        s.set("k", "new")
        load.go.set()
        assert reader.result() == "old"
        load.value = "new"
        assert s.get("k") == "new"
        s.delete("k")
        assert "k" not in s.cache


def test_writers_of_a_key_leave_cache_and_source_equal(impl, switch_often):
    for mode in ("write-through", "write-behind"):
        source = Source()
        store = behind(impl, source) if mode == "write-behind" else make(impl, source, mode=mode)
        numbers = itertools.count()

        def work(store=store, numbers=numbers):
            for _ in range(50):
                store.set("k", next(numbers))

        run_together(*[work] * 4)
        store.close()
        assert store.cache.peek("k") == source.values["k"]


def test_refresh_ahead(impl, source):
    clock, jobs = [0.0], []

    class Pool:
        def submit(self, function, *args):
            jobs.append(lambda: function(*args))

    cache = impl.Cache(10, refresh_after=5, timer=lambda: clock[0], executor=Pool())
    store = make(impl, source, mode="refresh-ahead", cache=cache)
    assert store.get("a") == 1
    source.values["a"] = 10
    clock[0] = 5.0
    assert store.get("a") == 1
    jobs.pop()()
    assert store.get("a") == 10


# ---- write-behind -------------------------------------------------------------------------------


def test_behind(impl, source):
    store = behind(impl, source)
    store.set("a", 10)
    store.set("c", 30)
    store.set("a", 11)
    assert store.pending == 2
    assert source.log == []
    assert store.get("a") == 11
    assert store.flush()
    assert source.log == [("write_many", {"a": 11, "c": 30})]
    assert store.pending == 0
    store.delete("a")
    assert store.get("a") is None
    assert source.values["a"] == 11
    store.close()
    assert source.log[1:] == [("delete", "a")]
    assert repr(store) == f"Store({store.cache!r}, mode='write-behind', pending=0)"


def test_what_waits_is_read_although_it_was_evicted(impl, source):
    store = behind(impl, source, cache=impl.Cache(1))
    store.set("a", 10)
    store.delete("b")
    store.set("c", 30)
    store.cache.clear()
    assert store.get("a") == 10
    store.cache.clear()
    assert store.get("b", "gone") == "gone"
    assert store.get_many(["b", "c", "a", "x"]) == {"c": 30, "a": 10}
    assert [entry for entry in source.log if entry[0] == "load"] == []
    store.close()
    blind = behind(impl, source, "write", "delete", cache=impl.Cache(1))
    blind.set("a", 10)
    blind.delete("b")
    blind.cache.clear()
    assert blind.get("a") == 10
    blind.cache.clear()
    assert blind.get_many(["a", "b"]) == {"a": 10}
    assert blind.get("b") is None
    blind.close()


def test_what_is_being_written_is_read(impl, source):
    going = Loader()

    def write(key, value):
        going(key)
        source.write(key, value)

    store = Store(impl.Cache(10), load=source.load, write=write, mode="write-behind")
    store.set("a", 10)
    flushed = start(store.flush)
    assert going.begun.wait(GUARD)
    store.cache.clear()
    assert store.get("a") == 10
    store.set("a", 11)
    store.cache.clear()
    assert store.get("a") == 11
    going.go.set()
    assert flushed.result()
    store.close()
    assert source.log == [("write", "a", 10), ("write", "a", 11)]


def test_a_full_batch_is_written_at_once(impl, source):
    store = behind(impl, source, batch_size=3)
    for i in range(7):
        store.set(i, i)
    assert source.written.acquire(timeout=GUARD)
    assert source.log[0] == ("write_many", {0: 0, 1: 1, 2: 2})
    store.close()
    assert {key: source.values[key] for key in range(7)} == {i: i for i in range(7)}


def test_a_batch_that_is_not_full_is_written_after_a_while(impl, source):
    store = behind(impl, source, flush_interval=1e-3)
    store.set("a", 10)
    assert source.written.acquire(timeout=GUARD)
    assert source.values["a"] == 10
    store.close()


def test_order_of_writes_and_deletions(impl, source):
    store = behind(impl, source)
    store.set("x", 1)
    store.set("y", 2)
    store.delete("a")
    store.set("z", 3)
    store.delete("z")
    store.delete("b")
    store.set("b", 5)
    store.close()
    assert source.log == [
        ("write_many", {"x": 1, "y": 2}),
        ("delete", "a"),
        ("delete", "z"),
        ("write", "b", 5),
    ]


@pytest.mark.parametrize("functions", [("write",), ("write_many",), ("write", "write_many")])
def test_an_outage_loses_nothing(impl, functions, caplog):
    """Writers go on while the source is down; in the end it has the last value of each key."""
    source = Source()
    rng = random.Random(5)
    store = behind(impl, source, *functions, "delete", batch_size=4, flush_interval=1e-4)
    last = {}
    with caplog.at_level(logging.CRITICAL):
        for i in range(400):
            if i == 50:
                source.down = True
            if i == 300:
                for _ in range(3):
                    assert source.failed.acquire(timeout=GUARD)
                source.down = False
            key = rng.randrange(40)
            if rng.random() < 0.2:
                store.delete(key)
                last.pop(key, None)
            else:
                store.set(key, i)
                last[key] = i
        assert store.flush(GUARD)
        store.close()
    assert source.values == last
    assert store.pending == 0
    written = {}
    for name, *rest in source.log:  # the writes of a key are in order
        for key, value in rest[0].items() if name == "write_many" else [rest] * (name == "write"):
            assert written.get(key, -1) < value
            written[key] = value


def test_one_that_fails_does_not_stand_in_the_way(impl):
    written, errors, all_others = {}, [], threading.Event()

    def write_many(values):
        if "bad" in values:
            raise ValueError("bad")
        written.update(values)
        if len(written) == 3:
            all_others.set()

    store = Store(
        impl.Cache(10),
        write_many=write_many,
        mode="write-behind",
        flush_interval=0,
        retry=(1e-4, 1e-3),
        on_error=lambda key, value, error: errors.append((key, value, str(error))),
    )
    store.set_many({"x": 1, "bad": 2, "y": 3, "z": 4})
    assert all_others.wait(GUARD)
    assert not store.flush(0.01)
    assert written == {"x": 1, "y": 3, "z": 4}
    assert set(errors) == {("bad", 2, "bad")}
    with pytest.raises(StoreError, match=r"1 writes could not be .* in 0\.01 seconds") as e:
        store.close(0.01)
    assert e.value.pending == {"bad": 2}
    assert isinstance(e.value.__cause__, ValueError)


def test_giving_up(impl, source):
    told = []

    def give_up(key, value, error):
        told.append((key, value, type(error)))
        return len(told) == 3

    source.down = True
    store = behind(impl, source, on_error=give_up)
    store.delete("a")
    assert store.flush()
    assert told == [("a", None, ConnectionError)] * 3
    assert store.pending == 0
    store.close()


def test_an_on_error_that_fails(impl, source, caplog):
    def on_error(key, value, error):
        raise ZeroDivisionError

    source.down = 3
    store = behind(impl, source, on_error=on_error)
    store.set("a", 10)
    with caplog.at_level(logging.ERROR, "fastblocks.cache"):
        store.close()
    assert [record.getMessage() for record in caplog.records] == ["on_error of a store failed"] * 3
    assert source.values["a"] == 10


def test_failures_are_logged(impl, source, caplog):
    source.down = 1
    store = behind(impl, source)
    store.set("a", 10)
    with caplog.at_level(logging.WARNING, "fastblocks.cache"):
        store.close()
    (record,) = caplog.records
    assert record.getMessage() == "writing 'a' failed; it will be tried again"


def test_pauses_double(impl, source, monkeypatch):
    pauses = []
    monkeypatch.setattr(
        "fastblocks.cache._behind.WriteBehind._pause",
        lambda self, seconds, hurried: pauses.append(seconds),
    )
    source.down = 6
    store = behind(impl, source, retry=(1.0, 10.0), on_error=lambda *_: None)
    store.set("a", 10)
    store.close()
    assert pauses == [1, 2, 4, 8, 10, 10]
    source.down = 1
    store = behind(impl, source, retry=(1.0, 10.0), on_error=lambda *_: None)
    store.set("a", 10)
    store.close()
    assert pauses[6:] == [1]


def test_flush_does_not_wait_for_the_end_of_a_pause(impl, source):
    source.down = 1
    store = behind(impl, source, retry=(FOREVER, FOREVER), on_error=lambda *_: None)
    store.set("a", 10)
    first = start(store.flush)
    assert source.failed.acquire(timeout=GUARD)
    assert store.flush()
    assert first.result()
    store.close()


def test_flush_waits_for_what_was_accepted_before(impl):
    """Not for what comes meanwhile."""
    going = Loader()
    written = []

    def write(key, value):
        if value == "later":
            going(key)
        written.append((key, value))

    store = Store(impl.Cache(10), write=write, mode="write-behind", flush_interval=FOREVER)
    store.set("a", 1)
    assert store.flush()
    store.set("b", "later")
    later = start(store.flush)
    assert going.begun.wait(GUARD)
    assert not store.flush(0)
    going.go.set()
    assert later.result()
    assert written == [("a", 1), ("b", "later")]
    store.close()


def test_a_bounded_queue_blocks(impl, source):
    store = behind(impl, source, max_pending=2, flush_interval=FOREVER, batch_size=100)
    source.down = True
    store.set("a", 10)
    store.set("b", 20)
    store.set("a", 11)  # needs no place of its own
    blocked = start(lambda: store.set("c", 30))
    assert not store.flush(0.01)
    assert store.pending == 2
    assert "c" not in store.cache
    source.down = False
    assert store.flush()
    blocked.result()
    store.close()
    assert source.values == {"a": 11, "b": 20, "c": 30}


def test_a_bounded_queue_raises(impl, source):
    store = behind(impl, source, max_pending=2, on_full="raise")
    store.set("a", 10)
    store.set("b", 20)
    with pytest.raises(StoreFullError, match="max_pending=2 writes are pending"):
        store.set("c", 30)
    with pytest.raises(StoreFullError):
        store.delete("c")
    assert "c" not in store.cache
    store.set("a", 11)
    store.flush()
    store.set("c", 30)
    store.close()
    assert source.values == {"a": 11, "b": 20, "c": 30}


def test_the_writing_thread_may_use_the_store(impl):
    written = []

    def write(key, value):
        written.append(key)
        if key == "a":
            store.set("more", 1)
            for call in (store.flush, store.close):
                with pytest.raises(RuntimeError, match="cannot wait for its writes"):
                    call()
            with pytest.raises(StoreFullError):
                store.set("too many", 1)

    store = Store(impl.Cache(10), write=write, mode="write-behind", max_pending=2)
    store.set("a", 1)
    assert store.flush()
    assert store.flush()
    assert written == ["a", "more"]
    store.close()


def test_closed(impl, source):
    store = behind(impl, source)
    store.set("a", 10)
    store.close()
    store.close()
    for change in (lambda: store.set("a", 1), lambda: store.delete("a")):
        with pytest.raises(RuntimeError, match="this store is closed"):
            change()
    assert store.get("a") == source.values["a"] == 10
    assert store.flush()


def test_close_tells_what_is_left_and_may_be_repeated(impl, source):
    store = behind(impl, source, on_error=lambda *_: None)
    source.down = True
    store.set("x", 10)
    store.delete("a")
    flushed = start(store.flush)
    for _ in range(3):
        assert source.failed.acquire(timeout=GUARD)
    with pytest.raises(StoreError, match="2 writes could not be carried out") as caught:
        store.close(timeout=0.01)
    assert (caught.value.pending, caught.value.deletions) == ({"x": 10}, ["a"])
    assert isinstance(caught.value.__cause__, ConnectionError)
    assert store.pending == 2
    source.down = False
    store.close()
    assert flushed.result()
    assert source.values == {"b": 2, "x": 10}


def test_a_with_closes(impl, source):
    with behind(impl, source) as store:
        store.set("a", 10)
    assert source.values["a"] == 10


def test_a_store_that_is_dropped_writes_what_it_has(impl, source):
    store = behind(impl, source)
    store.set("a", 10)
    thread = store._queue._thread
    gone = weakref.ref(store)
    del store
    gc.collect()
    assert gone() is None
    thread.join(GUARD)
    assert not thread.is_alive()
    assert source.values["a"] == 10


def test_exit_writes_what_is_left(tmp_path):
    path = tmp_path / "written"
    program = f"""
        from fastblocks import Cache, Store

        def write(key, value):
            with open({str(path)!r}, "a") as file:
                file.write(f"{{key}}={{value}} ")

        store = Store(Cache(10), write=write, mode="write-behind", flush_interval=1e6)
        store.set("a", 1)
        store.set("b", 2)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=GUARD)
    assert path.read_text() == "a=1 b=2 "


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_leaves_the_parent_s_writes_to_it(impl, tmp_path):
    path = tmp_path / "written"

    def write(key, value):
        with path.open("a") as file:
            file.write(f"{key}={value} ")

    store = Store(impl.Cache(10), write=write, mode="write-behind", flush_interval=FOREVER)
    store.set("parent", 1)
    child = os.fork()
    if child == 0:
        try:
            ok = store.pending == 0
            store.set("child", 2)
            ok = ok and store.flush(GUARD)
        finally:
            os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert path.read_text() == "child=2 "
    store.close()
    assert path.read_text() == "child=2 parent=1 "


def test_threads_write_and_read_their_own_writes(impl, switch_often):
    source = Source()
    store = behind(
        impl, source, batch_size=7, flush_interval=1e-4, max_pending=20, cache=impl.Cache(10)
    )

    def work(name):
        for i in range(100):
            store.set((name, i % 30), i)
            assert store.get((name, i % 30)) == i

    run_together(*[lambda name=name: work(name) for name in "abcd"])
    store.close()
    assert source.values == {(name, i % 30): i for name in "abcd" for i in range(100)}


# ---- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"cache": {}}, TypeError, "cache must be a Cache, not dict"),
        ({"load": 5}, TypeError, "load must be a function or None, not int"),
        ({"on_error": "log"}, TypeError, "on_error must be a function or None, not str"),
        ({"mode": "behind"}, ValueError, "mode must be 'cache-aside', .* not 'behind'"),
        ({"mode": None}, TypeError, "mode must be a str, not NoneType"),
        ({"mode": "read-through"}, ValueError, "mode 'read-through' needs load or load_many"),
        ({"mode": "write-through"}, ValueError, "mode 'write-through' needs write or write_many"),
        ({"mode": "write-behind"}, ValueError, "mode 'write-behind' needs write or write_many"),
        (
            {"mode": "refresh-ahead", "load": str},
            ValueError,
            "mode 'refresh-ahead' needs a cache with refresh_after or early_refresh",
        ),
        ({"max_pending": 0}, ValueError, "max_pending must be in"),
        ({"batch_size": 1.5}, TypeError, "batch_size must be an int, not float"),
        ({"flush_interval": -1}, ValueError, "flush_interval must be in"),
        ({"on_full": "drop"}, ValueError, "on_full must be 'block' or 'raise', not 'drop'"),
        ({"retry": 5}, TypeError, r"retry must be a pair of seconds \(first, most\), not 5"),
        ({"retry": (0, 5)}, ValueError, r"retry\[0\] must be above 0 seconds"),
        ({"retry": (6, 5)}, ValueError, "retry must not begin with more seconds than the most"),
    ],
)
def test_bad_arguments(impl, options, error, match):
    options = {"cache": impl.Cache(10), **options}
    with pytest.raises(error, match=match):
        Store(options.pop("cache"), **options)


def test_what_a_store_cannot_do(impl, source):
    store = make(impl, source, "load", mode="read-through")
    with pytest.raises(RuntimeError, match="cannot write: it was made without write"):
        store.set("a", 1)
    with pytest.raises(RuntimeError, match="cannot delete: it was made without delete"):
        store.delete("a")
    for mode in ("cache-aside", "write-through", "write-behind"):
        with (
            make(impl, source, "write", mode=mode) as store,
            pytest.raises(RuntimeError, match="cannot delete: it was made without delete"),
        ):
            store.delete("a")
    with pytest.raises(TypeError, match="unhashable"):
        make(impl, source).set([], 1)
    with pytest.raises(TypeError, match="keys must be"):
        make(impl, source).get_many("a")
    for timeout in (-1, float("nan")):
        with pytest.raises(ValueError, match="timeout must be"):
            make(impl, source).flush(timeout)
        with pytest.raises(ValueError, match="timeout must be"):
            make(impl, source).close(timeout)
