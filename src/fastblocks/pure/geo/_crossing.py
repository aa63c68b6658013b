"""Two edges of a polygon that cross, on the plane of latitude and longitude."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

Edge = tuple[float, float, float, float]  # from a latitude and longitude to others

TOUCH = 1e-12  # degrees: an end that is so near to a line touches it


def crossing(rings: list[Any]) -> tuple[int, int] | None:
    """Return two edges that cross, if there are any, by the numbers of the points they leave.

    The second is the first edge that crosses one before it; the first is the first of those.
    """
    edges = [
        edge_of(a, b)
        for ring in (ring.tolist() for ring in rings)
        for a, b in pairwise([*ring, ring[0]])
    ]
    across = any(max(edge[1], edge[3]) > 180 for edge in edges)
    found = []
    near: list[tuple[int, int]] = []
    numbers = [(k, moved) for k in range(len(edges)) for moved in ((0, 360) if across else (0,))]
    for number in sorted(numbers, key=lambda number: range_of(edges[number[0]], 0)[0]):
        south, _ = range_of(edges[number[0]], 0)
        near = [other for other in near if range_of(edges[other[0]], 0)[1] >= south]
        for other in near:
            (a, _), (b, moved) = sorted((number, other), key=lambda each: (each[1], each[0]))
            if {number[1], other[1]} != {360} and cross(edges[a], edges[b], moved):
                found.append((max(a, b), min(a, b)))
        near.append(number)
    if not found:
        return None
    one, other_one = min(found)
    return other_one, one


def edge_of(a: tuple[float, float], b: tuple[float, float]) -> Edge:
    """Return an edge; one across the antimeridian has its eastern end moved by 360 degrees."""
    (lat, lng), (to_lat, to_lng) = a, b
    if to_lng - lng > 180:
        return lat, lng + 360, to_lat, to_lng
    return lat, lng, to_lat, to_lng + 360 if lng - to_lng > 180 else to_lng


def range_of(edge: Edge, axis: int) -> tuple[float, float]:
    """Return the least and the largest latitude (axis 0) or longitude (1)."""
    return min(edge[axis], edge[axis + 2]), max(edge[axis], edge[axis + 2])


def cross(e: Edge, f: Edge, moved: int) -> bool:
    """Tell whether two edges cross, the second one moved to the east."""
    west, east = range_of(e, 1)
    f_west, f_east = (lng + moved for lng in range_of(f, 1))
    if west >= f_east or f_west >= east:
        return False
    f = (f[0], f[1] + moved, f[2], f[3] + moved)
    return parts(e, f) and parts(f, e)


def parts(e: Edge, f: Edge) -> bool:
    """Tell whether the ends of f are on different sides of the line that e is on."""
    up, right = e[2] - e[0], e[3] - e[1]
    start = right * (f[0] - e[0]) - up * (f[1] - e[1])
    end = right * (f[2] - e[0]) - up * (f[3] - e[1])
    touch = TOUCH * max(abs(up), abs(right))
    return (start > 0) != (end > 0) and min(abs(start), abs(end)) > touch
