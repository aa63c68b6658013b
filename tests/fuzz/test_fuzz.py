"""What ``make fuzz`` does for minutes, for an instant: the kept inputs, and some random ones."""

import inspect
import pathlib
import random

import pytest

import fastblocks
from tests.fuzz.mutators import flip
from tests.fuzz.targets import targets

CORPUS = pathlib.Path(__file__).parent / "corpus"
TRIALS = 10


@pytest.mark.parametrize("name", targets())
def test_kept_and_random_inputs(name):
    target = targets()[name]
    assert target.seeds, "a class needs an example in its docstring, or a file in tests/golden"
    kept = [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]
    for data in [*target.seeds, *kept]:
        target.check(data)
    rng = random.Random(1)
    for _ in range(TRIALS):
        target.check(target.mutate(rng.choice(target.seeds + kept), rng, flip))


def test_every_class_that_reads_bytes_is_a_target():
    classes = [getattr(fastblocks, name) for name in fastblocks.__all__]
    readers = {c.__name__ for c in classes if inspect.isclass(c) and hasattr(c, "from_bytes")}
    assert readers - set(targets()) == {"SharedMemory"}  # whose file is "shared-limits"


def test_the_corpus_is_of_the_targets():
    assert {path.name for path in CORPUS.iterdir()} <= set(targets())
