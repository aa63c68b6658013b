"""HashRing in long runs of random steps: native, pure, and the description of it agree."""

import math
import pickle

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import fastblocks
import fastblocks.pure
from tests.ring.naive import HASHES, NaiveRing, identity_of

NAMES = ["a", "b", "c", "d", "é", "f:11211", "g"]
KEYS = [
    0,
    5,
    -1,
    -7,
    "5",
    2**64 - 1,
    2**63,
    "",
    "a",
    b"a",
    "é",
    b"\xff",
    *(f"key-{i}" for i in range(20)),
]
names = st.sampled_from(NAMES)
keys = st.sampled_from(KEYS)
weights = st.sampled_from([1, 1, 1, 2, 0.5, 3.7])


def outcome(step, ring):
    try:
        return step(ring)
    except (LookupError, ValueError) as error:
        return type(error), str(error)


class RingMachine(RuleBasedStateMachine):
    """`where` tells which key is assigned to which node, by what tells keys apart."""

    @initialize(
        hash=st.sampled_from(HASHES),
        vnodes=st.sampled_from([4, 8, 16]),
        factor=st.sampled_from([None, 1, 1.1, 1.25, 2, 100]),
        seed=st.integers(0, 2**64 - 1),
        nodes=st.lists(st.tuples(names, weights), max_size=5, unique_by=lambda pair: pair[0]),
        zoned=st.booleans(),
    )
    def make(self, hash, vnodes, factor, seed, nodes, zoned):
        seed = seed if hash == "xxh3" else 0
        self.zoned = zoned
        zones = {name: self.zone_of(name) for name, _ in nodes} if zoned else None
        self.native, self.pure = (
            m.HashRing(nodes, vnodes=vnodes, hash=hash, load_factor=factor, seed=seed, zones=zones)
            for m in (fastblocks, fastblocks.pure)
        )
        triples = [(name, weight, self.zone_of(name)) for name, weight in nodes]
        self.model = NaiveRing(triples, vnodes, hash, seed)
        self.factor, self.where, self.given = factor, {}, {}

    def zone_of(self, name):
        return f"zone {NAMES.index(name) % 3}" if self.zoned else None

    def each(self, step):
        """Apply a step to native and pure; their answers or errors must be equal."""
        a, b = outcome(step, self.native), outcome(step, self.pure)
        assert a == b
        return a

    def nodes(self):
        return [name for name, _, _ in self.model.nodes]

    def name_of(self, key):
        return identity_of(key, self.model.hash)

    # ---- changes -------------------------------------------------------------------------------

    def check_moved(self, moved):
        """Take over what a change tells has moved; it must be that, and all of that."""
        for key, node in moved.items():
            name = self.name_of(key)
            assert type(key) is type(self.given[name])
            assert key == self.given[name]
            assert self.where[name] != node
            if node is None:
                assert not self.model.nodes
                del self.where[name], self.given[name]
            else:
                self.where[name] = node
        for name, node in self.where.items():
            assert self.each(lambda r, n=name: r.assign(self.given[n])) == node

    def check_shed(self, before, new=None):
        """Nodes gave up keys to others than `new` as far as they had to, and no more."""
        loads = list(self.where.values())
        for name in self.nodes():
            old = [identity for identity in self.where if before[identity] == name]
            taken = sum(self.where[identity] == new for identity in old)
            shed = sum(self.where[identity] not in (name, new) for identity in old)
            over = len(old) - taken - self.room(name, len(loads))
            assert shed == max(0, over)

    @rule(name=names, weight=weights)
    def add(self, name, weight):
        moved = self.each(lambda r: r.add(name, weight, zone=self.zone_of(name)))
        if name in self.nodes():
            assert moved == (ValueError, f"node {name!r} is there already")
            return
        self.model.nodes.append((name, weight, self.zone_of(name)))
        before = dict(self.where)
        self.check_moved(moved)
        if self.model.hash == "xxh3" and self.factor:  # there all nodes have points
            self.check_shed(before, name)
            loads = list(self.where.values())
            free = loads.count(name) < self.room(name, len(loads))
            for identity, node in self.where.items():
                order = self.model.order(self.given[identity])
                prefers = order.index(name) < order.index(node)
                assert not (prefers and free)
                if node == name and before[identity] in order[: order.index(name)]:
                    assert loads.count(before[identity]) == self.room(before[identity], len(loads))

    @rule(name=names)
    def remove(self, name):
        moved = self.each(lambda r: r.remove(name))
        if name not in self.nodes():
            assert moved == (fastblocks.UnknownNodeError, f"node {name!r} is not there")
            return
        self.model.nodes = [node for node in self.model.nodes if node[0] != name]
        if self.model.hash == "xxh3":  # as much room as before, or more, is left to the others
            mine = {key for key, node in self.where.items() if node == name}
            assert mine == set(map(self.name_of, moved))
        self.check_moved(moved)

    def room(self, name, n_keys):
        weight = {name: weight for name, weight, _ in self.model.nodes}
        total = math.fsum(weight[name] for name in self.model.order("any"))
        return math.ceil(self.factor * n_keys * weight[name] / total)

    @precondition(lambda self: self.factor)
    @rule(key=keys)
    def assign(self, key):
        node = self.each(lambda r: r.assign(key))
        name = self.name_of(key)
        if not self.model.nodes:
            assert node == (LookupError, "this HashRing has no nodes")
        elif name in self.where:
            assert node == self.where[name]
        else:
            loads = list(self.where.values())
            free = (
                n for n in self.model.order(key) if loads.count(n) < self.room(n, len(loads) + 1)
            )
            assert node == next(free)
            self.where[name], self.given[name] = node, key

    @precondition(lambda self: self.factor)
    @rule(key=keys)
    def release(self, key):
        moved = self.each(lambda r: r.release(key))
        name = self.name_of(key)
        if name in self.where:
            del self.where[name], self.given[name]
            before = dict(self.where)
            self.check_moved(moved)
            self.check_shed(before)
        else:
            assert moved == (KeyError, repr(f"key {key!r} is not assigned"))

    @precondition(lambda self: not self.factor)
    @rule(key=keys)
    def assign_and_release_need_a_load_factor(self, key):
        for step in (lambda r: r.assign(key), lambda r: r.release(key), lambda r: r.loads):
            kind, words = self.each(step)
            assert (kind, words.split()[0]) == (ValueError, "load_factor")

    # ---- questions -----------------------------------------------------------------------------

    @rule(key=keys, n=st.integers(0, 8))
    def get(self, key, n):
        if not self.model.nodes:
            assert self.each(lambda r: r.get(key))[0] is LookupError
            return
        assert self.each(lambda r: r.get(key)) == self.model.get(key)
        assert self.each(lambda r: r.get_n(key, n)) == self.model.get_n(key, n)
        assert self.each(lambda r: r.key_hash(key)) == self.model.key_hash(key)

    @rule(batch=st.lists(keys, max_size=10))
    def get_many(self, batch):
        indices = self.each(lambda r: r.get_many(batch).tolist())
        if self.model.nodes:
            assert [self.nodes()[i] for i in indices] == [self.model.get(key) for key in batch]

    @rule(key=keys)
    def differ(self, key):
        """From the ring as it was when this was last asked."""
        before, places = getattr(self, "kept", None) or (None, None)
        self.kept = (self.native.copy(), self.pure.copy()), list(self.model.nodes)
        if before is None:
            return
        diff = before[0].diff(self.native)
        assert diff == before[1].diff(self.pure)
        old = NaiveRing(places, self.model.vnodes, self.model.hash, self.model.seed)
        pair = [ring.get(key) if ring.nodes else None for ring in (old, self.model)]
        h = self.model.key_hash(key)
        inside = [list(m[2:]) for m in diff.ranges if m.start <= h < m.end]
        assert inside == ([pair] if pair[0] != pair[1] else [])

    # ---- copies --------------------------------------------------------------------------------

    @rule()
    def cross(self):
        """Each continues from the other's bytes, and must behave as if nothing had happened."""
        native, pure = self.native.to_bytes(), self.pure.to_bytes()
        self.native = fastblocks.HashRing.from_bytes(pure)
        self.pure = fastblocks.pure.HashRing.from_bytes(native)

    @rule()
    def only_one_is_copied(self):
        self.native = self.native.copy()

    @rule()
    def only_one_is_pickled(self):
        self.native = pickle.loads(pickle.dumps(self.native))

    @invariant()
    def alike(self):
        self.each(lambda r: r.to_bytes())
        self.each(repr)
        assert self.each(lambda r: (list(r.nodes), list(r.weights.values()))) == (
            self.nodes(),
            [weight for _, weight, _ in self.model.nodes],
        )

    @invariant()
    def points_are_where_they_should_be(self):
        points = self.each(lambda r: [array.tolist() for array in r.points()])
        assert list(zip(*points, strict=True)) == self.model.points()

    @invariant()
    def no_node_has_more_than_its_share(self):
        if self.factor:
            loads = self.each(lambda r: r.loads)
            assert sum(loads.values()) == len(self.where)
            assert list(loads) == self.nodes()
            for name, load in loads.items():
                assert load == list(self.where.values()).count(name)
                assert load == 0 or load <= self.room(name, len(self.where))


TestRingMachine = RingMachine.TestCase
TestRingMachine.settings = settings(max_examples=120, stateful_step_count=35, deadline=None)


@pytest.mark.parametrize("cls", [fastblocks.HashRing, fastblocks.pure.HashRing])
def test_a_ring_that_was_read_back_moves_the_same_keys(cls):
    """Where room is short it matters which keys a new node is offered first."""
    ring = cls([f"n{i}" for i in range(7)], load_factor=1, vnodes=8)
    for i in range(300):
        ring.assign(f"key-{i}")
    for i in range(0, 300, 3):
        ring.release(f"key-{i}")
    twins = [ring.copy(), cls.from_bytes(ring.to_bytes()), pickle.loads(pickle.dumps(ring))]
    moved = ring.add("new", 0.4)
    assert moved
    for twin in twins:
        assert twin.add("new", 0.4) == moved
        assert twin == ring
