"""Memory: bounds, whom it forgets, what it is as bytes."""

import copy
import pathlib
import pickle
import random

import numpy as np
import pytest

import fastblocks
import fastblocks.pure
from fastblocks._core.rates import FIXED, Rule
from tests.state import HEADER, PARAMS_AT, repaired, resealed

S = 10**9
MAKERS = {
    "FixedWindow": lambda limit, **options: limit.FixedWindow("3/10s", **options),
    "SlidingWindow": lambda limit, **options: limit.SlidingWindow("3/10s;5/60s", **options),
    "SlidingWindowCounter": lambda limit, **options: limit.SlidingWindowCounter("3/s", **options),
    "LeakyBucket": lambda limit, **options: limit.LeakyBucket("3/7s", **options),
    "TokenBucket": lambda limit, **options: limit.TokenBucket(0.7, 4, **options),
}


@pytest.fixture(params=MAKERS)
def make(request):
    return MAKERS[request.param]


class Clock:
    def __init__(self, seconds=0.0):
        self.seconds = seconds

    def __call__(self):
        return self.seconds


def used(impl, make, n=40, **options):
    """A limiter whose storage has n keys, and its clock."""
    clock = Clock(1000.0)
    storage = impl.limit.Memory(**{"max_keys": 100, "seed": 5} | options)
    limiter = make(impl.limit, storage=storage, timer=clock)
    rng = random.Random(6)
    for i in range(3 * n):
        clock.seconds += rng.randrange(10) / 1024
        limiter.hit(i % n, rng.choice([1, 1, 2]))
    return limiter, clock


# ---- arguments -------------------------------------------------------------------------------


def test_defaults(impl):
    storage = impl.limit.Memory()
    assert (storage.max_keys, storage.on_full, storage.evicted, len(storage)) == (
        10**6,
        "deny",
        0,
        0,
    )
    assert storage.bound_rules() == ()
    assert repr(storage) == "Memory(max_keys=1000000, on_full='deny')"
    assert storage.seed != impl.limit.Memory().seed
    with pytest.raises(TypeError, match="unhashable"):
        hash(storage)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"max_keys": 0}, ValueError, r"max_keys must be in \[1, 2147483648\], not 0"),
        ({"max_keys": -5}, ValueError, "max_keys must be in"),
        ({"max_keys": 2**31 + 1}, ValueError, "max_keys must be in"),
        ({"max_keys": 10**40}, ValueError, "max_keys must be in"),
        ({"max_keys": 1.5}, TypeError, "max_keys must be an int, not float"),
        ({"max_keys": None}, TypeError, "max_keys must be an int"),
        ({"max_keys": True}, TypeError, "max_keys must be an int, not bool"),
        ({"on_full": "drop"}, ValueError, "on_full must be 'deny', 'allow' or 'raise', not 'drop'"),
        ({"on_full": None}, TypeError, "on_full must be a str"),
        ({"seed": -1}, ValueError, "seed must be in"),
        ({"seed": 2**64}, ValueError, "seed must be in"),
        ({"seed": "x"}, TypeError, "seed must be an int"),
    ],
)
def test_bad_arguments(impl, arguments, error, message):
    with pytest.raises(error, match=message):
        impl.limit.Memory(**arguments)
    storage = impl.limit.Memory(7, on_full="raise", seed=3)
    with pytest.raises(RuntimeError, match="has been initialised already"):
        storage.__init__(**arguments)
    assert (storage.max_keys, storage.on_full, storage.seed) == (7, "raise", 3)


def test_it_is_of_one_strategy_and_rate(impl):
    limit = impl.limit
    storage = limit.Memory()
    with pytest.raises(RuntimeError, match="storage is not in use by a limiter yet"):
        storage.decide(1, 0, 1, True)
    storage.forget(1)
    first = limit.FixedWindow("2/s", storage=storage, timer=lambda: 0)
    second = limit.FixedWindow(limit.Rate(2), storage=storage, timer=lambda: 0)
    assert (first.allow("a"), second.allow("a"), first.allow("a")) == (True, True, False)
    assert (first.stats().denied, second.stats().denied, first.stats().keys) == (1, 0, 1)
    for other in (
        lambda: limit.FixedWindow("3/s", storage=storage),
        lambda: limit.FixedWindow("2/s;3/min", storage=storage),
        lambda: limit.SlidingWindow("2/s", storage=storage),
        lambda: limit.LeakyBucket("2/s", storage=storage),
    ):
        with pytest.raises(ValueError, match="of a limiter of another strategy or rate"):
            other()
    assert storage.bound_rules() == ((2, 2, S),)


@pytest.mark.parametrize("kind", [-1, 4, 2**31 - 1])
def test_only_known_strategies_can_be_bound(impl, kind):
    with pytest.raises(ValueError, match="kind must be in"):
        impl.limit.Memory().bind(kind, (Rule(2, 2, S),))


@pytest.mark.parametrize("n", [0, 9, 1000])
def test_only_as_many_rules_as_there_are_can_be_bound(impl, n):
    with pytest.raises(ValueError, match=f"rules must be 1 to 8, not {n}"):
        impl.limit.Memory().bind(FIXED, [Rule(2, 2, S + i) for i in range(n)])


@pytest.mark.parametrize(
    "rule", [(0, 0, 1), (2, 3, 1), (1, 1, 0), (2**32, 2**32, 1), (1, 1, 10**16)]
)
def test_only_rules_in_bounds_can_be_bound(impl, rule):
    for rules in ([Rule(*rule)], [Rule(2, 2, S), Rule(*rule)]):
        storage = impl.limit.Memory()
        with pytest.raises(ValueError, match=r"a rule (is out of range|contradicts itself)"):
            storage.bind(FIXED, rules)
        assert storage.bound_rules() == ()


def test_it_is_of_nobody_before_it_is_initialised(impl):
    """Else its table would be made for other parameters than it then has."""
    storage = impl.limit.Memory.__new__(impl.limit.Memory)
    with pytest.raises(RuntimeError, match="this Memory has not been initialised"):
        impl.limit.FixedWindow("1/day", storage=storage)
    storage.__init__(3, on_full="raise")
    limiter = impl.limit.FixedWindow("1/day", storage=storage)
    assert [limiter.allow(key) for key in range(3)] == [True] * 3
    assert (len(storage), storage.max_keys) == (3, 3)


@pytest.mark.parametrize("now", [-9 * 10**18 - 1, 9 * 10**18 + 1, 2**70, 1.5, None])
def test_times_out_of_range_are_refused(impl, now):
    storage = impl.limit.Memory()
    storage.bind(FIXED, (Rule(1, 1, S),))
    with pytest.raises((ValueError, TypeError), match="now must be"):
        storage.decide(1, now, 1, True)
    assert len(storage) == 0


# ---- room ------------------------------------------------------------------------------------


def test_whole_keys_are_reclaimed(impl, make):
    """Without anybody's asking for them: two are looked at for every one that comes."""
    limiter, clock = used(impl, make)
    assert len(limiter.storage) == 40
    for key in range(1000, 2000):
        clock.seconds += 100
        limiter.allow(key)
    assert len(limiter.storage) < 5
    assert limiter.storage.evicted == 0


def test_reset_and_reuse(impl, make):
    limiter, _ = used(impl, make)
    while limiter.allow("a"):
        pass
    n = len(limiter.storage)
    limiter.reset("a")
    assert len(limiter.storage) == n - 1
    assert limiter.peek("a") == limiter.peek("never seen")
    limiter.reset("never seen")
    assert len(limiter.storage) == n - 1
    for key in range(40):
        limiter.reset(key)
    assert len(limiter.storage) == 0


@pytest.mark.parametrize("on_full", ["deny", "allow", "raise"])
def test_full_of_limited_keys(impl, make, on_full):
    clock = Clock(1.0)
    storage = impl.limit.Memory(20, on_full=on_full, seed=1)
    limiter = make(impl.limit, storage=storage, timer=clock)
    for key in range(20):
        while limiter.allow(key):
            pass
        clock.seconds += 1 / 1024
    before, stats = storage.to_bytes(), limiter.stats()
    assert stats.keys == 20
    denied = [0]
    for key in range(100, 150):
        if on_full == "raise":
            with pytest.raises(impl.limit.LimiterFullError, match="all of max_keys=20 keys are"):
                limiter.hit(key)
            with pytest.raises(impl.limit.LimiterFullError):
                limiter.allow_many([key])
            continue
        decision = limiter.hit(key)
        assert decision.allowed == limiter.allow(key) == (on_full == "allow")
        assert limiter.allow_many([key] * 2).tolist() == [on_full == "allow"] * 2
        denied.append(decision.retry_after)
        assert limiter.peek(key).allowed  # the key itself is not limited
    assert not any(limiter.allow(key) for key in range(20))
    assert len(storage) == 20
    assert storage.evicted == 0
    if on_full == "raise":
        assert limiter.stats()[:2] == (stats.allowed, stats.denied + 20)
    if on_full == "deny":
        assert denied[1] == denied[-1] > 0
        clock.seconds += denied[1] - 1e-6
        assert not limiter.allow("new")
        clock.seconds += 2e-6
        assert limiter.allow("new")  # as soon as was said
        assert len(storage) <= 20
    assert before[:HEADER] != b""


def test_eviction_takes_who_is_whole_soonest(impl):
    clock = Clock()
    storage = impl.limit.Memory(10, seed=1)
    limiter = impl.limit.TokenBucket(1, 100, storage=storage, timer=clock)
    for key in range(10):
        limiter.hit(key, 100 if key % 2 else 10 + key)
    limiter.hit("new", 50)
    assert storage.evicted == 1
    assert limiter.peek(0).remaining == 100  # forgotten
    assert [limiter.peek(key).remaining for key in range(1, 10)] == [0, 88, 0, 86, 0, 84, 0, 82, 0]
    clock.seconds = 12  # now 2 is whole, and forgotten for nothing
    limiter.hit("newer", 50)
    assert storage.evicted == 1
    assert len(storage) == 10


@pytest.mark.parametrize("on_full", ["deny", "allow"])
@pytest.mark.parametrize("max_keys", [1, 2, 3, 17, 50])
def test_native_and_pure_forget_the_same_keys(make, max_keys, on_full):
    clock = Clock(50.0)
    limiters = [
        make(impl.limit, timer=clock, storage=impl.limit.Memory(max_keys, on_full=on_full, seed=9))
        for impl in (fastblocks, fastblocks.pure)
    ]
    rng = random.Random(max_keys)
    for i in range(1500):
        clock.seconds += rng.choice([0, 0, 0.001, 0.01, 0.3]) if i % 200 else 20
        if i % 300 == 150:
            clock.seconds -= 3
        key, cost = int(80 * rng.random() ** 2), rng.choice([1, 1, 2, 3, 9])
        native, pure = (limiter.hit(key, cost) for limiter in limiters)
        assert native == pure
        if i % 50 == 0:
            native, pure = (limiter.storage.to_bytes() for limiter in limiters)
            assert native == pure
    assert limiters[0].stats() == limiters[1].stats()
    assert max_keys > 17 or limiters[0].stats().evicted > 0


@pytest.mark.parametrize("name", ["FixedWindow", "TokenBucket"])
def test_a_flood_of_keys_frees_nobody(name):
    """Of 10^7 other keys, fewer for buckets: who is limited stays so, and memory stays flat."""
    clock = Clock(1.0)
    storage = fastblocks.limit.Memory(100_000)
    make = {"FixedWindow": lambda **o: fastblocks.FixedWindow("5/hour", **o)}.get(
        name, lambda **o: fastblocks.TokenBucket(0.001, 5, **o)
    )
    limiter = make(storage=storage, timer=clock)
    attackers = [f"attacker {i}" for i in range(1000)]
    assert limiter.allow_many(attackers, 5).all()
    filled = None
    out = np.empty(500_000, bool)
    for i in range(10 if name == "FixedWindow" else 2):
        clock.seconds += 0.5
        keys = np.arange(i * 1_000_000, i * 1_000_000 + 500_000)
        assert limiter.allow_many(keys, out=out).all()
        assert limiter.allow_many(keys + 500_000, out=out).all()
        assert not limiter.allow_many(attackers).any()
        assert not limiter.allow(attackers[i])
        filled = filled or storage.nbytes
        assert storage.nbytes == filled <= 64 * 100_000
    assert len(storage) == 100_000
    assert storage.evicted == (i + 1) * 10**6 + 1000 - 100_000


@pytest.mark.parametrize("name", ["FixedWindow", "SlidingWindowCounter", "LeakyBucket"])
def test_bytes_a_key(name):
    storage = fastblocks.limit.Memory()
    limiter = getattr(fastblocks, name)("100/hour", storage=storage)
    assert storage.nbytes == 0
    limiter.allow("a")
    assert storage.nbytes < 2000
    limiter.allow_many(np.arange(10**6 - 1))
    assert len(storage) == 10**6
    assert storage.nbytes <= 64 * 10**6
    assert storage.__sizeof__() >= storage.nbytes


def test_bytes_of_logs_are_bounded_by_the_limit():
    storage = fastblocks.limit.Memory()
    clock = Clock()
    limiter = fastblocks.SlidingWindow("100/s", storage=storage, timer=clock)
    for i in range(5000):
        clock.seconds = i / 64
        limiter.allow("a")
        assert storage.nbytes <= 2000 + 8 * 100
    limiter.reset("a")
    assert storage.nbytes < 2000


# ---- as bytes --------------------------------------------------------------------------------


def test_round_trips(impl, make, tmp_path):
    limiter, clock = used(impl, make)
    storage = limiter.storage
    data = storage.to_bytes()
    path = tmp_path / "limits"
    storage.save(path)
    assert path.read_bytes() == data
    for other in (impl, fastblocks, fastblocks.pure):
        for again in (
            other.limit.Memory.from_bytes(data),
            other.limit.Memory.open(path).copy(),
            copy.deepcopy(other.limit.Memory.from_bytes(data)),
            pickle.loads(pickle.dumps(other.limit.Memory.from_bytes(data))),
        ):
            assert type(again) is other.limit.Memory
            assert again.to_bytes() == data
            assert again.bound_rules() == limiter.rules
            twin = make(other.limit, storage=again, timer=clock)
            for key in range(50):
                assert twin.peek(key) == limiter.peek(key)
            assert twin.allow("only here")
            assert again.to_bytes() != data == storage.to_bytes()
    assert storage == storage.copy()
    assert storage != impl.limit.Memory(100, seed=5)
    assert storage != 5


def test_empty_round_trips(impl):
    for storage in (impl.limit.Memory(seed=3), impl.limit.Memory(1, on_full="raise")):
        again = impl.limit.Memory.from_bytes(storage.to_bytes())
        assert again == storage
        assert repr(again) == repr(storage)
        assert impl.limit.FixedWindow("3/s", storage=again).allow("a")
        assert again != storage


def test_opened_files_do_not_change(impl, make, tmp_path):
    limiter, clock = used(impl, make)
    path = tmp_path / "limits"
    limiter.storage.save(path)
    opened = impl.limit.Memory.open(path)
    assert len(opened) == len(limiter.storage)
    for call in (
        lambda: make(impl.limit, storage=opened, timer=clock),
        lambda: opened.decide(1, 0, 1, True),
        lambda: opened.forget(1),
    ):
        with pytest.raises(OSError, match="opened from a file cannot be changed; change a copy"):
            call()
    with pytest.raises(ValueError, match=r"mode must be 'r', not 'r\+'"):
        impl.limit.Memory.open(path, "r+")
    assert opened == limiter.storage


def test_every_flipped_byte_is_refused(impl, make):
    data = used(impl, make, n=5)[0].storage.to_bytes()
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 8
        with pytest.raises(ValueError, match=r": (corrupt|not the bytes)"):
            impl.limit.Memory.from_bytes(bytes(damaged))
    for n in range(len(data)):
        with pytest.raises(ValueError, match=r"truncated|not the bytes"):
            impl.limit.Memory.from_bytes(data[:n])
    with pytest.raises(ValueError, match="more bytes"):
        impl.limit.Memory.from_bytes(data + b"\0")


@pytest.mark.parametrize(
    ("at", "value"),
    [(0, 0), (0, 2**31 + 1), (0, 2**64 - 1), (0, 4), (1, 3), (1, 2**32), (3, 1), (10, 2**63)],
)
def test_hostile_parameters_are_refused(impl, at, value):
    data = used(impl, MAKERS["FixedWindow"], n=5)[0].storage.to_bytes()
    with pytest.raises(ValueError, match="parameters contradict"):
        impl.limit.Memory.from_bytes(resealed(data, PARAMS_AT + 8 * at, value))


def outcome(impl, data):
    """What can be read of the bytes, or None."""
    try:
        return impl.limit.Memory.from_bytes(data)
    except ValueError:
        return None


def test_hostile_contents_are_refused_or_read_alike(make):
    """Every word of the payload with every kind of value: native and pure take the same ones,
    and what they take answers, whatever it says."""
    limiter, clock = used(fastblocks, make, n=4)
    data = limiter.storage.to_bytes()
    payload = data[HEADER:]
    values = [0, 1, 2, 3, 4, 5, 2**20 + 1, 2**31, 2**32, 3 << 32, 4 << 32, 2**62, 2**63 - 1]
    values += [2**63, 2**63 + 1, 2**64 - 1, 10**18, 8_640_000 * 10**9 + 1]
    taken = 0
    for at in range(0, len(payload), 8):
        for value in values:
            changed = payload[:at] + value.to_bytes(8, "little") + payload[at + 8 :]
            both = [
                outcome(impl, repaired(data, changed)) for impl in (fastblocks, fastblocks.pure)
            ]
            assert (both[0] is None) == (both[1] is None), (at // 8, value)
            if both[0] is None:
                continue
            taken += 1
            assert both[0].to_bytes() == both[1].to_bytes()
            hashes = [
                int.from_bytes(payload[i : i + 8], "little") for i in range(0, len(payload), 8)
            ]
            for h in (1, *hashes[-8:]):
                for now in (-9 * 10**18, 0, int(clock.seconds * S), 9 * 10**18):
                    answers = [tuple(m.decide(h, now, 2, h % 2 == 0)[:5]) for m in both]
                    assert answers[0] == answers[1], (at // 8, value, h, now)
    assert taken > 100
    for n in range(0, len(payload), 8):
        assert outcome(fastblocks, repaired(data, payload[:n])) is None
        assert outcome(fastblocks.pure, repaired(data, payload[:n])) is None
    for size in (1, 7, 8, 16):
        assert outcome(fastblocks, repaired(data, payload + b"\1" * size)) is None
        assert outcome(fastblocks.pure, repaired(data, payload + b"\1" * size)) is None


CLOSED = 2 * 100 * 86400 * S


@pytest.mark.parametrize(
    ("since", "until", "taken"),
    [
        (5, 5, True),
        (-S, S, True),
        (0, CLOSED, True),
        (0, CLOSED + 1, False),
        (1, 0, False),
        (-9 * 10**18, -9 * 10**18 + CLOSED, True),
        (9 * 10**18, 9 * 10**18 + CLOSED, True),
        (-9 * 10**18 - 1, -9 * 10**18, False),
        (9 * 10**18 + 1, 9 * 10**18 + 2, False),
        (2**63 - 1, -(2**63), False),
        (-(2**63), 2**63 - 1, False),
    ],
)
def test_times_without_room_are_bounded(impl, since, until, taken):
    """Or a few bytes would keep new keys out for ever."""
    data = used(impl, MAKERS["FixedWindow"], n=2)[0].storage.to_bytes()
    payload = bytearray(data[HEADER:])
    head = 8 * (2 + 3 + 2)
    payload[head : head + 16] = b"".join(
        t.to_bytes(8, "little", signed=True) for t in (since, until)
    )
    assert (outcome(impl, repaired(data, bytes(payload))) is not None) == taken


def test_no_room_for_longer_than_that_is_not_remembered(impl):
    """As after a clock was set back by more: then it is looked at again."""
    storage = impl.limit.Memory(1, seed=0)
    storage.bind(FIXED, (Rule(1, 1, S),))
    assert storage.decide(1, 10**18, 1, True)[0]
    assert storage.decide(2, 0, 1, True)[:4] == (False, 1, 0, CLOSED)
    assert impl.limit.Memory.from_bytes(storage.to_bytes()) == storage


def test_what_was_loaded_is_not_held_twice():
    storage = fastblocks.limit.Memory(seed=0)
    fastblocks.SlidingWindow("100/s", storage=storage, timer=lambda: 0).allow_many(range(1000), 100)
    again = fastblocks.limit.Memory.from_bytes(storage.to_bytes())
    assert again.nbytes == storage.nbytes
    pure = fastblocks.pure.limit.Memory.from_bytes(storage.to_bytes())
    assert len(pure._payload) == 0
    for loaded in (again, pure):
        assert loaded.to_bytes() == storage.to_bytes()
        assert loaded.copy() == loaded
        loaded.decide(1, 0, 1, True)


def test_a_copy_is_on_its_own(impl, make):
    limiter, _ = used(impl, make)
    data = limiter.storage.to_bytes()
    for twin in (limiter.storage.copy(), copy.copy(limiter.storage)):
        twin.decide(12345, 0, 1, True)
        assert limiter.storage.to_bytes() == data != twin.to_bytes()


def test_the_same_key_twice_is_refused(impl):
    limiter, _ = used(impl, MAKERS["FixedWindow"], n=2)
    data = limiter.storage.to_bytes()
    payload = data[HEADER:]
    twice = payload[:-24] + payload[-48:-40] + payload[-16:]
    with pytest.raises(ValueError, match="contradict"):
        impl.limit.Memory.from_bytes(repaired(data, twice))


@pytest.mark.parametrize("data", ["text", 5, None, [1, 2]])
def test_from_bytes_of_other_types(impl, data):
    with pytest.raises(TypeError):
        impl.limit.Memory.from_bytes(data)


def golden():
    clock = Clock(1_000_000.0)
    storage = fastblocks.limit.Memory(50, on_full="allow", seed=11)
    limiter = fastblocks.SlidingWindow("3/10s;5/60s", storage=storage, timer=clock)
    for i in range(200):
        clock.seconds += (i * i % 17) / 64
        limiter.hit(i * 7 % 60, 1 + i % 2)
    return storage


def test_bytes_are_pinned(impl):
    """The layout is a promise: files written by any version stay readable."""
    path = pathlib.Path(__file__).parent.parent / "golden" / "limit_memory_v1.bin"
    data = path.read_bytes()
    assert golden().to_bytes() == data
    assert impl.limit.Memory.from_bytes(data).to_bytes() == data
