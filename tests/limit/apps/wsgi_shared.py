"""A WSGI application whose workers share one limit; ``LIMIT_PATH`` is the file that holds it."""

import os

from fastblocks.limit import SharedMemory, SlidingWindow
from fastblocks.limit.wsgi import RateLimitMiddleware

LIMIT = 100


def whoami(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


storage = SharedMemory(os.environ["LIMIT_PATH"], max_keys=1000)
limiter = SlidingWindow(f"{LIMIT}/day", storage=storage)
app = RateLimitMiddleware(whoami, limiter, exempt="/pid")
