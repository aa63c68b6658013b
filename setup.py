"""The extension modules; everything else about the package is in pyproject.toml."""

import os
import sys
from glob import glob

from Cython.Build import cythonize
from setuptools import Extension, setup

POLICY = ["fifo", "policy", "shadows", "tinylfu", "sketches/frequency"]
CACHE = ["cache", "index", "timers", *POLICY]
RTREE = ["rtree", "rtree_change", "rtree_loose", "rtree_map", "rtree_pack", "rtree_search"]
H3 = ["h3_geometry", "h3_reference", "h3_tables"]
# module -> the C sources that it is linked with, besides the library of csrc/core: of its family,
# or family/name of another one
MODULES = {
    "_core.arrays": [],
    "_core.arrow": [],
    "_core.clock": [],
    "_core.columns": [],
    "_core.cpu": [],
    "_core.flat": [],
    "_core.keys": [],
    "_core.state": [],
    "_core.status": [],
    "hashing.xxh3": [],
    "cache._entries": CACHE,
    "cache._loading": [],
    "cache._many": CACHE,
    "cache.cache": [],
    "cache.memo": [],
    "cache.simulator": ["simulate", *POLICY],
    "filters._filter": [],
    "filters._split_block": ["split_block"],
    "filters.binary_fuse": ["binary_fuse"],
    "filters.bloom": ["bloom", "split_block"],
    "filters.counting_bloom": ["counting_bloom", "split_block"],
    "filters.cuckoo": ["cuckoo"],
    "filters.rotating_bloom": ["rotating_bloom", "bloom", "split_block"],
    "filters.scalable_bloom": ["scalable_bloom", "bloom", "split_block"],
    "geo.distance": ["distance"],
    "geo.geohash": ["geohash"],
    "geo._h3_geometry": H3,
    "geo._h3_grid": ["h3_grid", "h3_index", "h3_tables"],
    "geo._h3_index": ["h3_index", *H3],
    "geo._h3_polygon": ["crossing", "h3_polygon", "h3_outline", "h3_index", *H3],
    "geo._s2_cells": ["s2"],
    "geo._s2_cover": ["s2", "s2_cap", "s2_rect", "s2_polygon", "s2_cover"],
    "geo._points": ["quads"],
    "geo.geofence": ["geofence"],
    "geo.geoindex": ["geoindex", "quads", "distance"],
    "geo.quadtree": ["quadtree", "quads"],
    "geo.rtree": RTREE,
    "limit._local": ["rules"],
    "limit.limiter": ["memory", "rules"],
    "limit.memory": ["memory", "rules"],
    "limit.shared": ["shared", "rules"],
    "ring._nodes": [],
    "ring.hash_ring": ["hash_ring", "md5"],
    "ring.kafka": ["kafka"],
    "ring.maglev": ["maglev"],
    "ring.jump": ["jump"],
    "ring.rendezvous": ["rendezvous"],
    "sketches.count_min": ["count_min"],
    "sketches.frequency": ["frequency"],
    "sketches.hyperloglog": ["hyperloglog"],
    "sketches.topk": ["topk"],
}
CORE = sorted(glob("csrc/core/*.c"))
INCLUDE = ["csrc", "csrc/core", "src/fastblocks/_core"]
DEPENDS = ["setup.py", *glob("csrc/*/*.h"), *CORE, *glob("src/fastblocks/*/*.h")]
NUMPY_MODULES = {"_core.arrays"}

if sys.platform == "win32":
    CFLAGS = ["/O2", "/std:c11"]
    LDFLAGS = []
else:
    # No -march: the binary runs on every CPU of its architecture, wider code is dispatched.
    CFLAGS = ["-std=gnu11", "-O3", "-fvisibility=hidden", "-ffunction-sections", "-fdata-sections"]
    CFLAGS += ["-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-g0"]
    CFLAGS += ["-falign-functions=64"]  # where a function begins should not tell how fast it is
    LDFLAGS = ["-Wl,-dead_strip"] if sys.platform == "darwin" else ["-Wl,--gc-sections", "-s"]
CFLAGS += os.environ.get("FASTBLOCKS_CFLAGS", "").split()
if os.environ.get("FASTBLOCKS_CFLAGS"):
    LDFLAGS = os.environ["FASTBLOCKS_CFLAGS"].split()


def c_source(family, name):
    return f"csrc/{name}.c" if "/" in name else f"csrc/{family}/{name}.c"


def extension(module, sources):
    family, block = module.split(".")
    include = list(INCLUDE)
    if module in NUMPY_MODULES:
        import numpy

        include.append(numpy.get_include())
    return Extension(
        f"fastblocks.{module}",
        [f"src/fastblocks/{family}/{block}.pyx", *(c_source(family, c) for c in sources)],
        include_dirs=include,
        depends=DEPENDS,
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
        extra_compile_args=CFLAGS,
        extra_link_args=LDFLAGS,
    )


setup(
    libraries=[
        (
            "fastblocks_core",
            {"sources": CORE, "include_dirs": INCLUDE, "cflags": CFLAGS, "obj_deps": {"": DEPENDS}},
        )
    ],
    ext_modules=cythonize(
        [extension(module, sources) for module, sources in MODULES.items()],
        include_path=["src"],
        nthreads=os.cpu_count() or 1,
        compiler_directives={
            "language_level": 3,
            "binding": False,
            "embedsignature": True,
            "embedsignature.format": "clinic",
            "boundscheck": False,
            "wraparound": False,
            "initializedcheck": False,
            "freethreading_compatible": True,
            "autotestdict": False,
            "auto_pickle": False,
        },
    ),
    options={"build_ext": {"parallel": os.cpu_count()}},
)
