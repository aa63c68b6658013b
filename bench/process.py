"""The process of a job: pytest on one file, in a process group of its own.

Where a system can fork safely, it is forked from a server that has imported pytest and NumPy and
nothing else, because that takes longer than most jobs. Libraries are imported by the job.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

from bench.discovery import ROOT

FORKS: bool = sys.platform == "linux"
ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_ADDOPTS": "",
}
# bench.conftest imports what all jobs need
PRELOADED = ("pytest", "pytest_benchmark.plugin", "numpy", "bench.conftest")


@contextmanager
def running(arguments: Sequence[str], log: Path, **variables: str) -> Iterator[BaseProcess]:
    """Start pytest with `arguments`, and leave nothing of it behind.

    Its output goes behind what `log` holds; `variables` are added to the environment.
    """
    environment = _environment(variables)
    process = _process(list(arguments), log, environment)
    with _swapped(environment):  # what Python reads as it starts
        process.start()
    try:
        yield process
    finally:
        _kill(process)


def _process(*arguments: object) -> BaseProcess:
    if FORKS:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(PRELOADED))
        return context.Process(target=_main, args=arguments)
    return multiprocessing.get_context("spawn").Process(target=_main, args=arguments)


def _main(arguments: list[str], log: Path, environment: Mapping[str, str]) -> None:
    """Be the process."""
    if hasattr(os, "setsid"):
        os.setsid()
    with log.open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(log.parent)  # in a checkout pytest-benchmark would ask git seven things

    import pytest

    sys.exit(int(pytest.main(arguments)))


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    # of a pytest that may be around this one, nothing
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    path = os.pathsep.join(filter(None, [str(ROOT.parent), own.get("PYTHONPATH", "")]))
    return {**own, "PYTHONPATH": path, **ENVIRONMENT, **variables}


@contextmanager
def _swapped(environment: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _kill(process: BaseProcess) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if process.pid and hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()  # if it had no group yet
    process.join()
