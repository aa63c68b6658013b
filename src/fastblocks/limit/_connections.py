"""Connections to a server, of which a call takes one for itself; nothing else is done around it."""

from __future__ import annotations

import functools
import os
import select
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ["Connections", "command", "packed"]


def packed(words: Iterable[bytes]) -> bytes:
    """Some words of a command as they are sent: each after its length."""
    return b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])


def command(*words: bytes) -> bytes:
    """A command as it is sent."""
    return b"*%d\r\n%b" % (len(words), packed(words))


class Connections:
    """Those of a pool of the package redis that are at hand, for any number of threads.

    A connection stays here between calls, and goes back to the pool if anything was wrong with it
    or it was closed meanwhile. Nothing is sent twice.
    """

    def __init__(self, pool: Any, response_error: type[Exception]) -> None:
        import inspect

        self._pool = pool
        self._response_error = response_error
        self._idle: list[tuple[Any, Callable[[int], Any]]] = []
        self._pid = os.getpid()
        self._get = pool.get_connection
        parameters = inspect.signature(self._get).parameters.values()
        if any(p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters):
            self._get = functools.partial(self._get, "EVALSHA")  # redis before 5.3

    def ask(self, command: bytes) -> Any:
        """Send a command and return the reply; an error of the server is raised."""
        at_hand = self._take()
        connection = at_hand[0]
        try:
            connection.send_packed_command([command])
            reply = connection.read_response(disable_decoding=True)
        except self._response_error:
            self._idle.append(at_hand)
            raise
        except BaseException:
            self._drop(connection)
            raise
        self._idle.append(at_hand)
        return reply

    def ask_all(self, commands: Sequence[bytes]) -> Iterator[Any]:
        """Send commands at once, and yield the reply to each, or the error of the server."""
        at_hand = self._take()
        connection = at_hand[0]
        try:
            connection.send_packed_command([b"".join(commands)])
            for _ in commands:
                try:
                    reply = connection.read_response(disable_decoding=True)
                except self._response_error as error:
                    reply = error
                yield reply
        except BaseException:  # also if nobody wants the rest
            self._drop(connection)
            raise
        self._idle.append(at_hand)

    def clear(self) -> None:
        """Give back all that nobody uses."""
        while self._idle:
            self._pool.release(self._idle.pop()[0])

    def _take(self) -> tuple[Any, Callable[[int], Any]]:
        """A connection to which nothing has been said, and how to tell whether that is so still."""
        if self._pid != os.getpid():  # after a fork: these are the parent's
            self._idle, self._pid = [], os.getpid()
        try:
            at_hand = self._idle.pop()
        except IndexError:
            pass
        else:
            if not at_hand[1](0):
                return at_hand
            self._pool.release(at_hand[0])  # closed by the server, most likely: the pool sees to it
        connection = self._get()
        socket = getattr(connection, "_sock", None)
        if socket is None or not hasattr(select, "poll"):
            return connection, connection.can_read
        poll = select.poll()
        poll.register(socket, select.POLLIN)
        return connection, poll.poll

    def _drop(self, connection: Any) -> None:
        connection.disconnect()
        self._pool.release(connection)
