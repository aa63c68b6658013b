"""What becomes of an input: told so that native and pure can be compared.

The contract of everything that reads bytes or text: an object that works, or an error of `REFUSED`
that says why. Anything else (another error, a crash, an answer the other implementation does not
give) is a `Finding`.
"""

import inspect
import itertools
import math
import re

import numpy as np

import fastblocks

REFUSED = (ValueError, TypeError)
# Of methods of an object that was read: keys that are not there, read-only maps, what is full, ...
OURS = [getattr(fastblocks, name) for name in fastblocks.__all__ if name.endswith("Error")]
RAISED = (*REFUSED, OverflowError, LookupError, OSError, *OURS)
LONGEST = 10_000  # items of an answer that are looked at

# Arguments for parameters of these names; methods that need another one are left out.
ARGUMENTS = {
    "key": ["key-1", 7, b"\0"],
    "keys": [["key-1", 7, b"\0"]],
    "n": [2],
    "k": [2],
    "id": [3],
    "ids": [[3, 4]],
    "node": ["n"],
    "name": ["n"],
    "x": [1.5],
    "y": [2.5],
    "lat": [48.2],
    "lng": [16.3],
    "lats": [[48.2, -89.99]],  # at the pole, rounding would tell which of a parallel is nearest
    "lngs": [[16.3, 180.0]],
    "box": [(0.0, 0.0, 50.0, 50.0)],
    "radius": [3.0],
    "radius_m": [2e5],
    "min_x": [0.0],
    "min_y": [0.0],
    "max_x": [5.0],
    "max_y": [5.0],
}
UNORDERED = ("query", "query_many", "within", "join")
LAST = ("clear", "rebuild")
SKIPPED = ("nbytes", "timer", "token")  # they tell of an object, and not of its state


class Finding(AssertionError):
    """The contract is broken."""


def told(value):
    """A value as plain things that compare: arrays as lists."""
    if isinstance(value, (bool, int, str, bytes, type(None))):
        return value
    if isinstance(value, (float, np.floating)):
        return float(value)
    if hasattr(value, "to_bytes") and not isinstance(value, np.generic):
        return (type(value).__name__, value.to_bytes())
    if isinstance(value, np.generic):
        return told(value.item())
    if isinstance(value, np.ndarray):
        return (str(value.dtype), value.shape, told(value.ravel()[:LONGEST].tolist()))
    if isinstance(value, dict):
        return [told(pair) for pair in itertools.islice(value.items(), LONGEST)]
    if hasattr(value, "__iter__"):
        return [told(item) for item in itertools.islice(value, LONGEST)]
    return str(value)


def attempt(function, *args, allowed=REFUSED, **named):
    """("answer", what it gave) or ("refused", error's name, its words)."""
    try:
        return "answer", told(function(*args, **named))
    except allowed as error:
        return "refused", type(error).__name__, str(error)
    except Exception as error:
        raise Finding(f"{function}: {error!r}") from error


def same(one, other):
    """Whether two told values are equal, floats nearly."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        near = math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)
        return near or (math.isnan(one) and math.isnan(other))
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def agree(what, first, *others):
    """Raise unless all are the same."""
    for other in others:
        if not same(first, other):
            raise Finding(f"{what} differs:\n  {first!r:.2000}\n  {other!r:.2000}")


def signature(outcome):
    """An outcome without its values: one of the things that may become of an input."""
    if outcome[0] == "answer":
        return "answer"
    return re.sub(r"'.*'|\".*\"|\(.*\)|\[.*\]|[-+]?\d[\w.+-]*", "#", " ".join(outcome[1:]))


def in_order(answer):
    """An answer with its lists sorted."""
    if isinstance(answer, (list, tuple)):
        return sorted(map(in_order, answer), key=repr)
    return answer


def calls_of(cls):
    """(name, arguments) for the methods of a class that `ARGUMENTS` suffice for, in order."""
    names = [name for name in dir(cls) if not name.startswith("_") and name not in SKIPPED]
    for name in sorted(names, key=LAST.__contains__):
        method = getattr(cls, name)
        if inspect.ismethod(method) or isinstance(inspect.getattr_static(cls, name), classmethod):
            continue
        if not callable(method):
            yield name, None
            continue
        _, *parameters = inspect.signature(method).parameters.values()
        needed = [p for p in parameters if p.default is p.empty]
        if name in ("merge", "diff", "issubset", "join"):
            yield name, ["itself"]
        elif all(p.name in ARGUMENTS for p in needed):
            for chosen in itertools.zip_longest(*(ARGUMENTS[p.name] for p in needed)):
                yield (
                    name,
                    [
                        a if a is not None else ARGUMENTS[p.name][0]
                        for a, p in zip(chosen, needed, strict=True)
                    ],
                )


def use(made, calls):
    """What every call answers, in turn, and what the object is in the end."""
    answers = [("len", attempt(len, made))] if hasattr(made, "__len__") else []
    answers.append(("repr", re.sub(r"0x[0-9a-f]+", "", repr(made))))
    for name, arguments in calls:
        if arguments is None:
            answers.append((name, attempt(getattr, made, name, allowed=RAISED)))
            continue
        arguments = [made.copy() if a == "itself" else a for a in arguments]
        answer = attempt(getattr(made, name), *arguments, allowed=RAISED)
        answers.append((name, in_order(answer) if name in UNORDERED else answer))
    answers.append(("bytes", made.to_bytes()))
    return answers
