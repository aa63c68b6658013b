"""What requests say, checked: what is wrong with them is told to the client."""

from __future__ import annotations

import json

from starlette.exceptions import HTTPException
from starlette.requests import Request

MAX_KEY, MAX_BODY, MAX_EVENTS = 512, 65536, 1000


def bad(why: str) -> HTTPException:
    """Return what answers a bad request."""
    return HTTPException(400, why)


def key_of(request: Request) -> str:
    """Return the key of an object."""
    key: str = request.path_params["key"]
    if not 0 < len(key) <= MAX_KEY:
        raise bad(f"key must have 1 to {MAX_KEY} characters, not {len(key)}")
    return key


def number_of(request: Request, name: str, low: float, high: float) -> float:
    """Return a number of the query, in [low, high]."""
    text = request.query_params[name]
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise bad(f"{name} must be a number in [{low:g}, {high:g}], not {text!r}")
    return value


def count_of(request: Request, name: str, default: int, high: int) -> int:
    """Return a whole number of the query, in [1, high]."""
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= high):
        raise bad(f"{name} must be a whole number in [1, {high}], not {text!r}")
    return int(text)


def place_of(request: Request) -> tuple[float, float] | None:
    """Return where the client is; None if it does not say."""
    given = request.query_params.keys() & {"lat", "lng"}
    if len(given) == 1:
        raise bad("lat and lng must be given together")
    if not given:
        return None
    return number_of(request, "lat", -90, 90), number_of(request, "lng", -180, 180)


async def ids_of(request: Request) -> list[str]:
    """Return the events of a request."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise HTTPException(413, f"the body must have at most {MAX_BODY} bytes")
    try:
        ids = json.loads(body)["ids"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise bad('the body must be JSON of the form {"ids": ["...", ...]}') from None
    if not (isinstance(ids, list) and len(ids) <= MAX_EVENTS):
        raise bad(f"ids must be a list of at most {MAX_EVENTS} texts")
    for i, id in enumerate(ids):
        if not (isinstance(id, str) and 0 < len(id) <= MAX_KEY and is_unicode(id)):
            raise bad(f"ids[{i}] must be a text of 1 to {MAX_KEY} characters")
    return ids


def is_unicode(text: str) -> bool:
    """Tell whether a text has no halves of characters, which JSON lets pass."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
