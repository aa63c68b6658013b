"""Hash rings told anew, slowly, from their description: what the tests compare with."""

import hashlib
import math
from fractions import Fraction

import numpy as np
import xxhash

HASHES = ("xxh3", "ketama", "libmemcached")
WORD = 2**64 - 1


def key_bytes(key):
    if isinstance(key, str):
        return key.encode()
    return (key % 2**64).to_bytes(8, "little") if isinstance(key, int) else bytes(key)


def identity_of(key, hash):
    """What tells keys apart."""
    return str(key).encode() if isinstance(key, int) and hash != "xxh3" else key_bytes(key)


def splitmix(z):
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & WORD
    z = (z ^ z >> 27) * 0x94D049BB133111EB & WORD
    return z ^ z >> 31


def group_counts(hash, vnodes, weights):
    """Groups of four points (ketama and libmemcached)."""
    n = len(weights)
    if hash == "ketama":
        total = sum(map(Fraction, weights))
        return [math.floor(vnodes // 4 * n * Fraction(w) / total) for w in weights]
    single = np.float32
    total = single(math.fsum(single(w) for w in weights))
    counts = [
        int(single(single(w) / total * single(vnodes) / single(4) * single(n)) + single(1e-10))
        for w in weights
    ]
    return counts if any(counts) else [1] * n


class NaiveRing:
    """Nodes as (name, weight, zone), and lists of points that are searched from end to end."""

    def __init__(self, nodes, vnodes=160, hash="xxh3", seed=0):
        self.nodes, self.vnodes, self.hash, self.seed = list(nodes), vnodes, hash, seed

    def points(self):
        """(hash, index of the node), in the order in which a key goes through them."""
        points = []
        weights = [weight for _, weight, _ in self.nodes]
        if self.hash == "xxh3":
            for i, (name, weight, _) in enumerate(self.nodes):
                start = xxhash.xxh3_64_intdigest(name.encode(), self.seed)
                points += [
                    (splitmix(start + j * 0x9E3779B97F4A7C15 & WORD), i)
                    for j in range(1, 1 + max(1, math.floor(self.vnodes * weight + 0.5)))
                ]
            return sorted(points)
        for i, groups in enumerate(group_counts(self.hash, self.vnodes, weights)):
            name = self.nodes[i][0]
            if self.hash == "libmemcached" and name.endswith(":11211"):
                name = name[:-6]
            for j in range(groups):
                digest = hashlib.md5(f"{name}-{j}".encode()).digest()
                points += [(int.from_bytes(digest[k : k + 4], "little"), i) for k in (0, 4, 8, 12)]
        return sorted(points, key=lambda p: (p[0], -p[1] if self.hash == "ketama" else p[1]))

    def key_hash(self, key):
        if self.hash == "xxh3":
            return xxhash.xxh3_64_intdigest(key_bytes(key), self.seed)
        data = identity_of(key, self.hash)
        return int.from_bytes(hashlib.md5(data).digest()[:4], "little")

    def order(self, key):
        """Names of the nodes that have points, as a key meets them."""
        h, points = self.key_hash(key), self.points()
        after = [p for p in points if p[0] > h or (p[0] == h and self.hash != "ketama")]
        return list(dict.fromkeys(self.nodes[i][0] for _, i in after + points))

    def get(self, key):
        return self.order(key)[0]

    def get_n(self, key, n):
        zone_of = {name: zone for name, _, zone in self.nodes}
        left, result = self.order(key), []
        if None in zone_of.values():
            return left[:n]
        while left:
            zones = set()
            for name in list(left):
                if zone_of[name] not in zones:
                    zones.add(zone_of[name])
                    left.remove(name)
                    result.append(name)
        return result[:n]
