"""RTree: answers equal to brute force, bad input, state, threads."""

import contextlib
import copy
import io
import math
import pickle
import random
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import fastblocks
import fastblocks.pure
from tests.state import HEADER, repaired, resealed

KINDS = ["uniform", "same", "line", "nested", "huge", "tiny", "outlier", "grid"]


def boxes_of(kind, n, seed=1):
    """Boxes that are easy, or meant to be hard."""
    rng = np.random.default_rng(seed)
    low = rng.random((n, 2))
    if kind == "uniform":
        return np.hstack([low, low + rng.random((n, 2)) * 0.05])
    if kind == "same":
        return np.tile([0.25, 0.5, 0.5, 0.75], (n, 1))
    if kind == "line":
        return np.stack([low[:, 0], 0 * low[:, 0], low[:, 0], 0 * low[:, 0]], 1)
    if kind == "nested":
        return np.arange(n)[:, None] * np.array([-1.0, -1.0, 1.0, 1.0])
    if kind == "huge":
        low = low * 10.0 ** rng.integers(-300, 300, (n, 2))
        return np.hstack([-low, low])
    if kind == "tiny":
        low = 2.0 ** -rng.integers(0, 1074, (n, 2))
        return np.hstack([low, low])
    if kind == "outlier":
        low[:1] = 1e18
        return np.hstack([low, low])
    low = rng.integers(0, 8, (n, 2)).astype(float)
    return np.hstack([low, low + 1])


def touching(boxes, query):
    """Indices of the boxes that touch one."""
    a, b, c, d = query
    x = (boxes[:, 0] <= c) & (boxes[:, 2] >= a)
    return np.flatnonzero(x & (boxes[:, 1] <= d) & (boxes[:, 3] >= b)).tolist()


def nearest_to(ids, boxes, x, y, k, most=math.inf):
    """Ids and distances of the nearest."""
    with np.errstate(over="ignore"):
        dx = np.maximum(np.maximum(boxes[:, 0] - x, x - boxes[:, 2]), 0.0)
        dy = np.maximum(np.maximum(boxes[:, 1] - y, y - boxes[:, 3]), 0.0)
        squares = dx * dx + dy * dy
    order = [i for i in np.lexsort((ids, squares)) if math.sqrt(squares[i]) <= most][:k]
    return [int(ids[i]) for i in order], [math.sqrt(squares[i]) for i in order]


def check_all(tree, ids, boxes, queries):
    """Every search of a tree against brute force."""
    ids, boxes = np.asarray(ids, np.int64), np.asarray(boxes, float).reshape(-1, 4)
    assert len(tree) == len(ids)
    order = np.argsort(ids)
    mine = tree.items()
    assert mine[0].tolist() == list(tree) == ids[order].tolist()
    assert (mine[1] == boxes[order]).all()
    expected = [sorted(ids[touching(boxes, q)].tolist()) for q in queries]
    assert [sorted(tree.query(q).tolist()) for q in queries] == expected
    assert tree.count_many(queries).tolist() == [len(found) for found in expected]
    index, found = tree.query_many(queries)
    assert (np.diff(index) >= 0).all()
    got = [sorted(found[index == i].tolist()) for i in range(len(queries))]
    assert got == expected
    for k, most in ((1, math.inf), (5, math.inf), (5, 0.1), (len(ids) + 3, math.inf)):
        near, far = tree.nearest_many(queries[:, :2], k, most)
        assert near.shape == far.shape == (len(queries), k)
        for i, (x, y) in enumerate(queries[:, :2].tolist()):
            want = nearest_to(ids, boxes, x, y, k, most)
            pad = k - len(want[0])
            assert near[i].tolist() == want[0] + [-1] * pad
            assert far[i].tolist() == want[1] + [math.inf] * pad
            one = tree.nearest(x, y, k, most)
            assert (one[0].tolist(), one[1].tolist()) == want
    if len(ids):
        low, high = boxes[:, :2].min(0), boxes[:, 2:].max(0)
        assert tree.bounds == (*low.tolist(), *high.tolist())
    else:
        assert tree.bounds is None


# ---- answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [0, 1, 2, 16, 17, 256, 300])
def test_searches_equal_brute_force(impl, kind, n):
    boxes, queries = boxes_of(kind, n), boxes_of(kind, 12, seed=2)
    ids = np.random.default_rng(3).permutation(3 * n)[:n] - n
    check_all(impl.RTree(boxes, ids), ids, boxes, queries)


@pytest.mark.parametrize("kind", KINDS)
def test_native_searches_of_many_boxes(kind):
    boxes, queries = boxes_of(kind, 5000), boxes_of(kind, 40, seed=2)
    check_all(fastblocks.RTree(boxes), np.arange(5000), boxes, queries)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [0, 1, 16, 17, 257, 700])
def test_native_and_pure_have_the_same_bytes_whatever_the_order(kind, n):
    boxes = boxes_of(kind, n)
    ids = np.random.default_rng(4).permutation(n) - n // 2
    data = fastblocks.pure.RTree(boxes, ids).to_bytes()
    assert fastblocks.RTree(boxes, ids).to_bytes() == data
    assert fastblocks.RTree(boxes[::-1], ids[::-1]).to_bytes() == data
    assert fastblocks.RTree.from_bytes(data) == fastblocks.RTree(boxes, ids)


@pytest.mark.parametrize("kind", KINDS)
def test_join_equals_brute_force(impl, kind):
    a, b = boxes_of(kind, 300), boxes_of(kind, 40, seed=5)
    one, other = impl.RTree(a), impl.RTree(b, np.arange(40) + 1000)
    expected = [(i, 1000 + j) for j, q in enumerate(b) for i in touching(a, q)]
    assert sorted(zip(*map(np.ndarray.tolist, one.join(other)), strict=True)) == sorted(expected)
    back = other.join(one)
    assert sorted(zip(*map(np.ndarray.tolist, back[::-1]), strict=True)) == sorted(expected)
    assert len(other.join(other)[0]) == sum(len(touching(b, q)) for q in b)
    assert len(one.join(impl.RTree())[0]) == len(impl.RTree().join(one)[0]) == 0


def test_touching_is_intersecting_and_ties_go_to_lower_ids(impl):
    tree = impl.RTree([(0, 0, 1, 1), (1, 1, 2, 2), (3, 0, 4, 1)], ids=[5, -5, 0])
    assert sorted(tree.query((1, 1, 1, 1)).tolist()) == [-5, 5]
    assert tree.query((2, 2, 3, 3)).tolist() == [-5]
    assert tree.nearest(2, 0.5, k=3)[0].tolist() == [-5, 0, 5]
    assert tree.nearest(0, 0, max_distance=0)[0].tolist() == [5]
    assert tree.nearest(-1, 0, max_distance=1)[0].tolist() == [5]
    assert tree.nearest(-1, 0, max_distance=0.999)[0].tolist() == []


numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-3, 3).map(float)
corners = st.tuples(numbers, numbers, numbers, numbers)
any_box = corners.map(lambda c: (min(c[::2]), min(c[1::2]), max(c[::2]), max(c[1::2])))


@given(st.lists(any_box, max_size=40), st.lists(any_box, min_size=1, max_size=5))
def test_any_boxes(boxes, queries):
    rows, asked = np.array(boxes).reshape(-1, 4), np.array(queries)
    native, pure = fastblocks.RTree(rows), fastblocks.pure.RTree(rows)
    check_all(native, np.arange(len(rows)), rows, asked)
    assert native.to_bytes() == pure.to_bytes()
    changed = fastblocks.RTree()
    for i, box in enumerate(boxes):
        changed.insert(i, box)
    check_all(changed, np.arange(len(rows)), rows, asked)
    assert changed.to_bytes() == pure.to_bytes()


# ---- changes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("held", [False, True])
def test_many_changes_of_native_trees(kind, held):
    """With `held`, threads that search look on: old views must not change."""
    rng = random.Random(6)
    boxes, queries = boxes_of(kind, 4000), boxes_of(kind, 6, seed=7)
    tree = fastblocks.RTree(boxes[:1000])
    live = dict(enumerate(boxes[:1000].tolist()))
    for step in range(6000):
        if rng.random() < (0.4 if step < 3000 else 0.7) and live:
            gone = rng.choice(list(live)) if step % 50 == 0 else next(iter(live))
            tree.remove(gone)
            del live[gone]
        else:
            live[10_000 + step] = boxes[rng.randrange(4000)].tolist()
            tree.insert(10_000 + step, tuple(live[10_000 + step]))
        if step % 1500 == 0 or step == 5999:
            check_all(tree, list(live), list(live.values()), queries)
        if held and step % 97 == 0:
            iter(tree)
    pure = fastblocks.pure.RTree(np.array(list(live.values())).reshape(-1, 4), list(live))
    assert tree.to_bytes() == pure.to_bytes()
    for gone in list(live):
        tree.remove(gone)
    check_all(tree, [], [], queries)
    tree.insert(1, (0, 0, 1, 1))
    assert list(tree) == [1]


class Machine(RuleBasedStateMachine):
    """Native, pure and a dict, side by side."""

    ids = st.integers(-5, 30)

    @initialize(boxes=st.lists(any_box, max_size=40))
    def start(self, boxes):
        rows = np.array(boxes).reshape(-1, 4)
        self.model = dict(enumerate(boxes))
        self.trees = [fastblocks.RTree(rows), fastblocks.pure.RTree(rows)]

    @rule(id=ids, box=any_box)
    def insert(self, id, box):
        for tree in self.trees:
            if id in self.model:
                with pytest.raises(ValueError, match=f"^id {id} is there already$"):
                    tree.insert(id, box)
            else:
                tree.insert(id, box)
        self.model.setdefault(id, box)

    @rule(id=ids)
    def remove(self, id):
        for tree in self.trees:
            if id in self.model:
                tree.remove(id)
            else:
                with pytest.raises(KeyError):
                    tree.remove(id)
        self.model.pop(id, None)

    @rule(box=any_box)
    def search(self, box):
        ids, rows = list(self.model), list(self.model.values())
        for tree in self.trees:
            check_all(tree, ids, rows, np.array([box]))

    @precondition(lambda self: self.model)
    @rule()
    def copies(self):
        data = {tree.to_bytes() for tree in self.trees}
        assert len(data) == 1
        self.trees[0] = fastblocks.RTree.from_bytes(data.pop())

    @invariant()
    def contents(self):
        for tree in self.trees:
            assert list(tree) == sorted(self.model)


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=40, stateful_step_count=30)


# ---- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("box", "error"),
    [
        ((0, 0, math.nan, 1), ValueError),
        ((0, 0, math.inf, 1), ValueError),
        ((1, 0, 0, 1), ValueError),
        ((0, 1, 1, 0), ValueError),
        ((0, 0, 1), ValueError),
        ((0, 0, 1, 1, 1), ValueError),
        ((0, 0, 1, "1"), TypeError),
        ((0, 0, 1, True), TypeError),
        (5, TypeError),
        ("abcd", TypeError),
        (None, TypeError),
    ],
)
def test_bad_boxes(impl, box, error):
    tree = impl.RTree([(0, 0, 1, 1)])
    for call in (tree.query, lambda b: tree.insert(7, b)):
        with pytest.raises(error, match=r"^box"):
            call(box)
    batches = (impl.RTree, tree.query_many, tree.count_many)
    for call in batches if box != (0, 0, 1, True) else ():  # which NumPy makes an int
        with pytest.raises((ValueError, TypeError), match=r"^boxes"):
            call([box])
    assert list(tree) == [0]


def test_messages_are_the_same():
    calls = [
        lambda m: m.RTree([(0, 0, 1, 1), (1, 0, 0, 1)]),
        lambda m: m.RTree(np.zeros(4)),
        lambda m: m.RTree(["a"]),
        lambda m: m.RTree([(0, 0, 1, 1)], ids=[1, 2]),
        lambda m: m.RTree([(0, 0, 1, 1)], ids=[1.5]),
        lambda m: m.RTree([(0, 0, 1, 1)], ids=np.array([2**63], np.uint64)),
        lambda m: m.RTree(np.zeros((3, 4)), ids=[3, 4, 3]),
        lambda m: m.RTree(np.zeros((100, 4)), ids=[*range(98, 0, -1), 5, 5]),
        lambda m: m.RTree().insert(2**63, (0, 0, 1, 1)),
        lambda m: m.RTree().insert("a", (0, 0, 1, 1)),
        lambda m: m.RTree().insert(1, (0, 0, math.nan, 1)),
        lambda m: m.RTree().insert(1, (0.0, 2.0, 1.0, 1.0)),
        lambda m: m.RTree([(0, 0, 1, 1)]).insert(0, (0, 0, 1, 1)),
        lambda m: m.RTree().remove(5),
        lambda m: m.RTree().nearest(math.nan, 0),
        lambda m: m.RTree().nearest(0, "1"),
        lambda m: m.RTree().nearest(0, 0, k=0),
        lambda m: m.RTree().nearest(0, 0, k=1.5),
        lambda m: m.RTree().nearest(0, 0, max_distance=-1),
        lambda m: m.RTree().nearest(0, 0, max_distance=math.nan),
        lambda m: m.RTree().nearest_many([(0, math.inf)]),
        lambda m: m.RTree().nearest_many([(0, 1, 2)]),
        lambda m: m.RTree().nearest_many([(0, 1)], k=0),
        lambda m: m.RTree().join(5),
        lambda m: "a" in m.RTree(),
    ]
    for call in calls:
        errors = []
        for module in (fastblocks, fastblocks.pure):
            with pytest.raises((ValueError, TypeError, KeyError)) as caught:
                call(module)
            errors.append((caught.type, str(caught.value)))
        assert errors[0] == errors[1]


def test_empty(impl):
    for tree in (impl.RTree(), impl.RTree([]), impl.RTree(np.empty((0, 4)), [])):
        check_all(tree, [], [], np.array([[0.0, 0, 1, 1]]))
        assert 5 not in tree
        assert tree.query_many([])[0].dtype == np.int64
        assert tree.nearest_many([], k=2)[0].shape == (0, 2)
        assert impl.RTree.from_bytes(tree.to_bytes()) == tree
        assert repr(tree) == "RTree(0 boxes)"


def test_dtypes_and_strides(impl):
    boxes = boxes_of("grid", 50)
    tree = impl.RTree(boxes)
    wide = np.zeros((50, 8))
    wide[:, ::2] = boxes
    for other in (boxes.astype(np.int32), boxes.astype(">f8"), wide[:, ::2], boxes.tolist()):
        assert impl.RTree(other) == tree
    assert impl.RTree(boxes, ids=np.arange(50, dtype=np.uint8)) == tree
    assert impl.RTree([(-0.0, -0.0, 0.0, 0.0)]).to_bytes() == impl.RTree([(0, 0, 0, 0)]).to_bytes()


# ---- state -----------------------------------------------------------------------------------


def test_copies_and_files(impl, tmp_path):
    boxes = boxes_of("uniform", 300)
    tree = impl.RTree(boxes)
    tree.remove(7)
    tree.insert(1000, (0.0, 0.0, 1.0, 1.0))
    tree.save(tmp_path / "tree")
    duplicates = [tree.copy(), copy.copy(tree), copy.deepcopy(tree)]
    duplicates += [pickle.loads(pickle.dumps(tree)), impl.RTree.from_bytes(tree.to_bytes())]
    for duplicate in duplicates:
        assert duplicate == tree
        duplicate.remove(1000)
        assert duplicate != tree
    for verify in (True, False):
        mapped = impl.RTree.open(tmp_path / "tree", verify=verify)
        assert mapped == tree
        assert 1000 in mapped
        assert 7 not in mapped
        with pytest.raises(io.UnsupportedOperation):
            mapped.insert(7, (0, 0, 1, 1))
        with pytest.raises(io.UnsupportedOperation):
            mapped.remove(1000)
        other = mapped.copy()
        other.remove(1000)
        assert len(other) == len(mapped) - 1
    with pytest.raises(ValueError, match="mode must be 'r'"):
        impl.RTree.open(tmp_path / "tree", "r+")


def golden_tree(impl):
    boxes = [(i % 7 - 3, i % 5 / 4, i % 7 + i % 3 / 2, 2 + i % 5) for i in range(40)]
    return impl.RTree(boxes, [3 * i - 20 for i in range(40)])


def test_hostile_parameters(impl):
    data = golden_tree(impl).to_bytes()
    for at, value in ((32, 41), (32, 49), (32, 2**32 - 1), (32, 2**64 - 1), (32, 0), (40, 1)):
        with pytest.raises(ValueError, match="RTree: corrupt"):
            impl.RTree.from_bytes(resealed(data, at, value))


NODE = 640
MINUS_ZERO = np.array([-0.0]).tobytes()


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (512, (3 * 39 - 20).to_bytes(8, "little")),  # an id that is there already
        (2 * NODE + 8 * 15, np.array([5.0]).tobytes()),  # a box where there is none
        (2 * NODE + 512 + 8 * 15, b"1"),
        (0, np.array([math.nan]).tobytes()),
        (0, np.array([1e9]).tobytes()),  # min > max
        (8, MINUS_ZERO),
        (3 * NODE, np.array([-3.5]).tobytes()),  # the root: not the box of its child
        (3 * NODE + 512, b"1"),
    ],
)
def test_hostile_payloads_are_refused(impl, tmp_path, at, value):
    payload = golden_tree(impl).to_bytes()[HEADER:]
    assert len(payload) == 4 * NODE
    changed = payload[:at] + value + payload[at + len(value) :]
    assert changed != payload
    (tmp_path / "tree").write_bytes(repaired(golden_tree(impl).to_bytes(), changed))
    with pytest.raises(ValueError, match="RTree: corrupt"):
        impl.RTree.from_bytes((tmp_path / "tree").read_bytes())
    with pytest.raises(ValueError, match="tree: corrupt"):
        impl.RTree.open(tmp_path / "tree")


def test_hostile_payloads_do_no_harm(tmp_path):
    """In memory they are refused, or are trees; mapped, they are searched in bounds."""
    data = fastblocks.RTree(boxes_of("uniform", 700)).to_bytes()
    rng = np.random.default_rng(8)
    words = np.frombuffer(data[HEADER:], np.uint64)
    special = np.array([math.inf, -math.inf, math.nan, 0.0, 1e308, -1e308]).view(np.uint64)
    for share in (0.001, 0.01, 0.3, 1.0):
        for trial in range(12):
            payload = words.copy()
            at = rng.random(len(words)) < share
            payload[at] = (
                rng.choice(special, at.sum())
                if trial % 2
                else rng.integers(0, 2**64, at.sum(), np.uint64)
            )
            changed = repaired(data, payload.tobytes())
            with contextlib.suppress(ValueError, KeyError):
                fastblocks.RTree.from_bytes(changed).remove(5)
            (tmp_path / "tree").write_bytes(changed)
            tree = fastblocks.RTree.open(tmp_path / "tree", verify=False)
            whole = (-1e308, -1e308, 1e308, 1e308)
            tree.query(whole)
            tree.count_many([whole])
            tree.nearest(0.5, 0.5, k=800)
            tree.join(fastblocks.RTree([whole]))
            tree.items()
            assert tree.bounds is not None
            assert 5 in tree or 5 not in tree


def test_a_payload_in_another_order_stays_as_it_is_until_a_change(impl):
    tree = impl.RTree([(0, 0, 2, 2), (1, 1, 3, 3), (4, 4, 4, 4)], ids=[10, 20, 40])
    data = tree.to_bytes()
    words = np.frombuffer(data, np.uint64, offset=HEADER).reshape(5, 16).copy()
    words[:, :2] = words[:, 1::-1]
    other = repaired(data, words.tobytes())
    read = impl.RTree.from_bytes(other)
    assert read == tree
    assert read.to_bytes() == read.copy().to_bytes() == other
    read.insert(3, (5, 5, 6, 6))
    assert read.to_bytes() != other
    read.remove(3)
    assert read.to_bytes() == data


def test_memory():
    n = 200_000
    tree = fastblocks.RTree(boxes_of("uniform", n))
    assert tree.nbytes <= 48 * n


# ---- threads ---------------------------------------------------------------------------------


def test_readers_see_one_moment(impl, switch_often):
    """Boxes come and go in pairs; numbers rise. A search sees what stood there at one moment."""
    n, steps = 3000, 400 if impl is fastblocks else 60
    boxes = boxes_of("uniform", n)
    tree = impl.RTree(boxes)
    far = [(5.0 + i, 5.0, 5.0 + i, 5.0) for i in range(steps)]
    stop, errors = threading.Event(), []
    whole = np.array([[4.0, 4.0, 10_000.0, 6.0]] * 40)

    def read():
        try:
            while not stop.is_set():
                index, found = tree.query_many(whole)
                rows = [sorted(found[index == i].tolist()) for i in range(len(whole))]
                assert rows.count(rows[0]) == len(rows)  # the batch, one moment
                ids = rows[0]
                assert len(ids) <= 2
                assert ids == list(range(ids[0], ids[0] + len(ids))) if ids else True
                near = tree.nearest_many(np.full((20, 2), 5.0), 1)[0][:, 0].tolist()
                assert near.count(near[0]) == len(near)
                items = tree.items()[0]
                assert n <= len(items) <= n + 2
        except BaseException as error:
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for step in range(steps):
        tree.insert(n + step, far[step])
        if step:
            tree.remove(n + step - 1)
        assert n + step in tree
    stop.set()
    for reader in readers:
        reader.join()
    assert not errors, errors[0]
    tree.remove(n + steps - 1)
    assert tree == impl.RTree(boxes)
