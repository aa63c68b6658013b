"""SharedMemory: what it holds, where its file is, and what it refuses."""

import contextlib
import copy
import hashlib
import os
import pickle
import re
import stat
import struct
import subprocess
import sys
import tempfile

import numpy as np
import pytest

import fastblocks.limit
import fastblocks.pure.limit
from fastblocks._core import shared
from fastblocks.limit import Decision, LimiterFullError
from tests.threads import THREADS, run_together

OTHER = {"fastblocks": fastblocks.pure, "fastblocks.pure": fastblocks}
PINNED = {
    "fastblocks": "ccbdea312716b6e2c8be8b19046b274b6b8b4c33d9f98fc6afc3dcfd98770d64",
    "fastblocks.pure": "81c415349a0462126824fa1ce316b76bf0c2e82f5d1f31b7586bbbab58a09dba",
}
STRATEGIES = ["FixedWindow", "SlidingWindow", "SlidingWindowCounter", "LeakyBucket"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "limits"


def limiter(impl, path, rate="3/10s", strategy="FixedWindow", timer=None, **options):
    options.setdefault("max_keys", 100)
    storage = impl.limit.SharedMemory(path, **options)
    return getattr(impl.limit, strategy)(rate, storage=storage, timer=timer or (lambda: 5.0))


# ---- what it holds -----------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_objects_of_one_file_share_what_they_know(impl, path, strategy):
    a, b = limiter(impl, path, strategy=strategy), limiter(impl, path, strategy=strategy)
    assert [a.allow("ann"), b.allow("ann"), a.allow("ann"), b.allow("ann")] == [True] * 3 + [False]
    assert a.allow("bob")
    assert len(a.storage) == len(b.storage) == 2
    b.reset("ann")
    assert a.peek("ann").remaining == 3
    assert len(b.storage) == 1
    assert b.stats() == (1, 1, 1, 0)


def test_it_says_what_it_is(impl, path):
    one = limiter(impl, path, on_full="allow", seed=7)
    storage = one.storage
    assert (storage.path, storage.max_keys, storage.on_full, storage.seed) == (
        str(path),
        100,
        "allow",
        7,
    )
    assert storage.nbytes == os.path.getsize(path)
    assert (
        repr(storage) == f"SharedMemory(name_or_path={str(path)!r}, max_keys=100, on_full='allow')"
    )
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert os.listdir(path.parent) == [path.name]


def test_a_new_file_has_a_random_seed_and_others_take_it_over(impl, path, tmp_path):
    a, b, c = limiter(impl, path), limiter(impl, path), limiter(impl, tmp_path / "other")
    assert a.storage.seed == b.storage.seed != c.storage.seed
    assert impl.limit.SharedMemory(path, 100).seed == a.storage.seed


def test_decisions_are_whole(impl, path):
    one = limiter(impl, path, "2/10s;3/minute")
    assert one.hit("ann") == Decision(True, 2, 1, 0.0, 55.0)
    assert one.hit("ann", cost=2) == Decision(False, 2, 1, 5.0, 55.0)
    assert one.hit("ann", cost=4).retry_after == float("inf")
    assert one.allow_many(["ann", "ann", "bob"], [1, 1, 2]).tolist() == [True, False, True]
    assert one.top_denied() == [("ann", 3)]


def test_a_large_batch_and_scalars_agree(impl, path):
    keys = np.arange(2000) % 250
    one, two = limiter(impl, path, max_keys=1000), limiter(impl, str(path) + "2", max_keys=1000)
    assert one.allow_many(keys).tolist() == [two.allow(int(key)) for key in keys]
    assert len(one.storage) == len(two.storage) == 250


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_limited_key_is_not_forgotten(impl, path, strategy):
    one = limiter(impl, path, "2/10s", strategy, max_keys=4)
    for key in "abc":
        assert one.allow(key, 2)
    assert all(one.allow(key) for key in range(50))
    assert not any(one.allow(key) for key in "abc")
    assert len(one.storage) == 4
    assert one.storage.evicted == 49
    assert one.allow(49)
    decision = one.hit("new")
    assert (decision.allowed, decision.remaining) == (False, 0)
    assert 0 < decision.retry_after <= 10
    assert not one.allow_many(["new"]).any()
    one.reset("a")
    assert one.allow("new")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_flood_through_many_sets_lets_no_limited_key_through(impl, path, strategy):
    one = limiter(impl, path, "1/10s", strategy, max_keys=40)
    keys = np.arange(400)
    passed = one.allow_many(keys)
    assert 100 < passed.sum() <= 4 * 32
    assert not one.allow_many(keys).any()
    assert len(one.storage) == passed.sum()
    assert one.storage.evicted == 0


def test_when_full_it_does_as_told(impl, path):
    limiter(impl, path, max_keys=1).allow("ann", 3)
    allowing = limiter(impl, path, max_keys=1, on_full="allow")
    raising = limiter(impl, path, max_keys=1, on_full="raise")
    assert allowing.hit("bob") == Decision(True, 3, 3, 0.0, 0.0)
    assert allowing.allow_many(["bob"] * 5).all()
    words = "all of max_keys=1 keys are limited: no room for another"
    with pytest.raises(LimiterFullError, match=words):
        raising.allow("bob")
    with pytest.raises(LimiterFullError, match=words):
        raising.allow_many(["bob"])
    assert not raising.allow("ann")


def test_keys_that_are_whole_again_are_forgotten_in_passing(impl, path):
    now = 0.0
    n = 1000 if impl is fastblocks else 100
    one = limiter(impl, path, "1/s", max_keys=n, timer=lambda: now)
    for round in range(20):
        now = 2.0 * round
        one.allow_many(np.arange(n) + n * round)
    assert len(one.storage) < 2.5 * n
    assert one.storage.evicted == 0


def test_max_keys_fit(impl, path):
    n = 50_000 if impl is fastblocks else 500
    one = limiter(impl, path, "1/s", max_keys=n, seed=1)
    assert one.allow_many(np.arange(n)).all()
    assert not one.allow_many(np.arange(n)).any()


# ---- the file ----------------------------------------------------------------------------------


def test_a_bare_name_is_in_dev_shm(impl, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = f"fastblocks-test-{os.getpid()}"
    folder = "/dev/shm" if os.path.isdir("/dev/shm") else tempfile.gettempdir()
    with impl.limit.SharedMemory(name, 10) as storage:
        impl.limit.FixedWindow("1/s", storage=storage)
        assert storage.path == os.path.join(folder, name)
        assert os.path.exists(storage.path)
        storage.unlink()
        storage.unlink()
        assert not os.path.exists(storage.path)
    monkeypatch.setattr(shared, "SHM_FOLDER", str(tmp_path / "none"))
    assert shared.location(name) == os.path.join(tempfile.gettempdir(), name)
    assert shared.location("./x") == shared.location(tmp_path / "x") == str(tmp_path / "x")


def test_the_file_outlives_its_users(impl, path):
    assert limiter(impl, path).allow("ann", 3)
    assert not limiter(impl, path).allow("ann")
    one = limiter(impl, path)
    one.storage.unlink()
    two = limiter(impl, path)
    assert two.allow("ann")
    assert not one.allow("ann")


def test_a_closed_one_says_so(impl, path):
    one = limiter(impl, path)
    storage = one.storage
    storage.close()
    storage.close()
    for call in (
        lambda: one.allow("ann"),
        lambda: one.allow_many(["ann"]),
        lambda: one.peek("ann"),
        lambda: one.reset("ann"),
        lambda: len(storage),
        lambda: storage.evicted,
        lambda: storage.decide(1, 2, 1, True),
        lambda: storage.forget(1),
        lambda: impl.limit.FixedWindow("3/10s", storage=storage),
        lambda: storage.__enter__(),
    ):
        with pytest.raises(ValueError, match=re.escape(f"this SharedMemory ({path}) is closed")):
            call()
    with impl.limit.SharedMemory(path, 100) as unused:
        pass
    with pytest.raises(ValueError, match="is closed"):
        impl.limit.FixedWindow("3/10s", storage=unused)


def test_pickles_and_copies_open_the_file_anew(impl, path, tmp_path, monkeypatch):
    one = limiter(impl, path, timer=None, rate="3/day")
    one = impl.limit.FixedWindow("3/day", storage=one.storage)
    assert one.allow("ann", 2)
    monkeypatch.chdir(tmp_path.parent)
    again = pickle.loads(pickle.dumps(one.storage))
    two = impl.limit.FixedWindow("3/day", storage=again)
    assert two.allow("ann")
    assert not two.allow("ann")
    assert (again.path, again.max_keys) == (str(path), 100)
    for other in (copy.copy(one.storage), copy.deepcopy(one.storage)):
        assert not impl.limit.FixedWindow("3/day", storage=other).allow("ann")


class NativeSubclass(fastblocks.limit.SharedMemory):
    def __init__(self, path, label):
        super().__init__(path, 100)
        self.labels = [label]


class PureSubclass(fastblocks.pure.limit.SharedMemory):
    def __init__(self, path, label):
        super().__init__(path, 100)
        self.labels = [label]


@pytest.mark.parametrize("cls", [NativeSubclass, PureSubclass])
def test_subclasses_keep_their_class_and_attributes(cls, path):
    mine = cls(path, "mine")
    shallow, deep = copy.copy(mine), copy.deepcopy(mine)
    for twin in (shallow, deep, pickle.loads(pickle.dumps(mine))):
        assert type(twin) is cls
        assert (twin.labels, twin.path, twin.max_keys) == (["mine"], str(path), 100)
    assert shallow.labels is mine.labels
    assert deep.labels is not mine.labels


def test_nothing_before_it_is_initialised(impl, path):
    storage = impl.limit.SharedMemory.__new__(impl.limit.SharedMemory)
    with pytest.raises(RuntimeError, match="this SharedMemory has not been initialised"):
        impl.limit.FixedWindow("3/day", storage=storage)
    storage.__init__(path, 100)
    assert impl.limit.FixedWindow("3/day", storage=storage).allow("ann")


def test_the_native_one_has_no_bytes(path):
    storage = limiter(fastblocks, path).storage
    for call in (storage.to_bytes, storage.copy, lambda: storage.save(path)):
        with pytest.raises(TypeError, match="its state is the file"):
            call()
    for call in (lambda: type(storage).open(path), lambda: type(storage).from_bytes(b"")):
        with pytest.raises(TypeError, match="its state is the file"):
            call()


def test_many_can_use_it_but_not_endlessly_many(path):
    storages = [limiter(fastblocks, path).storage for _ in range(512)]
    with pytest.raises(OSError, match="more than 512 processes or objects use it at once"):
        limiter(fastblocks, path)
    storages[100].close()
    assert limiter(fastblocks, path).allow("ann")


def test_a_file_of_another_boot_is_begun_afresh(impl, path, monkeypatch):
    one = limiter(impl, path, "3/10s")
    assert one.allow("ann", 3)
    monkeypatch.setattr(shared, "boot_id", lambda: b"another boot....")
    two = limiter(impl, path, "5/10s", max_keys=50)
    three = limiter(impl, path, "5/10s", max_keys=50)
    assert two.allow("ann", 3)
    assert three.peek("ann").remaining == 2
    assert os.listdir(path.parent) == [path.name]


def test_closing_all_files_as_daemons_do_gives_no_record_away(path):
    """The record is locked for as long as the map is there, and no file of another is closed."""
    code = f"""
import os, fastblocks.limit as limit
storage = limit.SharedMemory({str(path)!r}, 100)
one = limit.FixedWindow("3/day", storage=storage)
os.closerange(3, 100)
others = [os.open(os.devnull, os.O_RDONLY) for _ in range(10)]
storage2 = limit.SharedMemory({str(path)!r}, 100)
two = limit.FixedWindow("3/day", storage=storage2)
assert [one.allow("ann"), two.allow("ann"), one.allow("ann"), two.allow("ann")] == [1, 1, 1, 0]
with open({str(path)!r}, "rb") as file:
    file.seek(4096 + 128)
    assert any(file.read(128))  # the second has a record of its own
if os.fork() == 0:
    assert not one.allow("ann") and one.allow("bob")
    os._exit(0)
assert os.wait()[1] == 0
os.unlink({str(path)!r})
if os.fork() == 0:
    try:
        one.allow("bob")
    except OSError as error:
        assert "it was unlinked or replaced" in str(error)
        os._exit(0)
    os._exit(1)
assert os.wait()[1] == 0
for handle in others:
    os.fstat(handle)
del storage, one
for handle in others[:1] + others[2:]:  # the second is what mmap took for its own
    os.fstat(handle)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_many_threads_that_make_it_at_once_have_one_file(impl, path, switch_often):
    made = []
    run_together(*[lambda: made.append(limiter(impl, path))] * THREADS)
    assert sum(one.allow("ann") for one in made) == 3


def test_threads_pass_exactly_the_limit(impl, path, switch_often):
    one = limiter(impl, path, "500/10s", max_keys=10)
    passed = []

    def hammer():
        passed.append(sum(one.allow("ann") for _ in range(100)))
        passed.append(int(one.allow_many(["ann"] * 600).sum()))

    run_together(*[hammer] * (THREADS if impl is fastblocks else 2))
    assert sum(passed) == 500
    assert one.stats().allowed == 500


def test_the_bytes_of_a_file_are_pinned(impl, path, monkeypatch):
    """Two versions of fastblocks may use a file at once: what changes them makes a new version."""
    monkeypatch.setattr(shared, "boot_id", lambda: bytes(16))
    one = limiter(impl, path, "3/10s;5/minute", "SlidingWindow", seed=1)
    for key in ("ann", "bob", "ann", "ann", "ann", 7):
        one.allow(key)
    one.reset("bob")
    one.storage.close()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest == PINNED[impl.__name__]


# ---- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        ((3,), {}, TypeError, "name_or_path must be a str or os.PathLike[str], not int"),
        ((b"x",), {}, TypeError, "name_or_path must be a str or os.PathLike[str], not bytes"),
        (("",), {}, ValueError, "name_or_path must be a name or the path of a file, not ''"),
        (("a/",), {}, ValueError, "name_or_path must be a name or the path of a file, not 'a/'"),
        (("..",), {}, ValueError, "name_or_path must be a name or the path of a file, not '..'"),
        (("a\0",), {}, ValueError, "name_or_path must be a name or the path of a file"),
        (("x", 0), {}, ValueError, "max_keys must be in [1, 134217728], not 0"),
        (("x", 2**27 + 1), {}, ValueError, "max_keys must be in [1, 134217728]"),
        (("x", 1.5), {}, TypeError, "max_keys must be an int, not float"),
        (("x",), {"on_full": "wait"}, ValueError, "on_full must be 'deny', 'allow' or 'raise'"),
        (("x",), {"seed": -1}, ValueError, "seed must be in [0, 18446744073709551615], not -1"),
        (("x",), {"seed": "1"}, TypeError, "seed must be an int, not str"),
    ],
)
def test_bad_arguments(impl, arguments, options, error, words):
    with pytest.raises(error, match=re.escape(words)):
        impl.limit.SharedMemory(*arguments, **options)


def test_a_file_with_other_parameters_is_refused(impl, path):
    one = limiter(impl, path, seed=3)
    assert one.allow("ann", 2)
    with pytest.raises(ValueError, match=f"max_keys must be 100, as {path} has it, not 101"):
        limiter(impl, path, max_keys=101)
    with pytest.raises(ValueError, match=f"seed must be 3, as {path} has it, not 4"):
        limiter(impl, path, seed=4)
    with pytest.raises(
        ValueError, match=f"strategy must be FixedWindow, as {path} has it, not Sliding"
    ):
        limiter(impl, path, strategy="SlidingWindow")
    storage = impl.limit.SharedMemory(path, 100)
    with pytest.raises(
        ValueError, match=re.escape(f"rate must be that of {path} (limit 3, 3 in 10 s)")
    ):
        impl.limit.FixedWindow("4/10s", storage=storage)
    assert (
        impl.limit.FixedWindow("3/10s", storage=storage, timer=lambda: 5.0).peek("ann").remaining
        == 1
    )
    with pytest.raises(
        ValueError, match="storage holds the state of a limiter of another strategy"
    ):
        impl.limit.FixedWindow("4/10s", storage=storage)


def test_native_and_pure_do_not_share_a_file(impl, path):
    limiter(impl, path)
    with pytest.raises(ValueError, match=f"made by {impl.__name__}; .* cannot share it"):
        limiter(OTHER[impl.__name__], path)


def test_not_in_use_yet(impl, path):
    storage = impl.limit.SharedMemory(path, 100)
    assert (len(storage), storage.evicted, storage.nbytes) == (0, 0, 0)
    assert not path.exists()
    with pytest.raises(RuntimeError, match="storage is not in use by a limiter yet"):
        storage.decide(1, 2, 1, True)


def test_a_file_that_cannot_be(impl, path, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError):
        limiter(impl, tmp_path / "none" / "x")
    with pytest.raises(IsADirectoryError):
        limiter(impl, tmp_path)
    with pytest.raises(ValueError, match="would need a file of more than 64 TiB"):
        limiter(impl, path, "1000000/day", "SlidingWindow", max_keys=2**27)
    with pytest.raises(OSError, match=r"may be needed, and \d+ are free"):
        limiter(impl, path, "1000000/day", "SlidingWindow", max_keys=10**6)
    assert os.listdir(tmp_path) == []
    os.mkfifo(path)
    with pytest.raises(ValueError, match="limits: not the bytes of a fastblocks object"):
        limiter(impl, path)


def test_no_folder(impl, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"it cannot be made: .*none/limits'"):
        limiter(impl, tmp_path / "none" / "limits")


def test_links_are_followed(impl, path, tmp_path, monkeypatch):
    link = tmp_path / "link"
    link.symlink_to(path)  # to nothing yet
    assert limiter(impl, link).allow("ann", 2)
    assert limiter(impl, path).peek("ann").remaining == 1
    monkeypatch.setattr(shared, "boot_id", lambda: b"another boot....")
    assert limiter(impl, link).allow("ann", 3)  # the file is replaced, not the link
    assert limiter(impl, path).peek("ann").remaining == 0
    assert sorted(os.listdir(tmp_path)) == ["limits", "link"]


def test_truncated_foreign_and_damaged_files(impl, path):
    limiter(impl, path)
    good = path.read_bytes()
    head = good[:4096]

    def refused(data, words):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=f"^{path}: {words}"):
            impl.limit.SharedMemory(path, 100)
        assert path.read_bytes() == data

    for n in (1, 8, 12, 100, 4095):
        refused(good[:n], "truncated: fewer bytes than its header promises")
    for n in (4096, len(good) - 1):
        refused(good[:n], "truncated: fewer bytes than its header promises")
    refused(good + b"\0", "more bytes than its header promises")
    refused(b"", "not the bytes of a fastblocks object")
    refused(b"x" * 5000, "not the bytes of a fastblocks object")
    refused(fastblocks.BloomFilter(10).to_bytes(), "the bytes of another class")
    refused(good[:12] + struct.pack("<H", 9) + good[14:], "written by a version")
    for at in range(14, 264):
        refused(head[:at] + bytes([head[at] ^ 1]) + good[at + 1 :], "corrupt: checksum differs")
    for at, value in ((56, 4), (56, 2**32 - 1), (60, 9), (60, 2**32 - 1)):
        changed = head[:at] + struct.pack("<I", value) + head[at + 4 : 256]
        sealed = changed + shared.checksum(changed) + good[264:]
        refused(sealed, "corrupt: its parameters contradict each other")
    path.write_bytes(good)
    assert limiter(impl, path).allow("ann")


def answer(call, key):
    try:
        return call(key)
    except ValueError as error:
        return str(error)


def test_a_body_that_something_else_wrote_to_raises_or_answers(path):
    one = limiter(fastblocks, path, "2/10s", "SlidingWindow", max_keys=50)
    one.allow_many(np.arange(100))
    size = os.path.getsize(path)
    rng = np.random.default_rng(0)
    answers = []
    for _ in range(30):
        with open(path, "r+b") as file:
            file.seek(4096 + 512 * 128)
            file.write(rng.bytes(40))
            for at in rng.integers(4096, size, 50):
                file.seek(at)
                file.write(rng.bytes(1))
        answers += [answer(one.hit, key) for key in range(20)]
        answers += [answer(one.reset, key) for key in range(20)]
    refused = {words for words in answers if isinstance(words, str)}
    assert refused == {f"{path}: corrupt: something else has written to it"}
    with contextlib.suppress(ValueError):
        limiter(fastblocks, path, "2/10s", "SlidingWindow", max_keys=50).allow("ann")


def test_it_goes_without_a_sound_at_the_end_of_the_interpreter(impl, path):
    code = f"""
import {impl.__name__}.limit as limit
keep = limit.FixedWindow("3/h", storage=limit.SharedMemory({str(path)!r}))
keep.allow("ann")
class Late:
    def __init__(self): self.limiter = keep
    def __del__(self): self.limiter = None
late = Late()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
