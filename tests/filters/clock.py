"""A timer that stands still until it is told."""


class Clock:
    """Seconds, as a timer returns them; set and moved in integer nanoseconds."""

    def __init__(self, ns=0):
        self.ns = ns

    def __call__(self):
        return self.ns / 10**9
