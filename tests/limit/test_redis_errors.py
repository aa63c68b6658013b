"""Redis: servers that are away, come back, or refuse."""

import asyncio
import threading
import time

import pytest
import redis

import fastblocks
import fastblocks.pure
from bench.limit.server import Server
from fastblocks.limit import Redis, StorageError
from fastblocks.limit import redis as module
from fastblocks.pure.limit import FixedWindow, LeakyBucket, SlidingWindow
from tests.limit.conftest import PROGRAMS

NOWHERE = "redis://127.0.0.1:1/0"  # nobody listens there


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(module, "PAUSES", (0.01, 0.02))


def limiter_of(url, on_error, rate="3/100day", **options):
    return FixedWindow(rate, storage=Redis(url, on_error=on_error, **options))


def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_raise():
    limiter = limiter_of(NOWHERE, "raise")
    for _ in range(3):
        with pytest.raises(
            StorageError, match=r"Redis at redis://127\.0\.0\.1:1/0 cannot be asked"
        ):
            limiter.allow("k")
    with pytest.raises(ConnectionError):
        limiter.peek("k")


def test_deny():
    limiter = limiter_of(NOWHERE, "deny")
    decision = limiter.hit("k")
    assert decision[:3] == (False, 3, 0)
    assert 0 < decision.retry_after <= 0.1
    assert not limiter.peek("k").allowed
    assert limiter.stats().denied == 1
    assert limiter.hit("k", 4).retry_after == float("inf")


def test_allow():
    limiter = limiter_of(NOWHERE, "allow")
    assert all(limiter.allow("k") for _ in range(10))
    assert limiter.hit("k")[:3] == (True, 3, 2)
    assert not limiter.allow("k", 4)  # that can never pass


def test_local_is_the_default():
    storage = Redis(NOWHERE)
    assert storage.on_error == "local"
    limiter = FixedWindow("3/100day", storage=storage)
    assert [limiter.allow("k") for _ in range(5)] == [True] * 3 + [False] * 2
    assert not storage.available
    with pytest.raises(StorageError):
        limiter.reset("k")
    assert limiter.allow("k")


@pytest.mark.parametrize("on_error", ["raise", "deny", "allow", "local"])
def test_reset_raises_in_any_case(on_error):
    with pytest.raises(StorageError):
        limiter_of(NOWHERE, on_error).reset("k")


def test_a_dead_server_is_not_asked_at_every_call(monkeypatch):
    monkeypatch.setattr(module, "PAUSES", (1000.0, 1000.0))
    storage = Redis(NOWHERE, on_error="deny")
    limiter = FixedWindow("3/day", storage=storage)
    limiter.allow("k")

    class Untouched:
        def ask(self, command):
            raise AssertionError("the server was asked")

    storage._connections = Untouched()
    assert not any(limiter.allow("k") for _ in range(100))
    assert not limiter.allow_many(["k"] * 100).any()


def test_pauses_double_up_to_a_limit(monkeypatch):
    monkeypatch.setattr(module, "PAUSES", (0.1, 1.0))
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    storage = Redis(NOWHERE, on_error="deny")
    asked = []

    class Dead:
        def ask(self, command):
            asked.append(round(now[0] - 1000, 2))
            raise redis.ConnectionError("dead")

    storage._sync, storage._connections = redis.Redis(), Dead()
    limiter = FixedWindow("3/100day", storage=storage)
    for step in range(400):
        now[0] = 1000 + step / 100
        limiter.allow("k")
    assert len(asked) == 7
    assert asked[:4] == pytest.approx([0, 0.1, 0.3, 0.7], abs=0.02)


@pytest.mark.parametrize("on_error", ["raise", "deny", "allow", "local"])
def test_death_and_return_under_load(mortal, on_error):
    """Threads go on through it all, and the limit holds again as soon as the server is there."""
    storage = Redis(mortal.url, on_error=on_error)
    limiter = LeakyBucket("1000000/100day", storage=storage)
    stop, unexpected, raised = threading.Event(), [], []

    def ask():
        try:
            limiter.allow("load")
        except StorageError as error:
            raised.append(error)
        except BaseException as error:
            unexpected.append(error)
            raise

    def work():
        while not stop.is_set():
            ask()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: limiter.stats().allowed > 50)
        assert storage.available
        mortal.kill()
        until(lambda: not storage.available)
        before = limiter.stats()
        if on_error == "raise":
            until(lambda: len(raised) > 20)
        elif on_error == "deny":
            until(lambda: limiter.stats().denied > before.denied + 50)
        else:
            until(lambda: limiter.stats().allowed > before.allowed + 50)
        assert bool(raised) == (on_error == "raise")
        mortal.start()
        until(lambda: storage.available)
        before = limiter.stats()
        until(lambda: limiter.stats().allowed > before.allowed + 50)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not unexpected
    exact = SlidingWindow("5/100day", storage=Redis(mortal.url, on_error="raise"))
    assert sum(exact.allow("k") for _ in range(9)) == 5


def test_death_and_return_in_asyncio(mortal):
    storage = Redis(mortal.url, on_error="local")
    limiter = FixedWindow("3/100day", storage=storage)

    async def main():
        assert await limiter.allow_async("k")
        mortal.kill()
        answers = [await limiter.allow_async("k") for _ in range(5)]
        with pytest.raises(StorageError):
            await limiter.reset_async("k")
        assert not storage.available
        mortal.start()
        await limiter.allow_async("k")
        while not storage.available:
            await asyncio.sleep(0.005)
            await limiter.peek_async("k")
        await storage.aclose()
        return answers

    assert asyncio.run(main()) == [True] * 3 + [False] * 2


@pytest.mark.parametrize("of", ["url", "client"])
def test_a_restart_between_calls_is_not_noticed(mortal, caplog, of):
    """Connections at hand are looked at before anything is sent, and the script is sent again."""
    server = mortal.url if of == "url" else redis.Redis.from_url(mortal.url)
    storage = Redis(server, on_error="raise")
    limiter = FixedWindow("3/100day", storage=storage)
    assert limiter.allow("k")
    for _ in range(2):
        mortal.kill()
        mortal.start()
        assert limiter.allow("k")
        mortal.kill()
        mortal.start()
        assert limiter.allow_many(["k"] * 4).tolist() == [True] * 3 + [False]
    assert not caplog.messages


def test_connections_are_closed_and_made_anew(mortal):
    client = redis.Redis.from_url(mortal.url)
    storage = Redis(mortal.url, on_error="raise")
    limiter = FixedWindow("3/100day", storage=storage)
    assert limiter.allow("k")
    assert len(client.client_list()) == 2
    storage.close()
    until(lambda: len(client.client_list()) == 1)
    assert limiter.allow("k")
    client.client_kill_filter(skipme=True, _type="normal")
    assert limiter.allow("k")
    assert len(client.client_list()) == 2
    storage.close()


@pytest.mark.parametrize("impl", [fastblocks, fastblocks.pure], ids=["native", "pure"])
@pytest.mark.parametrize("on_error", ["raise", "deny", "allow", "local"])
def test_a_server_that_dies_in_a_batch(mortal, monkeypatch, on_error, impl):
    """What it answered stays; the rest is as `on_error` says."""
    storage = Redis(mortal.url, on_error=on_error)
    limiter = impl.limit.FixedWindow("2/100day", storage=storage)
    assert limiter.allow("a")
    ask_all = storage._connections.ask_all

    def dies(commands):
        yield from ask_all(commands[:3])
        raise redis.ConnectionError("gone")

    monkeypatch.setattr(storage._connections, "ask_all", dies)
    keys = ["a", "a", "b", "a", "a", "a", "c"]
    if on_error == "raise":
        with pytest.raises(StorageError, match="gone"):
            limiter.allow_many(keys)
        assert limiter.stats()[:2] == (3, 1)
        return
    rest = {"deny": [False] * 4, "allow": [True] * 4, "local": [True, True, False, True]}
    assert limiter.allow_many(keys).tolist() == [True, False, True, *rest[on_error]]
    assert not storage.available


def test_a_server_that_hangs_in_a_batch(mortal):
    storage = Redis(mortal.url, on_error="deny", timeout=0.05)
    limiter = FixedWindow("3/100day", storage=storage)
    assert limiter.allow("k")
    redis.Redis.from_url(mortal.url).execute_command("CLIENT", "PAUSE", 10_000, "ALL")
    assert not limiter.allow_many(range(2000)).any()
    assert not storage.available


def test_it_is_logged_once(mortal, caplog):
    storage = Redis(mortal.url)
    limiter = FixedWindow("3/100day", storage=storage)
    mortal.kill()
    for _ in range(5):
        limiter.allow("k")
    assert len(caplog.messages) == 1
    assert "cannot be asked (on_error='local')" in caplog.text
    mortal.start()
    until(lambda: limiter.peek("k") and storage.available)
    assert "answers again" in caplog.messages[-1]
    assert len(caplog.messages) == 2


def test_a_server_that_hangs_costs_the_timeout(mortal):
    storage = Redis(mortal.url, on_error="deny", timeout=0.05)
    limiter = FixedWindow("3/100day", storage=storage)
    assert limiter.allow("k")
    redis.Redis.from_url(mortal.url).execute_command("CLIENT", "PAUSE", 10_000, "ALL")
    assert not limiter.allow("k")
    assert not storage.available


def test_wrong_passwords_are_raised_whatever_is_set():
    with Server(PROGRAMS["valkey"], "--requirepass", "right") as locked:
        right = locked.url.replace("://", "://:right@")
        assert limiter_of(right, "raise").allow("k")
        for url in (locked.url, locked.url.replace("://", "://:wrong@")):
            for on_error in ("raise", "deny", "allow", "local"):
                limiter = limiter_of(url, on_error)
                with pytest.raises(StorageError, match="refuses the credentials"):
                    limiter.allow("k")
                with pytest.raises(StorageError, match="refuses the credentials"):
                    limiter.reset("k")
                with pytest.raises(StorageError, match="refuses the credentials"):
                    limiter.allow_many(["k"])
                with pytest.raises(StorageError, match="refuses the credentials"):
                    asyncio.run(limiter_async(limiter))


async def limiter_async(limiter):
    try:
        await limiter.allow_async("k")
    finally:
        await limiter.storage.aclose()


def test_replicas_and_full_servers_cannot_be_asked(mortal):
    client = redis.Redis.from_url(mortal.url)
    limiter = limiter_of(mortal.url, "deny")
    assert limiter.allow("k")
    client.config_set("maxmemory", 1)
    assert not limiter.allow("other")
    assert not limiter.storage.available
    client.config_set("maxmemory", 0)
    until(lambda: limiter.allow("other") or not limiter.allow("x"))
    until(lambda: limiter.peek("y").allowed)
    client.execute_command("REPLICAOF", "127.0.0.1", "1")
    client.config_set("replica-serve-stale-data", "yes")
    until(lambda: not limiter.allow("z"))
    assert not limiter.storage.available
