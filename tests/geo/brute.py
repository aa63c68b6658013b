"""What spatial indexes must answer, found by looking at everything.

For each index: items that are easy or meant to be hard, questions, what the index answers, and what
is right. Questions are ``(method, arguments)``; answers are made of lists, sorted where no order is
promised.
"""

import math

import numpy as np

KINDS = ["uniform", "lattice", "same", "line", "ulp", "huge", "tiny", "far"]
SCALE = {"huge": 1e300, "tiny": 1e-310}
FIRST = {"far": 1e15}


def numbers(rng, kind, n):
    """Numbers in [0, 1] times the scale of a kind, from its first one on."""
    if kind == "lattice":
        number = rng.integers(0, 5, n) / 4
    elif kind == "same":
        number = np.full(n, 0.25)
    elif kind == "ulp":
        number = rng.choice([0.3, np.nextafter(0.3, 1), 0.5, np.nextafter(0.5, 0)], n)
    elif kind == "far":
        number = rng.integers(0, 9, n) / 8.0  # next to 1e15 doubles are an eighth apart
    else:
        number = rng.random(n)
    return FIRST.get(kind, 0.0) + number * SCALE.get(kind, 1.0)


def order_of(ids, squares, k, most, root=np.sqrt):
    """Indices of the nearest: by square, then by id."""
    order = np.lexsort((ids, squares))
    return order[root(squares[order]) <= most][:k]


def nearest_answer(ids, distances):
    return np.asarray(ids).tolist(), np.asarray(distances).tolist()


def rows_of(index, found, m):
    """The answers of a batch, by question."""
    assert (np.diff(index) >= 0).all()
    return [sorted(found[index == i].tolist()) for i in range(m)]


def nearest_rows(ids, distances):
    return list(zip(ids.tolist(), distances.tolist(), strict=True))


def padded(answer, k, none=-1):
    ids, distances = answer
    rest = k - len(ids)
    return ids + [none] * rest, distances + [math.inf] * rest


def how_many(rng, n):
    return int(rng.choice([1, 2, 5, max(n, 1), n + 3]))


class Planar:
    """What RTree and QuadTree have in common."""

    def point(self, rng, kind, items):
        """A point to ask from: anywhere, at an item, or far away."""
        if len(items) and rng.random() < 0.4:
            row = items[rng.integers(len(items))]
            return float(row[0]), float(row[-1])
        x, y = numbers(rng, kind, 2) + (rng.random() < 0.2) * SCALE.get(kind, 1.0) * 3
        return float(x), float(y)

    def box(self, rng, kind, items):
        """A box to ask for: often a point or a line, or with corners at items."""
        (x0, y0), (x1, y1) = self.point(rng, kind, items), self.point(rng, kind, items)
        shape = rng.random()
        x1, y1 = x0 if shape < 0.2 else x1, y0 if 0.1 < shape < 0.3 else y1
        return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)

    def most(self, rng, at, items):
        """A distance: none, all, that of an item, or some."""
        squares = self.squares(items, *at)
        exact = float(np.sqrt(rng.choice(squares))) if len(items) else 1.0
        return float(rng.choice([0.0, math.inf, exact, math.nextafter(exact, 0), exact * 1.5]))

    def right_nearest(self, ids, items, x, y, k, most):
        squares = self.squares(items, x, y)
        order = order_of(ids, squares, k, most)
        return nearest_answer(ids[order], np.sqrt(squares[order]))


class Boxes(Planar):
    """RTree; items are rows of four numbers."""

    name = "RTree"
    asks = ("query", "query_many", "count_many", "nearest", "nearest_many", "join")

    def make(self, impl, kind):
        return impl.RTree()

    def items(self, rng, kind, n):
        a, b, c, d = (numbers(rng, kind, n) for _ in range(4))
        shape = rng.random(n)
        c = np.where(shape < 0.4, a, c)
        d = np.where((shape < 0.2) | (shape > 0.8), b, 0 * d + b[:1] if kind == "line" else d)
        return np.stack([np.minimum(a, c), np.minimum(b, d), np.maximum(a, c), np.maximum(b, d)], 1)

    def fill(self, index, ids, items):
        for id, row in zip(ids.tolist(), items.tolist(), strict=True):
            index.insert(id, tuple(row))

    def built(self, impl, kind, ids, items):
        return impl.RTree(items, ids)

    def squares(self, items, x, y):
        with np.errstate(over="ignore"):
            dx = np.maximum(np.maximum(items[:, 0] - x, x - items[:, 2]), 0.0)
            dy = np.maximum(np.maximum(items[:, 1] - y, y - items[:, 3]), 0.0)
            return dx * dx + dy * dy

    def touching(self, ids, items, box):
        x = (items[:, 0] <= box[2]) & (items[:, 2] >= box[0])
        return sorted(ids[x & (items[:, 1] <= box[3]) & (items[:, 3] >= box[1])].tolist())

    def ask(self, rng, kind, method, items):
        if method == "query":
            return method, self.box(rng, kind, items)
        if method in ("query_many", "count_many", "join"):
            return method, [self.box(rng, kind, items) for _ in range(3)]
        points = [self.point(rng, kind, items) for _ in range(1 if method == "nearest" else 3)]
        more = how_many(rng, len(items)), self.most(rng, points[0], items)
        return method, (points, *more) if method == "nearest_many" else (*points[0], *more)

    def answer(self, index, ask):
        method, given = ask
        if method == "query":
            return sorted(index.query(given).tolist())
        if method == "query_many":
            return rows_of(*index.query_many(given), len(given))
        if method == "count_many":
            return index.count_many(given).tolist()
        if method == "join":
            ids, others = index.join(type(index)(given))
            return [sorted(ids[others == i].tolist()) for i in range(len(given))]
        if method == "nearest":
            return nearest_answer(*index.nearest(*given))
        return nearest_rows(*index.nearest_many(*given))

    def right(self, ids, items, ask):
        method, given = ask
        if method == "query":
            return self.touching(ids, items, given)
        if method == "nearest":
            return self.right_nearest(ids, items, *given)
        if method == "nearest_many":
            points, k, most = given
            return [padded(self.right_nearest(ids, items, *at, k, most), k) for at in points]
        rows = [self.touching(ids, items, box) for box in given]
        return [len(row) for row in rows] if method == "count_many" else rows


class Points(Planar):
    """QuadTree; items are rows of two numbers."""

    name = "QuadTree"
    asks = ("query", "query_many", "within", "within_many", "nearest", "nearest_many")

    def make(self, impl, kind):
        first, scale = FIRST.get(kind, 0.0), SCALE.get(kind, 1.0)
        return impl.QuadTree((first, first, first + scale, first + scale), 4)

    def items(self, rng, kind, n):
        y = numbers(rng, kind, n)
        return np.stack([numbers(rng, kind, n), 0 * y + 0.5 if kind == "line" else y], 1)

    def fill(self, index, ids, items):
        index.insert_many(ids, items[:, 0], items[:, 1])

    def built(self, impl, kind, ids, items):
        index = self.make(impl, kind)
        self.fill(index, ids, items)
        return index

    def squares(self, items, x, y):
        with np.errstate(over="ignore"):
            dx, dy = items[:, 0] - x, items[:, 1] - y
            return dx * dx + dy * dy

    def ask(self, rng, kind, method, items):
        if method.startswith("query"):
            boxes = [self.box(rng, kind, items) for _ in range(1 if method == "query" else 3)]
            return method, boxes[0] if method == "query" else boxes
        points = [self.point(rng, kind, items) for _ in range(3)]
        far = [self.most(rng, at, items) for at in points]
        if method == "within":
            return method, (*points[0], far[0])
        if method == "within_many":
            return method, [(*at, r) for at, r in zip(points, far, strict=True)]
        k = how_many(rng, len(items))
        return method, (*points[0], k, far[0]) if method == "nearest" else (points, k, far[0])

    def answer(self, index, ask):
        method, given = ask
        if method == "query":
            return sorted(index.query(given).tolist())
        if method == "query_many":
            return rows_of(*index.query_many(given), len(given))
        if method == "within":
            return sorted(index.within(*given).tolist())
        if method == "within_many":
            return rows_of(*index.within_many(*zip(*given, strict=True)), len(given))
        if method == "nearest":
            return nearest_answer(*index.nearest(*given))
        points, k, most = given
        return nearest_rows(*index.nearest_many(*zip(*points, strict=True), k, most))

    def inside(self, ids, items, box):
        within = (items >= box[:2]) & (items <= box[2:])
        return sorted(ids[within.all(1)].tolist())

    def around(self, ids, items, x, y, r):
        return sorted(ids[np.sqrt(self.squares(items, x, y)) <= r].tolist())

    def right(self, ids, items, ask):
        method, given = ask
        if method == "query":
            return self.inside(ids, items, given)
        if method == "query_many":
            return [self.inside(ids, items, box) for box in given]
        if method == "within":
            return self.around(ids, items, *given)
        if method == "within_many":
            return [self.around(ids, items, *circle) for circle in given]
        if method == "nearest":
            return self.right_nearest(ids, items, *given)
        points, k, most = given
        return [padded(self.right_nearest(ids, items, *at, k, most), k) for at in points]


class Sphere:
    """GeoIndex; items are rows of latitude and longitude."""

    name = "GeoIndex"
    asks = ("within", "within_many", "nearest", "nearest_many")
    kinds = ("sphere", "pole", "antimeridian", "cube", "dense", "opposite")

    def __init__(self, haversine):
        self.haversine = haversine

    def make(self, impl, kind):
        return impl.GeoIndex()

    def items(self, rng, kind, n):
        lat, lng = np.degrees(np.arcsin(rng.uniform(-1, 1, n))), rng.uniform(-180, 180, n)
        if kind == "pole":
            lat = rng.choice([-90.0, 90.0, 89.9999999, 89.5], n)
        elif kind == "antimeridian":
            lat, lng = lat * 1e-3, rng.choice([-180.0, 180.0, 179.9999, -179.9999], n)
        elif kind == "cube":  # its edges and corners, and equal points
            lat, lng = rng.integers(-6, 7, n) * 15.0, rng.integers(-4, 5, n) * 45.0
        elif kind == "dense":
            lat, lng = 10 + lat * 1e-9, 20 + lng * 1e-9
        elif kind == "opposite":
            lat, lng = -10 + lat * 1e-7, -160 + lng * 1e-7
        return np.stack([lat, lng], 1)

    def fill(self, index, ids, items):
        index.set_many(ids, items[:, 0], items[:, 1])

    def built(self, impl, kind, ids, items):
        index = impl.GeoIndex()
        self.fill(index, ids, items)
        return index

    def metres(self, items, lat, lng):
        return self.haversine(lat, lng, items[:, 0], items[:, 1]) if len(items) else np.array([])

    def point(self, rng, kind, items):
        if len(items) and rng.random() < 0.3:
            return tuple(items[rng.integers(len(items))].tolist())
        return tuple(self.items(rng, rng.choice([kind, *self.kinds]), 1)[0].tolist())

    def ask(self, rng, kind, method, items):
        points = [self.point(rng, kind, items) for _ in range(3)]
        exact = float(rng.choice(self.metres(items, *points[0]))) if len(items) else 1.0
        far = [exact, *rng.choice([0.0, 1.0, 1e5, 3e6, 2.1e7, math.inf], 2).tolist()]
        most = far[int(rng.integers(3))]
        k = how_many(rng, len(items))
        limit = None if rng.random() < 0.5 else k
        if method == "within":
            return method, (*points[0], most, limit)
        if method == "within_many":
            return method, (points, far, limit)
        return method, (*points[0], k, most) if method == "nearest" else (points, k, most)

    def answer(self, index, ask):
        method, given = ask
        if method in ("within", "nearest"):
            return nearest_answer(*getattr(index, method)(*given))
        if method == "nearest_many":
            points, k, most = given
            return nearest_rows(*index.nearest_many(*zip(*points, strict=True), k, most))
        points, far, limit = given
        found = index.within_many(*zip(*points, strict=True), far, limit)
        assert (np.diff(found[0]) >= 0).all()
        return [
            nearest_answer(*(column[found[0] == i] for column in found[1:]))
            for i in range(len(points))
        ]

    def near(self, ids, items, lat, lng, k, most):
        metres = self.metres(items, lat, lng)
        order = order_of(ids, metres, k, most, root=np.asarray)
        return nearest_answer(ids[order], metres[order])

    def right(self, ids, items, ask):
        method, given = ask
        if method == "nearest":
            return self.near(ids, items, *given)
        if method == "within":
            lat, lng, most, limit = given
            return self.near(ids, items, lat, lng, limit, most)
        if method == "nearest_many":
            points, k, most = given
            return [padded(self.near(ids, items, *at, k, most), k) for at in points]
        points, far, limit = given
        return [
            self.near(ids, items, *at, limit, most) for at, most in zip(points, far, strict=True)
        ]


INDEXES = {"RTree": Boxes, "QuadTree": Points, "GeoIndex": Sphere}
Boxes.kinds = Points.kinds = KINDS


def side_of(name, impl):
    """What is right for an index, and how to ask it."""
    return Sphere(impl.geo.distance.haversine) if name == "GeoIndex" else INDEXES[name]()
