"""TopK as bytes and files: round trips and damage of every kind."""

import contextlib
import io
import pathlib
import struct

import pytest

import fastblocks
import fastblocks.pure
from tests.state import HEADER, readers, refuses_damage, repaired, resealed

HEAD = 64
CELLS = 1024  # of any k up to 64
GOLDEN = pathlib.Path(__file__).parent.parent / "golden"
KEYS = ["a", b"\xff", 5, -5, "ü", 2**64 - 9]


def small(impl, **kwargs):
    """Six keys of every form; no cell is used."""
    hot = impl.TopK(5, seed=11, **kwargs)
    hot.add_many(KEYS, [9, 8, 7, 6, 5, 4])
    return hot


def full(impl, **kwargs):
    """All counters and many cells in use."""
    hot = impl.TopK(5, seed=11, **kwargs)
    hot.add_many([i * i % 401 for i in range(2000)])
    hot.add_many([f"key {i}" for i in range(200)])
    return hot


def stopped():
    return 0.0


@pytest.fixture(params=["small", "full", "decay"])
def data(impl, request):
    if request.param == "decay":
        return full(impl, decay=5.0, timer=stopped).to_bytes()
    return {"small": small, "full": full}[request.param](impl).to_bytes()


# ---- round trips -----------------------------------------------------------------------------


def test_round_trips(impl, tmp_path):
    for make in (small, full, lambda m: m.TopK(3), lambda m: full(m, decay=5.0, timer=stopped)):
        hot = make(impl)
        data = hot.to_bytes()
        for read in readers(impl.TopK, tmp_path, ("r",)):
            twin = read(data)
            assert twin == hot
            assert [hit.key for hit in twin.top()] == [hit.key for hit in hot.top()]
            assert repr(twin) == repr(hot)


def test_native_and_pure_write_the_same(tmp_path):
    for make in (small, full, lambda m: full(m, decay=5.0, timer=stopped)):
        native, pure = make(fastblocks), make(fastblocks.pure)
        assert native.to_bytes() == pure.to_bytes()
        native.save(tmp_path / "native")
        pure.save(tmp_path / "pure")
        assert fastblocks.pure.TopK.open(tmp_path / "native") == pure
        assert fastblocks.TopK.open(tmp_path / "pure") == native


def test_what_is_read_goes_on_alike(impl):
    a = full(impl)
    b = impl.TopK.from_bytes(a.to_bytes())
    for hot in (a, b):
        hot.add_many(range(1000))
        hot.add("key 5", 100)
    assert a.to_bytes() == b.to_bytes()


def test_opened_is_read_only(impl, tmp_path):
    path = tmp_path / "hot.topk"
    hot = full(impl)
    hot.save(path)
    opened = impl.TopK.open(path)
    changes = {
        "add": lambda: opened.add("x"),
        "add_many": lambda: opened.add_many(["x"] * 600),
        "merge": lambda: opened.merge(hot),
        "clear": opened.clear,
    }
    for method, change in changes.items():
        with pytest.raises(io.UnsupportedOperation, match=f"{method}: "):
            change()
    opened.flush()
    assert opened == hot
    assert opened.top() == hot.top()
    assert opened.estimate_many(range(600)).tolist() == hot.estimate_many(range(600)).tolist()
    assert "key 5" in opened or opened.estimate("key 5") >= 1
    twin = opened.copy()
    twin.add("x")
    hot.merge(opened)
    with pytest.raises(ValueError, match=r"mode must be 'r', not 'r\+': a TopK cannot be changed"):
        impl.TopK.open(path, "r+")
    hot.save(path)  # the old one lives on
    assert opened.total == 2200


def test_opened_fades(impl, tmp_path):
    full(impl, decay=1e-9).save(tmp_path / "hot")
    opened = impl.TopK.open(tmp_path / "hot")
    assert opened.total < 1e-3
    assert opened.top() == []


def test_bytes_are_pinned():
    """The layout is a promise: files written by any version stay readable."""
    for name, expected in (
        ("topk_v1.bin", small(fastblocks)),
        ("topk_decay_v1.bin", small(fastblocks, decay=60.0, timer=stopped)),
    ):
        data = (GOLDEN / name).read_bytes()
        assert expected.to_bytes() == data
        for impl in (fastblocks, fastblocks.pure):
            assert impl.TopK.from_bytes(data) == (
                expected if impl is fastblocks else impl.TopK.from_bytes(expected.to_bytes())
            )


# ---- damage ----------------------------------------------------------------------------------


def test_damage_is_refused(impl, tmp_path):
    refuses_damage(impl.TopK, small(impl).to_bytes(), tmp_path, ("r",))


def float_word(x):
    return int.from_bytes(struct.pack("<d", x), "little")


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (32, 0),  # k
        (32, 2**24 + 1),
        (32, 2**63),
        (32, 6 + 64),
        (40, float_word(-1.0)),  # decay
        (40, float_word(-0.0)),
        (40, float_word(float("nan"))),
        (40, float_word(float("inf"))),
        (40, float_word(9e9)),
        (56, 0),  # counters
        (56, 129),
        (56, 2**63),
        (64, 0),  # cells
        (64, 2048),
        (72, 1),  # unused
        (112, 1),
    ],
)
def test_hostile_parameters_are_refused(impl, tmp_path, at, value):
    for read in readers(impl.TopK, tmp_path, ("r",)):
        with pytest.raises(ValueError, match="parameters contradict"):
            read(resealed(small(impl).to_bytes(), at, value))


def changed(payload, at, value):
    result = bytearray(payload)
    result[at : at + 8] = (value % 2**64).to_bytes(8, "little")
    return bytes(result)


def refuse(impl, data, payload):
    with pytest.raises(ValueError, match="TopK: corrupt: its parameters contradict each other"):
        impl.TopK.from_bytes(repaired(data, payload))


def test_any_word_of_the_payload_may_be_anything(impl, data):
    """Refused, or read as something that works."""
    payload = data[HEADER:]
    words = len(payload) // 8
    step = 1 if words < 100 else words // 15
    values = [0, 1, 2**63, 2**64 - 1, 9 << 8, 2**58, 0x7FF0 << 48]
    for at in [*range(8), *range(8, words, step), words - 1]:
        for value in values:
            hot = None
            with contextlib.suppress(ValueError):
                hot = impl.TopK.from_bytes(repaired(data, changed(payload, 8 * at, value)))
            if hot is None:
                continue
            hot.top()
            with contextlib.suppress(OverflowError):  # the total may be anything
                hot.add_many(range(140))
                hot.merge(hot)
            again = impl.TopK.from_bytes(hot.to_bytes())
            assert again.to_bytes()[HEADER + 64 :] == hot.to_bytes()[HEADER + 64 :]


def test_sizes_that_do_not_fit(impl, data):
    payload = data[HEADER:]
    for n in (0, 8, 56, 63, 64, len(payload) - 8, len(payload) - 1):
        if payload[:n] != payload:
            refuse(impl, data, payload[:n])
    refuse(impl, data, payload + bytes(8))


def test_hostile_heads(impl, data):
    payload = data[HEADER:]
    n = int.from_bytes(payload[8:16], "little")
    for value in (n - 1, n + 1, 129, 2**32 + n, 2**61 + n, 2**63, 2**64 - 1):
        refuse(impl, data, changed(payload, 8, value))
    text = int.from_bytes(payload[24:32], "little")
    for value in (text - 1, text + 8, 2**63, 2**64 - 1, 2**64 - 7):
        refuse(impl, data, changed(payload, 24, value))
    for at, value in ((16, 2**64 - 1), (32, 1), (32, 2**61), (40, 1), (48, 1), (56, 1 << 63)):
        refuse(impl, data, changed(payload, at, value))
    for value in (2**63, 2**64 - 1, 0xFFF0 << 48):
        refuse(impl, data, changed(payload, 0, value))


def test_hostile_counters(impl):
    """Integers: above the total, error above count, out of order, twice the same."""
    data = small(impl).to_bytes()
    payload = data[HEADER:]
    for offset, value in (
        (8, 0),
        (8, 40),
        (8, 2**63),
        (16, 10),
        (16, 2**63),
        (16, 2**64 - 1),
        (0, 5),  # the hash
    ):
        refuse(impl, data, changed(payload, HEAD + offset, value))
    refuse(impl, data, changed(payload, 0, 8))  # total
    first, second = payload[HEAD : HEAD + 24], payload[HEAD + 24 : HEAD + 48]
    refuse(impl, data, payload[:HEAD] + second + first + payload[HEAD + 48 :])
    twice = bytearray(second)
    twice[:8] = first[:8]
    refuse(impl, data, payload[:HEAD] + first + twice + payload[HEAD + 48 :])
    refuse(impl, data, payload[:HEAD] + first + first + payload[HEAD + 48 :])


def test_hostile_floats(impl):
    data = small(impl, decay=5.0, timer=stopped).to_bytes()
    payload = data[HEADER:]
    bad = [float("nan"), float("inf"), -1.0, -0.0, 1e300, -float("inf")]
    for at in (0, HEAD + 8, HEAD + 16):
        for value in bad:
            refuse(impl, data, changed(payload, at, float_word(value)))
    refuse(impl, data, changed(payload, HEAD + 8, 0))
    refuse(impl, data, changed(payload, 16, 64 * 5 * 10**9))  # age
    assert impl.TopK.from_bytes(repaired(data, changed(payload, 16, 64 * 5 * 10**9 - 1)))


def test_hostile_cells(impl):
    data = full(impl).to_bytes()
    payload = data[HEADER:]
    assert int.from_bytes(payload[32:40], "little") == CELLS
    for value in (2201, 2**63, 2**64 - 1):
        refuse(impl, data, changed(payload, HEAD, value))
    zero = payload[:HEAD] + bytes(8 * CELLS) + payload[HEAD + 8 * CELLS :]
    refuse(impl, data, zero)  # cells that are all 0 are not written


def test_hostile_keys(impl):
    data = small(impl).to_bytes()
    payload = data[HEADER:]
    forms = HEAD + 24 * 6
    text = forms + 8 * 6
    assert payload[text : text + 2] == b"a\xff"
    for at, value in (
        (forms, 1 << 8 | 2),  # an int of one byte
        (forms, 1 << 8 | 4),
        (forms, 2 << 8),
        (forms, 0),
        (forms, 2**63),
        (forms + 8, 1 << 8),  # not UTF-8
        (forms + 16, 8 << 8 | 3),  # 5 as an int of 2**63 at least
        (forms + 40, 9 << 8 | 2),
    ):
        refuse(impl, data, changed(payload, at, value))
    refuse(impl, data, payload[:text] + b"b" + payload[text + 1 :])  # another hash
    refuse(impl, data, payload[:-1] + b"\1")  # padding
    moved = changed(changed(payload, forms, 2 << 8 | 1), forms + 8, 1)
    refuse(impl, data, moved)
