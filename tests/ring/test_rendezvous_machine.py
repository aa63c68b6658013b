"""A state machine: native, pure and a dict of weights go through the same steps."""

import pickle

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import fastblocks
import fastblocks.pure

names = st.sampled_from([f"node-{i}" for i in range(12)])
weights = st.one_of(st.just(1.0), st.sampled_from([0.5, 2.0, 1e-300, 1e300]), st.floats(1e-3, 1e3))
keys = st.one_of(st.integers(-(2**63), 2**64 - 1), st.text("abcé", max_size=4), st.binary())


def outcome(call, nodes):
    """What is returned, or raised."""
    try:
        return call(nodes)
    except (LookupError, ValueError) as error:
        return type(error), str(error)


class RendezvousMachine(RuleBasedStateMachine):
    @initialize(nodes=st.dictionaries(names, weights), seed=st.sampled_from([0, 7, 2**64 - 1]))
    def new(self, nodes, seed):
        self.nodes = nodes
        self.both = [m.RendezvousHash(nodes, seed=seed) for m in (fastblocks, fastblocks.pure)]

    def each(self, call):
        """What both answer alike, or raise alike."""
        native, pure = (outcome(call, nodes) for nodes in self.both)
        assert native == pure
        return native

    @rule(name=names, weight=weights)
    def add(self, name, weight):
        answer = self.each(lambda nodes: nodes.add(name, weight))
        assert (answer is None) == (name not in self.nodes)
        self.nodes.setdefault(name, weight)

    @rule(name=names)
    def remove(self, name):
        answer = self.each(lambda nodes: nodes.remove(name))
        assert (answer is None) == (name in self.nodes)
        self.nodes.pop(name, None)

    @rule(batch=st.lists(keys, max_size=30), n=st.integers(0, 14))
    def look_up(self, batch, n):
        for key in batch:
            names = self.each(lambda nodes, key=key: nodes.get_n(key, n))
            self.each(lambda nodes, key=key: nodes.get(key))
            assert not self.nodes or len(set(names)) == min(n, len(self.nodes))
        self.each(lambda nodes: nodes.get_many(batch).tolist())

    @rule()
    def cross(self):
        """Each continues from the other's bytes."""
        native, pure = (nodes.to_bytes() for nodes in self.both)
        self.both = [
            fastblocks.RendezvousHash.from_bytes(pure),
            fastblocks.pure.RendezvousHash.from_bytes(native),
        ]

    @rule()
    def replaced_by_copies(self):
        self.both = [nodes.copy() for nodes in pickle.loads(pickle.dumps(self.both))]

    @invariant()
    def same_bytes_and_nodes(self):
        assert self.each(lambda nodes: nodes.to_bytes())
        assert self.each(lambda nodes: nodes.weights) == self.nodes
        assert self.each(lambda nodes: nodes.nodes) == tuple(self.nodes)
        assert self.each(len) == len(self.nodes)
        self.each(repr)


TestRendezvousMachine = RendezvousMachine.TestCase
TestRendezvousMachine.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
