"""Redis: the same decisions as everywhere, from one script on a real server."""

import asyncio
import copy
import itertools
import pickle
import random
import subprocess
import sys
import threading
import time

import pytest
import redis
import redis.asyncio
from redis.crc import key_slot

import fastblocks.limit
import fastblocks.pure.limit
from bench.limit.server import Server
from fastblocks.limit import Redis, StorageError
from fastblocks.pure.limit import (
    FixedWindow,
    LeakyBucket,
    Memory,
    Rate,
    SlidingWindow,
    SlidingWindowCounter,
    TokenBucket,
)
from tests.limit.conftest import PROGRAMS

COUNT = itertools.count()
STRATEGIES = [FixedWindow, SlidingWindow, SlidingWindowCounter, LeakyBucket]
LARGEST = Rate(2**32 - 1, 100 * 86400)


class Clock:
    def __init__(self, now=1_700_000_000.0):
        self.now = now

    def __call__(self):
        return self.now


def fresh(server, **options):
    """A storage with names of its own."""
    return Redis(server.url, prefix=f"test{next(COUNT)}", **{"on_error": "raise", **options})


def client_of(server, **options):
    return redis.Redis.from_url(server.url, **options)


# ---- the same decisions ----------------------------------------------------------------------


def trace(rules, n, seed):
    """Arrivals around what the rules admit: (seconds since the last, key, cost, whether to peek).

    Bursts, idle times, a clock that is set back, costs up to above the limit.
    """
    draw = random.Random(seed)
    rule = min(rules, key=lambda rule: rule.period_ns)
    period, limit = rule.period_ns / 1e9, rule.limit
    for _ in range(n):
        step = draw.choice([0, draw.expovariate(limit / period), period * draw.random() / 3])
        if draw.random() < 0.03:
            step = draw.choice([3, -0.5, max(r.period_ns for r in rules) / 1e9 / period])
            step *= period * draw.random()
        cost = draw.choice([1, 1, 1, 2, draw.randint(1, limit), min(limit + 1, 2**32 - 1)])
        yield step, draw.choice(["a", b"b", 3]), cost, draw.random() < 0.2


def assert_same(limiter, other, clock, arrivals):
    for i, (step, key, cost, peek) in enumerate(arrivals):
        clock.now += step
        if peek:
            assert limiter.peek(key) == other.peek(key), i
        else:
            assert limiter.hit(key, cost) == other.hit(key, cost), i
    assert limiter.stats()[:2] == other.stats()[:2]
    assert min(limiter.stats()[:2]) > 0


@pytest.mark.parametrize("rates", ["10/second", "5/second;12/7second;300/hour"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_decisions_are_those_of_memory(server, strategy, rates):
    clock = Clock()
    limiter = strategy(rates, storage=fresh(server), timer=clock)
    other = strategy(rates, storage=Memory(), timer=clock)
    assert_same(limiter, other, clock, trace(limiter._rules, 2500, 1))


@pytest.mark.parametrize("now", [1_700_000_000.0, -5e9, 8.9e9, 0.0])
@pytest.mark.parametrize(
    ("strategy", "rate"),
    [
        (FixedWindow, LARGEST),
        (SlidingWindowCounter, LARGEST),
        (LeakyBucket, LARGEST),
        (SlidingWindow, Rate(20_000, 100 * 86400)),
        (FixedWindow, Rate(7, 1e-9)),
        (SlidingWindowCounter, Rate(7, 0.0001237)),
        (SlidingWindowCounter, Rate(2**32 - 1, 8_639_999.999999)),
        (SlidingWindow, Rate(3, 0.333)),
        (LeakyBucket, Rate(7, 0.333)),
        (LeakyBucket, Rate(2**32 - 5, 8_639_999.999999)),
    ],
    ids=repr,
)
def test_decisions_at_the_ends_of_the_range(server, strategy, rate, now):
    clock = Clock(now)
    limiter = strategy(rate, storage=fresh(server), timer=clock)
    other = strategy(rate, storage=Memory(), timer=clock)
    assert_same(limiter, other, clock, trace(limiter._rules, 80, 2))


def test_token_bucket_with_a_rate_of_no_whole_nanoseconds(server):
    clock = Clock()
    limiter = TokenBucket(0.7, 3, storage=fresh(server), timer=clock)
    other = TokenBucket(0.7, 3, timer=clock)
    assert_same(limiter, other, clock, trace(limiter._rules, 300, 3))


def test_counter_where_products_round_alike(server):
    """To the nanosecond before and from which a call passes, near 2**85."""
    draw = random.Random(6)
    limiter = SlidingWindowCounter(Rate(2**32 - 1, 8_639_999.999999), storage=fresh(server))
    storage, other = limiter.storage, Memory()
    ((limit, _, period),) = limiter._rules
    other.bind(limiter._KIND, limiter._rules)
    alike = 0
    for key in range(100):
        before, room = sorted([draw.randrange(2**31, limit), draw.randrange(2**30, limit)])[::-1]
        start = draw.randrange(1, 200) * period
        left = room * period // before
        for this_left in (left + 1, left):  # denied, allowed
            alike += float(before * this_left) == float(room * period)
            calls = [(start - 1, before), (start + period - this_left, limit - room)]
            for now, cost in calls if this_left > left else calls[1:]:
                verdict = storage.decide(storage.token(key), now, cost, True)
                assert verdict[:5] == other.decide(other.token(key), now, cost, True)[:5]
        assert verdict.allowed
    assert alike > 100


def test_log_of_a_thousand_calls(server):
    """Bisection in a long list; a call of much cost is one entry."""
    clock = Clock()
    storage = fresh(server)
    limiter = SlidingWindow("1000/minute", storage=storage, timer=clock)
    other = SlidingWindow("1000/minute", timer=clock)
    for i in range(1200):
        clock.now += 0.05
        assert limiter.hit("k") == other.hit("k")
        if i % 100 == 99:
            assert limiter.hit("k", i) == other.hit("k", i)
            assert limiter.peek("k") == other.peek("k")
    clock.now += 59.7
    assert limiter.hit("k", 990) == other.hit("k", 990)
    assert client_of(server).llen(storage.token("k")) < 40


def test_log_is_bounded_by_the_limit(server):
    storage = fresh(server)
    limiter = SlidingWindow("5/second", storage=storage, timer=(clock := Clock()))
    for _ in range(100):
        clock.now += 0.13
        limiter.hit("k")
    assert client_of(server).llen(storage.token("k")) <= 5


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_servers_clock_is_set_back(server, strategy):
    """What was counted in a time to come stays counted until then, and the waits say so."""
    client = client_of(server)
    prefix = f"test{next(COUNT)}"
    rate, days = ("3/day", 1) if strategy is LeakyBucket else ("3/100day", 100)
    ahead = client.time()[0] + 250 * 86400
    before = strategy(rate, storage=Redis(client, prefix=prefix), timer=lambda: ahead)
    assert before.allow("k", 2)
    limiter = strategy(rate, storage=Redis(server.url, prefix=prefix, on_error="raise"))
    assert limiter.hit("other").allowed
    decision = limiter.hit("k", 3)
    assert not decision.allowed
    if strategy is LeakyBucket:
        assert decision.remaining == 0
    else:
        assert decision.remaining == 1
        assert limiter.allow("k")
    assert not limiter.allow("k")
    decision = limiter.hit("k")
    assert 0 < decision.retry_after <= decision.reset_after <= (250 + 2 * days) * 86400


# ---- the server's clock, names and lifetimes ---------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_by_the_servers_clock(server, strategy):
    limiter = strategy(
        "3/100day" if strategy is not LeakyBucket else "3/day", storage=fresh(server)
    )
    assert [limiter.allow("k") for _ in range(5)] == [True] * 3 + [False] * 2
    decision = limiter.hit("k")
    assert (decision.allowed, decision.limit, decision.remaining) == (False, 3, 0)
    assert 0 < decision.retry_after <= decision.reset_after <= 200 * 86400
    assert limiter.peek("other").remaining == 3
    limiter.reset("k")
    assert limiter.peek("k") == (True, 3, 3, 0.0, 0.0)
    assert limiter.stats() == (3, 3, None, 0)
    assert limiter.top_denied()[0] == ("k", 3)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_keys_live_until_their_quota_is_whole(server, strategy):
    storage, client = fresh(server), client_of(server)
    limiter = strategy("3/20second;9/minute", storage=storage)
    decision = limiter.hit("k")
    for key in storage._keys(storage.token("k")):
        assert 0 < client.pttl(key) <= decision.reset_after * 1000 + 2
    longest = max(client.pttl(key) for key in storage._keys(storage.token("k")))
    assert longest > decision.reset_after * 1000 - 1000


def test_keys_vanish(server):
    storage, client = fresh(server), client_of(server)
    limiter = LeakyBucket(Rate(100, 0.5), storage=storage)
    assert limiter.allow("k")
    for _ in range(100_000):
        if not client.exists(storage.token("k")):
            break
    assert not client.exists(storage.token("k"))
    assert limiter.peek("k").remaining == 100


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_denied_calls_and_peeks_write_nothing(server, strategy):
    storage, client = fresh(server), client_of(server)
    limiter = strategy("2/hour", storage=storage)
    limiter.peek("k")
    limiter.hit("k", 3)
    assert not client.exists(storage.token("k"))
    limiter.hit("k", 2)
    before = client.dump(storage.token("k"))
    assert not limiter.allow("k")
    assert client.dump(storage.token("k")) == before


@pytest.mark.parametrize("key", ["k", b"\xff\0{}", "}", "{}", "", 7, "long" * 100, "a}b", "{a}"])
def test_keys_of_a_call_are_in_one_slot(server, key):
    storage = fresh(server)
    limiter = SlidingWindow("2/hour;3/day", storage=storage)
    keys = storage._keys(storage.token(key))
    assert len(keys) == 2
    assert len({key_slot(name) for name in keys}) == 1
    assert max(map(len, keys)) < 150
    assert [limiter.allow(key) for _ in range(3)] == [True, True, False]
    assert set(client_of(server).keys(storage.prefix + ":*")) == set(keys)


def test_keys_are_the_same_whatever_their_type(server):
    storage = fresh(server)
    limiter = FixedWindow("1/100day", storage=storage)
    assert limiter.allow("a")
    assert not limiter.allow(b"a")
    assert not limiter.allow(bytearray(b"a"))
    assert limiter.allow(5)
    assert not limiter.allow((5).to_bytes(8, "little"))
    with pytest.raises(TypeError, match="key"):
        limiter.allow(1.5)


def test_other_rates_have_other_names(server):
    client = client_of(server)
    made = [FixedWindow("1/100day"), FixedWindow("2/100day"), SlidingWindow("1/100day")]
    made += [SlidingWindowCounter("1/100day"), LeakyBucket("1/100day"), TokenBucket(1, 1)]
    for limiter in made:
        storage = Redis(client, prefix="shared", on_error="raise")
        storage.bind(limiter._KIND, limiter._rules)
        assert storage.decide(storage.token("k"), None, 1, True).allowed
    assert len(client.keys("shared:*")) == len(made)
    again = FixedWindow("1/100day", storage=Redis(client, prefix="shared"))
    assert not again.allow("k")  # another process, the same limit
    client.delete(*client.keys("shared:*"))


def test_storage_is_for_one_strategy_and_rate(server):
    storage = fresh(server)
    FixedWindow("1/second", storage=storage)
    FixedWindow("1/second", storage=storage)
    with pytest.raises(ValueError, match="another strategy or rate"):
        FixedWindow("2/second", storage=storage)


def test_scripts_are_loaded_again(server):
    client = client_of(server)
    limiter = SlidingWindow("4/hour", storage=fresh(server))
    answers = []
    for _ in range(6):
        client.script_flush()
        answers.append(limiter.allow("k"))
    assert answers == [True] * 4 + [False] * 2


def test_one_round_trip(server):
    client = client_of(server)
    limiter = LeakyBucket("4/hour", storage=Redis(client, prefix="trip"))
    limiter.allow("k")
    before = client.info("commandstats")["cmdstat_evalsha"]["calls"]
    total = client.info("stats")["total_commands_processed"]
    for _ in range(10):
        limiter.hit("k")
    assert client.info("commandstats")["cmdstat_evalsha"]["calls"] == before + 10
    inner = 10 * 2 + 3 + 3  # TIME and GET of each, SETs, our own INFOs
    assert client.info("stats")["total_commands_processed"] <= total + 10 + inner
    limiter.reset("k")


# ---- batches -----------------------------------------------------------------------------------


@pytest.fixture(params=["url", "client"])
def batched(request, server):
    """Storages of a URL, whose connections are ours, and of a client."""
    client = client_of(server)

    def make():
        prefix = f"test{next(COUNT)}"
        return Redis(server.url if request.param == "url" else client, prefix=prefix)

    yield make
    client.close()


@pytest.mark.parametrize("impl", [fastblocks, fastblocks.pure], ids=["native", "pure"])
@pytest.mark.parametrize("name", ["FixedWindow", "SlidingWindow", "LeakyBucket"])
def test_batches_are_decided_in_order(batched, impl, name):
    draw = random.Random(5)
    rate = "25/day" if name == "LeakyBucket" else "25/100day"  # nothing comes back meanwhile
    many, one = (getattr(impl.limit, name)(rate, storage=of) for of in (batched(), None))
    keys = [f"key {draw.randrange(40)}" for _ in range(1200)]
    costs = [draw.choice([1, 1, 2, 26]) for _ in keys]
    expected = [one.allow(key, cost) for key, cost in zip(keys, costs, strict=True)]
    assert many.allow_many(keys, costs).tolist() == expected
    assert many.stats()[:2] == one.stats()[:2]
    assert sorted(many.top_denied(1000)) == sorted(one.top_denied(1000))
    assert many.allow_many([]).tolist() == []


def test_batches_learn_the_script(server, batched):
    storage = batched()
    limiter = FixedWindow("3/100day", storage=storage)
    client_of(server).script_flush()
    assert limiter.allow_many(["a", "b", "a", "a", "a"]).tolist() == [True] * 4 + [False]


def test_a_batch_is_few_round_trips(server, monkeypatch):
    storage = fresh(server)
    limiter = FixedWindow("3/100day", storage=storage)
    assert limiter.allow("a")
    sent = []
    ask_all = storage._connections.ask_all
    monkeypatch.setattr(
        storage._connections, "ask_all", lambda commands: sent.append(0) or ask_all(commands)
    )
    assert limiter.allow_many(range(1001)).all()
    assert len(sent) == 3


def test_a_batch_with_a_bad_key_counts_nothing(server):
    for impl in (fastblocks, fastblocks.pure):
        limiter = impl.limit.FixedWindow("1/100day", storage=fresh(server))
        with pytest.raises(TypeError, match="key"):
            limiter.allow_many(["a", 1.5])
        assert limiter.allow("a")


def test_batches_of_others_states_are_refused(server, batched):
    storage = batched()
    limiter = FixedWindow("1/day", storage=storage)
    client_of(server).lpush(storage.token("b"), "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        limiter.allow_many(["a", "b"])
    assert limiter.allow("c")  # the connection is in order


# ---- clients -----------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("options", [{"decode_responses": True}, {"protocol": 3}], ids=str)
def test_clients_of_any_kind(server, strategy, options):
    client = client_of(server, **options)
    clock = Clock()
    storage = Redis(client, prefix=f"test{next(COUNT)}", on_error="raise")
    limiter = strategy("5/second;7/minute", storage=storage, timer=clock)
    other = strategy("5/second;7/minute", timer=clock)
    assert_same(limiter, other, clock, trace(limiter._rules, 100, 4))
    assert "127.0.0.1" in repr(storage)
    client.close()


def test_unix_sockets_and_valkey_urls(server):
    assert FixedWindow("1/day", storage=Redis(server.url.replace("redis", "valkey"))).allow("unix")
    storage = Redis("unix:///nowhere/socket", on_error="raise")
    with pytest.raises(StorageError, match=r"unix:///nowhere/socket cannot be asked"):
        FixedWindow("1/day", storage=storage).allow("k")


def test_cluster_client():
    with Server(PROGRAMS["valkey"], "--cluster-enabled", "yes") as alone:
        plain = client_of(alone)
        plain.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        while plain.cluster("info")["cluster_state"] != "ok":
            time.sleep(0.01)
        client = redis.RedisCluster.from_url(alone.url)
        storage = Redis(client, on_error="raise")
        limiter = SlidingWindow("2/hour;3/day", storage=storage)
        for key in ["a", "}", ""]:
            assert [limiter.allow(key) for _ in range(3)] == [True, True, False]
            limiter.reset(key)
            assert limiter.allow(key)
        plain.script_flush()
        keys = ["b", "c", "b", "b"] * 2
        assert (
            limiter.allow_many(keys).tolist() == [True] * 3 + [False] + [False, True] + [False] * 2
        )
        client.close()
        plain.close()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_asyncio_by_url(server, strategy):
    storage = fresh(server)
    limiter = strategy("3/day;4/2day", storage=storage)

    async def main():
        first = await limiter.hit_async("k")
        answers = await asyncio.gather(*(limiter.allow_async("k") for _ in range(9)))
        peeked = await limiter.peek_async("k")
        await storage.aclose()
        return first, answers, peeked

    first, answers, peeked = asyncio.run(main())
    assert first.remaining == 2
    assert sum(answers) == 2
    assert not peeked.allowed
    assert not limiter.allow("k")  # by the other client, of the same limit

    async def anew():  # in another event loop
        await limiter.reset_async("k")
        allowed = await limiter.allow_async("k")
        await storage.aclose()
        return allowed

    assert asyncio.run(anew())


def test_clients_of_asyncio(server):
    async def main():
        client = redis.asyncio.Redis.from_url(server.url)
        storage = Redis(client, prefix=f"test{next(COUNT)}", on_error="raise")
        limiter = FixedWindow("2/100day", storage=storage)
        with pytest.raises(TypeError, match="client of asyncio"):
            limiter.hit("k")
        with pytest.raises(TypeError, match="client of asyncio"):
            limiter.reset("k")
        answers = [await limiter.allow_async("k") for _ in range(3)]
        await client.script_flush()
        await limiter.reset_async("k")
        answers.append(await limiter.allow_async("k"))
        await client.aclose()
        return answers

    assert asyncio.run(main()) == [True, True, False, True]


def test_sync_clients_are_not_for_asyncio(server):
    limiter = FixedWindow("2/day", storage=Redis(client_of(server)))
    with pytest.raises(TypeError, match="not of asyncio"):
        asyncio.run(limiter.hit_async("k"))


def test_storages_without_asyncio_answer_at_once():
    limiter = FixedWindow("1/100day")

    async def main():
        answers = [await limiter.allow_async("k"), (await limiter.hit_async("k")).allowed]
        await limiter.reset_async("k")
        return [*answers, (await limiter.peek_async("k")).allowed]

    assert asyncio.run(main()) == [True, False, True]


# ---- many at once ------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_threads_admit_the_limit(server, strategy):
    limiter = strategy("100/100day", storage=fresh(server))
    allowed = []

    def work():
        allowed.extend(limiter.allow("k") for _ in range(50))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(allowed) == 100
    assert limiter.stats()[:2] == (100, 100)


WORKER = """
import sys
from fastblocks.pure.limit import LeakyBucket, Redis
storage = Redis(sys.argv[1], prefix=sys.argv[2], on_error="raise")
limiter = LeakyBucket("100/100day", storage=storage)
print(sum(limiter.allow("k") for _ in range(80)))
"""


def test_processes_admit_the_limit(server):
    command = [sys.executable, "-c", WORKER, server.url, f"test{next(COUNT)}"]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    assert sum(int(worker.communicate(timeout=60)[0]) for worker in started) == 100


FORK = """
import os, sys
from fastblocks.pure.limit import LeakyBucket, Redis
storage = Redis(sys.argv[1], prefix=sys.argv[2], on_error="raise")
limiter = LeakyBucket("100/100day", storage=storage)
assert limiter.allow("k")  # the connection is there before the fork
out, into = os.pipe()
child = os.fork()
allowed = sum(limiter.allow("k") for _ in range(80))
if child == 0:
    os.write(into, bytes([allowed]))
    os._exit(0)
print(allowed + os.read(out, 1)[0] + 1)
os.waitpid(child, 0)
"""


def test_forks_admit_the_limit(server):
    command = [sys.executable, "-c", FORK, server.url, f"test{next(COUNT)}"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.stdout == "100\n", result.stderr


# ---- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        (["http://host"], {}, ValueError, "url_or_client must be a URL of redis://"),
        (["nonsense"], {}, ValueError, "url_or_client"),
        ([5], {}, TypeError, "url_or_client must be a str or a client"),
        ([None], {}, TypeError, "not NoneType"),
        (["redis://h"], {"prefix": 5}, TypeError, "prefix must be a str"),
        (["redis://h"], {"prefix": "a{b"}, ValueError, "braces"),
        (["redis://h"], {"on_error": "pray"}, ValueError, "on_error must be"),
        (["redis://h"], {"on_error": None}, TypeError, "on_error must be a str"),
        (["redis://h"], {"timeout": 0}, ValueError, "timeout must be above 0"),
        (["redis://h"], {"timeout": "1"}, TypeError, "timeout"),
        (["redis://h"], {"timeout": float("nan")}, ValueError, "timeout"),
    ],
)
def test_bad_arguments(arguments, options, error, words):
    with pytest.raises(error, match=words):
        Redis(*arguments, **options)


def test_passwords_are_not_told():
    storage = Redis("redis://user:secret@localhost:1/0", on_error="raise")
    assert repr(storage) == (
        "Redis('redis://localhost:1/0', prefix='fastblocks', on_error='raise')"
    )
    with pytest.raises(StorageError) as caught:
        FixedWindow("1/day", storage=storage).allow("k")
    assert "secret" not in str(caught.value)
    with pytest.raises(ValueError, match="not 'http://h'") as refused:
        Redis("http://user:secret@h")
    assert "secret" not in str(refused.value)


def test_missing_package_is_told():
    program = (
        "import sys; sys.modules['redis'] = None\n"
        "from fastblocks.limit import Redis\n"
        "try: Redis('redis://h')\n"
        "except ImportError as error: print(error)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "pip install 'fastblocks[redis]'" in result.stdout, result.stderr


def test_one_class_everywhere():
    assert fastblocks.pure.limit.Redis is fastblocks.limit.Redis
    assert issubclass(StorageError, ConnectionError)


def test_states_of_others_are_refused(server):
    storage = fresh(server)
    limiter = LeakyBucket("1/day", storage=storage)
    client_of(server).lpush(storage.token("k"), "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        limiter.allow("k")


# ---- pickles and copies ----------------------------------------------------------------------


def test_pickles_and_copies_ask_the_same_server(server):
    storage = fresh(server)
    limiter = fastblocks.limit.FixedWindow("5/day", storage=storage)
    assert limiter.allow("ann", 2)
    for other in (pickle.loads(pickle.dumps(limiter)), copy.copy(limiter), copy.deepcopy(limiter)):
        assert repr(other) == repr(limiter)
        assert other.peek("ann").remaining == 3
    for same in (pickle.loads(pickle.dumps(storage)), copy.copy(storage)):
        assert repr(same) == repr(storage)
        assert same._timeout == storage._timeout


def test_one_of_a_client_is_copied_but_not_pickled(server):
    storage = Redis(client_of(server), prefix=f"test{next(COUNT)}", on_error="raise")
    limiter = fastblocks.limit.FixedWindow("5/day", storage=storage)
    assert limiter.allow("ann", 2)
    assert copy.deepcopy(limiter).peek("ann").remaining == 3
    with pytest.raises(TypeError, match="a Redis of a client cannot be pickled; make it of a URL"):
        pickle.dumps(limiter)
