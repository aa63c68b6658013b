"""Find the benchmark files: every ``<family>/bench_<block>.py`` below a folder."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from bench.model import Library, Work

ROOT = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Suite:
    """One benchmark file: its place, its libraries and its works in source order."""

    family: str
    block: str
    title: str
    path: Path
    libraries: tuple[type[Library], ...]
    works: tuple[Work, ...]

    @property
    def name(self) -> str:
        """``<family>/<block>``."""
        return f"{self.family}/{self.block}"


def families(root: Path = ROOT) -> list[str]:
    """Return the names of the folders of `root` that hold benchmark files."""
    return sorted({path.parent.name for path in root.glob("*/bench_*.py")})


def discover(wanted: Sequence[str] = (), root: Path = ROOT) -> list[Suite]:
    """Load the benchmark files of the `wanted` families, or of all.

    Raises
    ------
    ValueError
        If a wanted family does not exist; the message lists those that do.
    """
    known = families(root)
    for name in wanted:
        if name not in known:
            raise ValueError(f"no family {name!r}; there are: {', '.join(known)}")
    paths = sorted(root.glob("*/bench_*.py"))
    return [_load(path, root) for path in paths if not wanted or path.parent.name in wanted]


def works_of(module: ModuleType) -> Iterable[Work]:
    """Yield what `work` attached to the functions of `module`, in source order."""
    for value in vars(module).values():
        spec = getattr(value, "work", None)
        if inspect.isfunction(value) and isinstance(spec, Work):
            yield spec


def _load(path: Path, root: Path) -> Suite:
    name = f"{root.name}.{path.parent.name}.{path.stem}"
    module = sys.modules.get(name) or _import(name, path)
    return Suite(
        family=path.parent.name,
        block=path.stem.removeprefix("bench_"),
        title=(module.__doc__ or path.stem).strip().splitlines()[0].rstrip("."),
        path=path,
        libraries=tuple(module.LIBRARIES),
        works=tuple(works_of(module)),
    )


def _import(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
