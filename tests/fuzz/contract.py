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
LONGEST = 1000  # items of an answer that are looked at

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
    "lats": [[48.2, -90.0]],
    "lngs": [[16.3, 180.0]],
    "box": [(0.0, 0.0, 50.0, 50.0)],
    "radius": [3.0],
    "radius_m": [2e5],
    "min_x": [0.0],
    "min_y": [0.0],
    "max_x": [5.0],
    "max_y": [5.0],
}
LAST = ("clear", "rebuild")
SKIPPED = ("nbytes", "timer", "token")  # they tell of an object, and not of its state


class Finding(AssertionError):
    """The contract is broken."""


def told(value):
    """A value as plain things that compare: arrays as lists, floats to nine digits."""
    if isinstance(value, (bool, int, str, bytes, type(None))):
        return value
    if isinstance(value, (float, np.floating)):
        return "nan" if math.isnan(value) else f"{float(value):.9g}"
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


def agree(what, *answers):
    """Raise unless all are the same."""
    first, *others = answers
    for other in others:
        if first != other:
            raise Finding(f"{what} differs:\n  {first!r:.2000}\n  {other!r:.2000}")


def signature(outcome):
    """An outcome without its values: one of the things that may become of an input."""
    return re.sub(r"'.*'|\"[^\"]*\"|[-+0-9.e]+|\(.*\)|\[.*\]", "#", " ".join(map(str, outcome[1:])))


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
                yield name, [a if a is not None else ARGUMENTS[p.name][0] for a, p in zip(chosen, needed, strict=True)]


def use(made, calls):
    """What every call answers, in turn, and what the object is in the end."""
    answers = [("len", attempt(len, made))] if hasattr(made, "__len__") else []
    answers.append(("repr", re.sub(r"0x[0-9a-f]+", "", repr(made))))
    for name, arguments in calls:
        if arguments is None:
            answers.append((name, attempt(getattr, made, name, allowed=RAISED)))
            continue
        arguments = [made.copy() if a == "itself" else a for a in arguments]
        answers.append((name, attempt(getattr(made, name), *arguments, allowed=RAISED)))
    answers.append(("bytes", made.to_bytes()))
    return answers
