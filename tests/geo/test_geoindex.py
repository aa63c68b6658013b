"""GeoIndex: answers equal to brute force by the haversine, bad input, state, threads."""

import copy
import math
import pickle
import random
import threading

import numpy as np
import pytest

import fastblocks
import fastblocks.pure
from fastblocks.geo.distance import distance_matrix
from tests.state import HEADER, repaired, resealed

KINDS = ["sphere", "pole", "antimeridian", "same", "grid", "dense", "opposite"]


def points_of(kind, n, seed=1):
    """Latitudes and longitudes that are easy, or meant to be hard."""
    rng = np.random.default_rng(seed)
    lat, lng = np.degrees(np.arcsin(rng.uniform(-1, 1, n))), rng.uniform(-180, 180, n)
    if kind == "pole":
        lat = rng.choice([-90.0, 90.0, 89.9999999, 89.5], n)
    elif kind == "antimeridian":
        lat, lng = lat * 1e-3, rng.choice([-180.0, 180.0, 179.9999, -179.9999, 540.0], n)
    elif kind == "same":
        lat[:], lng[:] = 45.0, 45.0
    elif kind == "grid":
        lat, lng = rng.integers(-6, 7, n) * 15.0, rng.integers(-12, 13, n) * 15.0
    elif kind == "dense":
        lat, lng = 10 + lat * 1e-9, 20 + lng * 1e-9
    elif kind == "opposite":
        lat, lng = -10 + lat * 1e-7, -160 + lng * 1e-7
    return lat, lng


def asked_of(lat, lng):
    """Points to search from."""
    more = points_of("sphere", 8, seed=3)
    extra = [(90.0, 5.0), (-90.0, 0.0), (0.0, 180.0), (0.0, -180.0), (10.0, 20.0), (45.0, 45.0)]
    lats = np.concatenate([more[0], lat[:3], [y for y, _ in extra]])
    return lats, np.concatenate([more[1], lng[:3], [x for _, x in extra]])


def check_all(impl, index, points, names=None):
    """Every search against brute force; points by id in the order that breaks ties."""
    ids = list(points)
    lat = np.array([y for y, _ in points.values()], float)
    lng = np.array([x for _, x in points.values()], float)
    assert len(index) == len(ids)
    assert list(index) == ids
    assert list(index.items()[0]) == ids
    assert all(index[id] == points[id] for id in ids[:20])
    lats, lngs = asked_of(lat, lng)
    radii = np.resize([1e5, 0.0, 3e6, 2.1e7, math.inf, 1.0], len(lats))
    queries, found, metres = index.within_many(lats, lngs, radii)
    few = index.within_many(lats, lngs, radii, limit=4)
    answers = [index.nearest_many(lats, lngs, k, most) for k, most in ((1, math.inf), (9, 3e6))]
    padding = None if index.id_type is str else -1
    for i, (y, x) in enumerate(zip(lats.tolist(), lngs.tolist(), strict=True)):
        far = impl.geo.distance.haversine(y, x, lat, lng) if ids else np.array([])
        order = np.argsort(far, kind="stable")  # ids are ascending, or in order
        inside = [j for j in order if far[j] <= radii[i]]
        assert found[queries == i].tolist() == [ids[j] for j in inside]
        assert metres[queries == i].tolist() == far[inside].tolist()
        one = index.within(y, x, radii[i], limit=4)
        assert list(one[0]) == few[1][few[0] == i].tolist() == [ids[j] for j in inside[:4]]
        assert len(index.within(y, x, radii[i])[0]) == len(inside)
        for (near, m), (k, most) in zip(answers, ((1, math.inf), (9, 3e6)), strict=True):
            best = [j for j in order[:k] if far[j] <= most]
            rest = k - len(best)
            assert near[i].tolist() == [ids[j] for j in best] + [padding] * rest
            assert m[i].tolist() == far[best].tolist() + [math.inf] * rest
            single = index.nearest(y, x, k, most)
            assert list(single[0]) == [ids[j] for j in best]
            assert single[1].tolist() == far[best].tolist()


def wrapped(lng):
    """A longitude in [-180, 180]."""
    turn = math.fmod(lng, 360)
    return (
        lng
        if -180 <= lng <= 180
        else turn - 360
        if turn > 180
        else turn + 360
        if turn < -180
        else turn
    )


@pytest.mark.parametrize("id_type", [int, str])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [0, 1, 40, 700])
def test_equal_to_brute_force(impl, kind, n, id_type):
    if impl is not fastblocks and n > 40:
        n = 60
    lat, lng = points_of(kind, n)
    rng = np.random.default_rng(n)
    ids = np.sort(rng.integers(-(2**63), 2**63 - 1, n, np.int64)).tolist()
    if id_type is str:
        ids = [f"n\u00e4me {id}" for id in ids]
    index = impl.GeoIndex(id_type)
    index.set_many(ids, np.zeros(n), np.zeros(n))
    index.set_many(ids, lat, lng)
    points = {id: (y, wrapped(x)) for id, y, x in zip(ids, lat.tolist(), lng.tolist(), strict=True)}
    check_all(impl, index, points)
    index.remove_many(ids[::3])
    moved = points_of("sphere", n, seed=9)
    kept = [i for i in range(n) if i % 3]
    index.set_many([ids[i] for i in kept[::2]], moved[0][kept[::2]], moved[1][kept[::2]])
    points = {ids[i]: points[ids[i]] for i in kept}
    for i in kept[::2]:
        points[ids[i]] = moved[0][i], moved[1][i]
    check_all(impl, index, points)


@pytest.mark.parametrize("kind", ["equal", "corner", "sphere"])
def test_nearest_of_large_batches(kind):
    """Batches are searched in another order, and for one in another way than for more."""
    rng = np.random.default_rng(7)
    n, m = 2000, 300
    lat, lng = points_of("sphere", 40)
    lat, lng = (
        np.repeat(lat, n // 40),
        np.repeat(lng, n // 40),
    )  # more at a place than wait to be measured
    asked = points_of("sphere", m, seed=3)
    if kind == "corner":  # of the cube
        lat, lng = 35.2644 + rng.normal(0, 0.01, n), 45 + rng.normal(0, 0.01, n)
        asked = 35.2644 + rng.normal(0, 0.02, m), 45 + rng.normal(0, 0.02, m)
    elif kind == "sphere":
        lat, lng = points_of("sphere", n)
    ids = rng.permutation(n) - 5
    index = fastblocks.GeoIndex()
    index.set_many(ids, lat, lng)
    exact = distance_matrix(*asked, lat, lng)
    for most in (np.inf, float(np.median(exact.min(1)))):
        for k in (1, 3):
            found, metres = index.nearest_many(*asked, k, max_m=most)
            for row in range(m):
                order = np.lexsort((ids, exact[row]))[:k]
                order = order[exact[row][order] <= most]
                assert found[row, : len(order)].tolist() == ids[order].tolist()
                assert metres[row].tolist() == [*exact[row][order], *[np.inf] * (k - len(order))]


def test_steps_equal_to_a_dict(impl):
    """Sets, removals and copies in any order, of strings; numbers: test_indexes_machine."""
    rng = random.Random(4)
    index, points = impl.GeoIndex(str), {}
    for step in range(12_000 if impl is fastblocks else 1000):
        id = str(rng.randrange(250))
        at = (rng.uniform(-90, 90), rng.uniform(-180, 180))
        if rng.random() < 0.3:
            at = (89.99, rng.uniform(-180, 180))
        if id in points and rng.random() < 0.5:
            del points[id]
            index.remove(id)
        else:
            index.set(id, *at)
            points[id] = at
        assert (id in index) == (id in points)
        if step % 2000 == 1999:
            index = copy.copy(index) if rng.random() < 0.5 else pickle.loads(pickle.dumps(index))
        if step % 999 == 998:
            check_all(impl, index, points)
    index.remove_many(list(points))
    check_all(impl, index, {})


def test_native_and_pure_agree():
    """Up to what two haversines may differ by."""
    lat, lng = points_of("sphere", 200)
    native, pure = fastblocks.GeoIndex(), fastblocks.pure.GeoIndex()
    for index in (native, pure):
        index.set_many(range(200), lat, lng)
    assert native.to_bytes() == pure.to_bytes()
    for y, x in zip(*asked_of(lat, lng), strict=True):
        ids, metres = native.nearest(y, x, 10)
        other_ids, other_metres = pure.nearest(y, x, 10)
        assert ids.tolist() == other_ids.tolist() or abs(y) == 90
        assert np.allclose(metres, other_metres, rtol=1e-12, atol=1e-6)


def test_bad_input_changes_nothing(impl):
    index, names = impl.GeoIndex(), impl.GeoIndex(str)
    index.set_many([1, 2, 3], [0, 1, 2], [3, 4, 5])
    names.set_many(["a", "b"], [0, 1], [3, 4])
    before = index.to_bytes(), names.to_bytes()
    for error, words, call in [
        (ValueError, "id_type must be int or str", lambda: impl.GeoIndex(float)),
        (ValueError, r"lat must be in \[-90, 90\], not 91.0", lambda: index.set(1, 91.0, 0)),
        (ValueError, "lng must be finite", lambda: index.set(1, 0, math.inf)),
        (ValueError, "lat must be in", lambda: names.set("new", math.nan, 0)),
        (TypeError, "id must be an int, not str", lambda: index.set("a", 0, 0)),
        (TypeError, "id must be a str, not int", lambda: names.set(1, 0, 0)),
        (TypeError, "id must be a str, not int", lambda: 1 in names),
        (ValueError, "id must be in", lambda: index.set(2**63, 0, 0)),
        (KeyError, "9", lambda: index.remove(9)),
        (KeyError, "9", lambda: index[9]),
        (KeyError, "z", lambda: names.remove("z")),
        (KeyError, "z", lambda: names["z"]),
        (KeyError, "1", lambda: index.remove_many([1, 1])),
        (KeyError, "a", lambda: names.remove_many(["a", "b", "a"])),
        (ValueError, r"lats\[1\] must be in", lambda: index.set_many([5, 6], [0, 95], [0, 0])),
        (ValueError, "ids must be as many", lambda: index.set_many([5], [0, 0], [0, 0])),
        (ValueError, "ids must be as many", lambda: names.set_many(["c"], [0, 0], [0, 0])),
        (TypeError, r"ids\[1\] must be a str", lambda: names.set_many(["c", 1], [0, 0], [0, 0])),
        (TypeError, "ids must be a sequence", lambda: names.set_many("cd", [0, 0], [0, 0])),
        (ValueError, "k must be in", lambda: index.nearest(0, 0, 0)),
        (ValueError, "max_m must be", lambda: index.nearest(0, 0, 1, -1)),
        (ValueError, "radius_m must be", lambda: index.within(0, 0, math.nan)),
        (ValueError, "limit must be in", lambda: index.within(0, 0, 1, limit=0)),
        (ValueError, r"radius_m\[0\] must be", lambda: index.within_many([0], [0], [-1])),
    ]:
        with pytest.raises(error, match=words):
            call()
        assert (index.to_bytes(), names.to_bytes()) == before


@pytest.mark.parametrize("id_type", [int, str])
def test_state(impl, id_type):
    lat, lng = points_of("sphere", 50)
    index = impl.GeoIndex(id_type)
    index.set_many([id_type(i) for i in range(49, -1, -1)], lat, lng)
    data = index.to_bytes()
    for module in (fastblocks, fastblocks.pure):
        again = module.GeoIndex.from_bytes(data)
        assert again.to_bytes() == data
        assert repr(again) == f"GeoIndex({id_type.__name__}, 50 points)"
    for again in (copy.copy(index), copy.deepcopy(index), pickle.loads(pickle.dumps(index))):
        assert again == index
        again.set(id_type(5), -0.0, -0.0)
        assert math.copysign(1, again[id_type(5)][1]) == 1
        assert again != index
    assert index.nbytes > 0
    for at, value in ((32, 2**62), (32, 0), (40, 2), (40, id_type is int), (48, 1)):
        if (at, value) != (40, 0):
            with pytest.raises(ValueError, match="GeoIndex: corrupt"):
                impl.GeoIndex.from_bytes(resealed(data, at, value))
    words = np.frombuffer(data[HEADER : HEADER + 150 * 8], np.int64).copy()
    for at, value in ((1, 0), (75, np.float64(91.0).view(np.int64)), (125, np.int64(-1))):
        bad = words.copy()
        bad[at] = value
        payload = bad.tobytes() + data[HEADER + 150 * 8 :]
        with pytest.raises(ValueError, match="GeoIndex: corrupt"):
            impl.GeoIndex.from_bytes(repaired(data, payload))


def test_files(impl, tmp_path):
    """What is opened has points of its own: it may be changed, and the file is as it was."""
    first = impl.GeoIndex()
    first.set(1, 2.0, 3.0)
    first.save(tmp_path / "points")
    opened = impl.GeoIndex.open(tmp_path / "points")
    opened.set(2, 3.0, 4.0)
    assert len(opened) == 2
    assert impl.GeoIndex.open(tmp_path / "points", verify=False) == first
    with pytest.raises(ValueError, match="mode must be 'r'"):
        impl.GeoIndex.open(tmp_path / "points", "r+")


def test_hostile_strings(impl):
    index = impl.GeoIndex(str)
    index.set_many(["ab", "cd"], [0, 0], [0, 0])
    data = index.to_bytes()
    texts = HEADER + 48
    for lengths, text in (
        ((2, 3), b"abcd"),
        ((2, 2), b"abab"),
        ((-1, 5), b"abcd"),
        ((2, 2), b"\xff\xffab"),
    ):
        payload = data[HEADER:texts] + np.array(lengths, np.int64).tobytes() + text
        with pytest.raises(ValueError, match="GeoIndex: corrupt"):
            impl.GeoIndex.from_bytes(repaired(data, payload))


def test_threads(impl, switch_often):
    """Points move in step while others search: each batch sees one moment."""
    n, steps = 200, 80 if impl is fastblocks else 10
    for id_type in (int, str):
        index = impl.GeoIndex(id_type)
        ids = [id_type(i) for i in range(n)]
        index.set_many(ids, np.zeros(n), np.zeros(n))
        stop, errors = threading.Event(), []

        def read(index=index, ids=ids, stop=stop, errors=errors):
            try:
                while not stop.is_set():
                    _, found, _ = index.within_many(np.zeros(3), np.zeros(3), 1e7)
                    assert len(found) in (0, 3 * n)
                    assert len(index.nearest(10, 10, 3)[0]) == 3
                    assert ids[5] in index
            except BaseException as error:
                errors.append(error)

        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        for step in range(steps):
            index.set_many(ids, np.zeros(n), np.full(n, 180.0 * (step % 2)))
            index.set(ids[7], 0, 180.0 * (step % 2))
        stop.set()
        for reader in readers:
            reader.join()
        assert not errors, errors[0]
