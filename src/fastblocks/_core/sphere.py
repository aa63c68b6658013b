"""The Earth as a sphere: what native and pure code share."""

__all__ = ["AREA_UNITS", "EARTH_RADIUS_M"]

EARTH_RADIUS_M = 6371008.8  # the mean radius; csrc/geo/distance.h has it for C

#: Square radians in other units.
AREA_UNITS = {"km^2": (EARTH_RADIUS_M / 1000) ** 2, "m^2": EARTH_RADIUS_M**2, "rads^2": 1.0}
