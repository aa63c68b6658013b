"""QuadTree: answers equal to brute force, bad input, state, threads."""

import copy
import math
import pickle
import threading

import numpy as np
import pytest

import fastblocks
import fastblocks.pure
from tests.state import HEADER, repaired, resealed

UNIT = (0.0, 0.0, 1.0, 1.0)
KINDS = ["uniform", "same", "two", "line", "grid", "corner"]


def points_of(kind, n, seed=1):
    """Points in the unit square that are easy, or meant to be hard."""
    rng = np.random.default_rng(seed)
    xy = rng.random((n, 2))
    if kind == "same":
        xy[:] = 0.3, 0.7
    elif kind == "two":
        xy = rng.choice(np.array([[0.3, 0.7], [0.3, np.nextafter(0.7, 1)]]), n)
    elif kind == "line":
        xy[:, 1] = 0.5
    elif kind == "grid":
        xy = rng.integers(0, 9, (n, 2)) / 8.0
    elif kind == "corner":
        xy = np.minimum(1.0, 1.0 - 2.0 ** -rng.integers(1, 60, (n, 2)))
    return xy


def check_all(tree, points, seed=3):
    """Every search of a tree against brute force; points by id."""
    rng = np.random.default_rng(seed)
    ids = np.array(sorted(points), np.int64)
    xy = np.array([points[id] for id in ids.tolist()], float).reshape(-1, 2)
    assert len(tree) == len(ids)
    mine = tree.items()
    assert mine[0].tolist() == list(tree) == ids.tolist()
    assert (np.stack(mine[1:], 1) == xy).all()
    asked = np.vstack([rng.random((6, 2)) * 1.4 - 0.2, xy[:3], [[0, 0], [1, 1], [0.5, 0.5]]])
    low, high = asked, asked + rng.random((len(asked), 2)) * [[0.5, 0.3]]
    boxes = np.vstack([np.hstack([low, high]), np.hstack([asked, asked]), [(-9, -9, 9, 9)]])
    expected = [ids[((xy >= b[:2]) & (xy <= b[2:])).all(1)].tolist() for b in boxes]
    index, found = tree.query_many(boxes)
    assert (np.diff(index) >= 0).all()
    assert [sorted(found[index == i].tolist()) for i in range(len(boxes))] == expected
    assert [sorted(tree.query(tuple(b)).tolist()) for b in boxes[:4].tolist()] == expected[:4]
    rs = np.append(rng.random(len(asked) - 2) * 0.3, [0.0, math.inf])
    index, found = tree.within_many(asked[:, 0], asked[:, 1], rs)
    squares = [((xy - at) ** 2).sum(1) for at in asked]
    for i, (square, r) in enumerate(zip(squares, rs, strict=True)):
        expected = ids[np.sqrt(square) <= r].tolist()
        assert sorted(found[index == i].tolist()) == expected
        assert sorted(tree.within(*asked[i], r).tolist()) == expected
    for k, most in ((1, math.inf), (7, 0.2), (len(ids) + 2, math.inf)):
        near, far = tree.nearest_many(asked[:, 0], asked[:, 1], k, most)
        assert near.shape == far.shape == (len(asked), k)
        for i, square in enumerate(squares):
            order = np.lexsort((ids, square))[:k]
            order = order[np.sqrt(square[order]) <= most]
            rest = k - len(order)
            assert near[i].tolist() == ids[order].tolist() + [-1] * rest
            assert far[i].tolist() == np.sqrt(square[order]).tolist() + [math.inf] * rest
            one = tree.nearest(*asked[i], k, most)
            assert (one[0] == near[i][: len(order)]).all()
            assert (one[1] == far[i][: len(order)]).all()


@pytest.mark.parametrize("capacity", [1, 3, 32])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [0, 1, 40, 400])
def test_equal_to_brute_force(impl, kind, n, capacity):
    if impl is not fastblocks and n > 40:
        n = 90
    ids = np.random.default_rng(5).integers(-(2**63), 2**63 - 1, n, np.int64)
    xy = points_of(kind, n)
    tree = impl.QuadTree(UNIT, capacity)
    tree.insert_many(ids, xy[:, 0], xy[:, 1])
    points = dict(zip(ids.tolist(), map(tuple, xy.tolist()), strict=True))
    check_all(tree, points)
    moved = points_of(KINDS[(KINDS.index(kind) + 1) % len(KINDS)], n, seed=8)
    tree.move_many(ids[: n // 2], moved[: n // 2, 0], moved[: n // 2, 1])
    points |= dict(zip(ids[: n // 2].tolist(), map(tuple, moved.tolist()), strict=False))
    tree.remove_many(ids[::3])
    for id in ids[::3].tolist():
        del points[id]
    check_all(tree, points)


@pytest.mark.parametrize(
    "bounds",
    [
        (1e15, 1e15, 1e15 + 4, 1e15 + 4),
        (-1e300, -1e-3, 8e299, 1e-3),
        (0, 0, 1e-310, 1),
        (-5, 2, 5, 3),
    ],
)
def test_odd_bounds(impl, bounds):
    rng = np.random.default_rng(1)
    low, high = np.array(bounds[:2], float), np.array(bounds[2:], float)
    xy = np.clip(low + rng.random((300, 2)) * (high - low), low, high)
    tree = impl.QuadTree(bounds, 4)
    tree.insert_many(range(300), xy[:, 0], xy[:, 1])
    with np.errstate(over="ignore"):
        for at in xy[:20]:
            square = ((xy - at) ** 2).sum(1)
            order = np.lexsort((np.arange(300), square))[:9]
            assert tree.nearest(*at, 9)[0].tolist() == order.tolist()
            box = (*np.minimum(at, xy[50]), *np.maximum(at, xy[50]))
            inside = ((xy >= box[:2]) & (xy <= box[2:])).all(1)
            assert sorted(tree.query(box).tolist()) == np.flatnonzero(inside).tolist()


def test_bad_input_changes_nothing(impl):
    tree = impl.QuadTree(UNIT)
    tree.insert_many([1, 2, 3], [0.1, 0.2, 0.3], [0.5, 0.5, 0.5])
    before = tree.to_bytes()
    for error, words, call in [
        (ValueError, "id 1 is there already", lambda: tree.insert(1, 0.5, 0.5)),
        (ValueError, r"x must be in \[0, 1\], not 1.5", lambda: tree.insert(4, 1.5, 0.5)),
        (ValueError, r"y must be in \[0, 1\], not nan", lambda: tree.move(1, 0.5, math.nan)),
        (TypeError, "x must be", lambda: tree.move(1, "a", 0.5)),
        (TypeError, "id must be an int, not str", lambda: tree.move("a", 0.5, 0.5)),
        (ValueError, "id must be in", lambda: tree.insert(2**63, 0.5, 0.5)),
        (KeyError, "9", lambda: tree.move(9, 0.5, 0.5)),
        (KeyError, "9", lambda: tree.remove(9)),
        (KeyError, "9", lambda: tree[9]),
        (ValueError, r"ids\[2\] is 5", lambda: tree.insert_many([5, 6, 5], [0, 0, 0], [0, 0, 0])),
        (ValueError, r"ids\[1\] is 3", lambda: tree.insert_many([5, 3], [0, 0], [0, 0])),
        (ValueError, r"ys\[1\] must be in", lambda: tree.insert_many([5, 6], [0, 0], [0, -1])),
        (ValueError, "ids must be as many", lambda: tree.insert_many([5], [0, 0], [0, 0])),
        (TypeError, "ids must be", lambda: tree.insert_many([0.5], [0], [0])),
        (KeyError, "7", lambda: tree.move_many([1, 7], [0, 0], [0, 0])),
        (KeyError, "1", lambda: tree.remove_many([1, 2, 1])),
        (ValueError, "box must be finite", lambda: tree.query((1, 0, 0, 1))),
        (ValueError, r"boxes\[1\] must be", lambda: tree.query_many([UNIT, (0, 0, math.nan, 1)])),
        (ValueError, "k must be in", lambda: tree.nearest(0, 0, 0)),
        (ValueError, "x must be finite", lambda: tree.nearest(math.inf, 0)),
        (ValueError, "max_distance must be", lambda: tree.nearest(0, 0, 1, -1)),
        (ValueError, "r must be", lambda: tree.within(0, 0, math.nan)),
        (ValueError, r"rs\[0\] must be", lambda: tree.within_many([0], [0], [-1])),
        (ValueError, "bounds must be", lambda: impl.QuadTree((0, 0, 0, 1))),
        (ValueError, "bounds must be", lambda: impl.QuadTree((-1e308, 0, 1e308, 1))),
        (ValueError, "leaf_capacity must be in", lambda: impl.QuadTree(UNIT, 0)),
    ]:
        with pytest.raises(error, match=words):
            call()
        assert tree.to_bytes() == before


def test_state(impl):
    tree = impl.QuadTree((-1.0, -2.0, 3.0, 4.0), 5)
    xy = points_of("uniform", 100)
    tree.insert_many(np.arange(100)[::-1], xy[:, 0], -xy[:, 1])
    data = tree.to_bytes()
    for module in (fastblocks, fastblocks.pure):
        again = module.QuadTree.from_bytes(data)
        assert again.to_bytes() == data
        assert again.bounds == tree.bounds
        assert again.leaf_capacity == 5
        assert repr(again) == "QuadTree((-1.0, -2.0, 3.0, 4.0), leaf_capacity=5, 100 points)"
    for again in (copy.copy(tree), copy.deepcopy(tree), pickle.loads(pickle.dumps(tree))):
        assert again == tree
        again.move(5, 0.0, -0.0)
        assert math.copysign(1, again[5][1]) == 1
        assert again != tree
    assert tree.nbytes > 0
    for at, value in ((32, 2**62), (64, 0), (72, 99), (72, 2**63), (80, 1)):
        with pytest.raises(ValueError, match="QuadTree: corrupt"):
            impl.QuadTree.from_bytes(resealed(data, at, value))
    words = np.frombuffer(data[HEADER:], np.int64).copy()
    for at, value in ((1, 0), (150, np.int64(-1)), (250, np.float64(9.0).view(np.int64))):
        bad = words.copy()
        bad[at] = value
        with pytest.raises(ValueError, match="QuadTree: corrupt"):
            impl.QuadTree.from_bytes(repaired(data, bad.tobytes()))


def test_files(impl, tmp_path):
    """What is opened has points of its own: it may be changed, and the file is as it was."""
    first = impl.QuadTree((0, 0, 9, 9))
    first.insert(1, 2.0, 3.0)
    first.save(tmp_path / "points")
    opened = impl.QuadTree.open(tmp_path / "points")
    opened.insert(2, 3.0, 4.0)
    assert len(opened) == 2
    assert impl.QuadTree.open(tmp_path / "points", verify=False) == first
    with pytest.raises(ValueError, match="mode must be 'r'"):
        impl.QuadTree.open(tmp_path / "points", "r+")


def test_memory():
    n = 1_000_000
    xy = points_of("uniform", n)
    tree = fastblocks.QuadTree(UNIT)
    tree.insert_many(np.arange(n), xy[:, 0], xy[:, 1])
    assert tree.nbytes <= 64 * n


def test_threads(impl, switch_often):
    """Points move in step while others search: each batch sees one moment."""
    n, steps = 200, 60 if impl is fastblocks else 10
    tree = impl.QuadTree((0, 0, steps + 1, 1), 8)
    ids = np.arange(n)
    tree.insert_many(ids, np.zeros(n), np.linspace(0, 1, n))
    stop, errors = threading.Event(), []

    def read():
        try:
            while not stop.is_set():
                index, _ = tree.query_many([(i, 0, i, 1) for i in range(steps + 1)])
                assert len(index) == n
                assert (index == index[0]).all()
                assert len(tree.within(0, 0, math.inf)) >= n
                assert 5 in tree
                assert len(tree.nearest(1, 0.5, 3)[0]) == 3
        except BaseException as error:
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for step in range(steps):
        tree.move_many(ids, np.full(n, step + 1.0), np.linspace(0, 1, n))
        tree.insert(n, 0.5, 0.5)
        tree.remove(n)
    stop.set()
    for reader in readers:
        reader.join()
    assert not errors, errors[0]
