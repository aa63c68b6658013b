"""Limits on a Redis or Valkey server, for all processes and machines that ask it.

A decision is one call of a script (`lua/`), which reads the state of a key, decides, and stores.
What it returns, the state before and the time, is enough to tell all fields of the decision here,
by `pure.limit.strategies`.
"""

from __future__ import annotations

import functools
import itertools
import re
import struct
import time
from typing import TYPE_CHECKING, Any, NoReturn

from fastblocks._core import check, limits
from fastblocks._core.rates import BUCKET, COUNTER, FIXED, LOG, MAX_RULES, NEVER

from ._connections import Connections, command, packed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from fastblocks._core.rates import Rule
    from fastblocks._core.types import Key
    from fastblocks.pure.limit.strategies import Verdict

__all__ = ["Redis"]

ON_ERROR = ("raise", "deny", "allow", "local")
SCHEMES = {"valkey": "redis", "valkeys": "rediss"}
NAMES = {FIXED: "fixed", COUNTER: "counter", BUCKET: "bucket", LOG: "log"}
WIDTH = {FIXED: 3, COUNTER: 4, BUCKET: 3, LOG: 5}  # numbers of a rule in a reply
REPLIES = [struct.Struct(f"<{n}d") for n in range(2 + MAX_RULES * max(WIDTH.values()) + 1)]
CHUNK = 500  # calls that are sent at once
LAYOUT = 1  # of the states; another one gets other names
SECOND = 10**9
RAW = {"NEVER_DECODE": True}  # a reply is bytes, whatever the client makes of others
LONGEST_KEY = 64  # bytes; longer ones go by their hash
PAUSES = 0.1, 1.0  # seconds without asking a server that did not answer: first, at most
LOST = (  # errors of the package redis that mean that the server cannot be asked
    "ConnectionError",
    "TimeoutError",
    "ClusterError",
    "ClusterDownError",
    "MasterDownError",
    "OutOfMemoryError",
    "ReadOnlyError",
    "TryAgainError",
)
REFUSALS = re.compile(r"\b(BUSY|CLUSTERDOWN|MASTERDOWN|MISCONF|NOREPLICAS|OOM|READONLY)\b")


@functools.cache
def script(kind: int) -> tuple[bytes, bytes]:
    """The script of a kind of rules, and the SHA-1 by which servers know it."""
    import hashlib
    from pathlib import Path

    folder = Path(__file__).with_name("lua")
    names = ["common", NAMES[kind]] if kind == LOG else ["common", "state", NAMES[kind]]
    text = b"".join((folder / f"{name}.lua").read_bytes() for name in names)
    return text, hashlib.sha1(text, usedforsecurity=False).hexdigest().encode()


def argument(kind: int, rules: Sequence[Rule], cost: int, spend: bool) -> bytes:
    """What a script is told of a call and its rules."""
    if kind != LOG and (not spend or any(cost > rule.limit for rule in rules)):
        return b""  # the state is all that is wanted
    numbers = [] if kind == BUCKET else [int(spend), cost] if kind == LOG else [cost]
    for limit, count, period in rules:
        if kind == BUCKET:
            numbers.append(count)
            for units in ((limit - cost) * period, cost * period):
                ns, fraction = divmod(units, count)
                numbers += *divmod(ns, SECOND), fraction
        else:
            numbers += limit, period
    return struct.pack(f"<{len(numbers)}d", *numbers)


def rows_of(kind: int, numbers: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """The numbers of each rule from those of all."""
    each = [iter(numbers)] * WIDTH[kind]
    return zip(*each, strict=True)


def state_of(kind: int, rule: Rule, s: int, n: int, *used: int) -> tuple[int, ...]:
    """The state of a rule from the numbers in which a server holds it."""
    ns = s * SECOND + n
    return ns if kind == BUCKET else ns // rule.period_ns - 1, *used


class Redis:
    """Redis(url_or_client, *, prefix="fastblocks", on_error="local", timeout=0.5)

    Storage on a Redis (6 or later) or Valkey server, or a cluster: one limit for all that ask it.

    A decision is one round trip, and atomic; of ``allow_many`` some hundred share one. It goes by
    the server's clock, unless the limiter has a timer. Keys vanish from the server when their quota
    is whole again. Needs the package ``redis``: ``pip install 'fastblocks[redis]'``.

    A server that did not answer is not asked again for a tenth of a second, then two, and so on up
    to a second; meanwhile `on_error` says at once what is answered. All is as before with the first
    answer of the server.

    Parameters
    ----------
    url_or_client : str or client
        ``redis://``, ``rediss://`` (TLS), ``unix://``, or ``valkey://`` and ``valkeys://``, which
        mean the same as the first two; clients for threads and for asyncio are made as needed. Or a
        client: a ``Redis`` or ``RedisCluster`` of ``redis`` or ``redis.asyncio``, which several
        storages may share and which keeps its own timeouts and retries; a URL is faster.
    prefix : str, default "fastblocks"
        Of all names of keys on the server.
    on_error : {"local", "deny", "allow", "raise"}
        What is said when the server cannot be asked: what a `Memory` of this process says, "no",
        "yes", or a `StorageError`. Wrong credentials and errors of use are raised in any case.
    timeout : float, default 0.5
        Seconds to wait for a connection, and for an answer; for a URL only.

    Raises
    ------
    ImportError
        If the package ``redis`` is missing.
    TypeError
        If an argument is of the wrong type.
    ValueError
        If it is out of range, or the URL no URL of a server.

    Examples
    --------
    >>> from fastblocks.limit import Redis
    >>> storage = Redis("redis://localhost:6379/0", on_error="deny")  # connects when it is asked
    >>> storage
    Redis('redis://localhost:6379/0', prefix='fastblocks', on_error='deny')
    """

    __module__ = "fastblocks.limit"

    own_clock = True  # limiters without a timer pass None for now
    evicted = 0

    def __init__(
        self,
        url_or_client: Any,
        *,
        prefix: str = "fastblocks",
        on_error: str = "local",
        timeout: float = 0.5,
    ) -> None:
        try:
            import redis
            import redis.asyncio
        except ImportError as error:
            raise ImportError(
                "Redis needs the package redis: pip install 'fastblocks[redis]'"
            ) from error
        self._redis = redis
        if not isinstance(prefix, str):
            raise TypeError(f"prefix must be a str, not {type(prefix).__name__}")
        if "{" in prefix or "}" in prefix:
            raise ValueError(f"prefix must have no braces, not {prefix!r}")
        self._prefix = prefix
        self._on_error = check.choice("on_error", on_error, ON_ERROR)
        self._timeout = check.seconds_ns("timeout", timeout) / 1e9
        self._given = url_or_client
        self._url: str | None = None
        self._sync: Any = None
        self._async: Any = None  # a client, or for a URL one of each event loop
        self._connections: Connections | None = None  # of the client, if it was made here
        self._connect(url_or_client)
        self._bound: tuple[int, tuple[Rule, ...]] | None = None
        # Of a server that does not answer: when to try again, the pause before, why. It is replaced
        # as a whole and never locked: threads that meet here may at worst both try.
        self._down: tuple[float, float, str] | None = None

    @property
    def prefix(self) -> str:
        """The prefix of the names of all keys."""
        return self._prefix

    @property
    def on_error(self) -> str:
        """What is said when the server cannot be asked."""
        return self._on_error

    @property
    def available(self) -> bool:
        """Whether the server answered when it was last asked; True before that."""
        return self._down is None

    def _arguments(self) -> dict[str, Any]:
        return {
            "url_or_client": self._given,
            "prefix": self._prefix,
            "on_error": self._on_error,
            "timeout": self._timeout,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        if self._url is None:
            raise TypeError("a Redis of a client cannot be pickled; make it of a URL")
        return functools.partial(type(self), **self._arguments()), ()

    def __copy__(self) -> Redis:
        return type(self)(**self._arguments())

    def __deepcopy__(self, memo: Any) -> Redis:
        return self.__copy__()

    def __repr__(self) -> str:
        return f"Redis({self._where!r}, prefix={self._prefix!r}, on_error={self._on_error!r})"

    # ---- what limiters call --------------------------------------------------------------------

    def bind(self, kind: int, rules: Sequence[Rule]) -> None:
        """Make it the storage of limiters of this kind and rules, or raise if it is another's.

        Parameters
        ----------
        kind : int
            Of the strategy.
        rules : sequence of Rule
            Its rules.
        """
        if self._bound is None:
            import hashlib

            from fastblocks.pure import _keys
            from fastblocks.pure.limit import strategies
            from fastblocks.pure.limit.memory import Memory

            bound = kind, tuple(rules)
            self._bytes_of_key = _keys.bytes_of_key
            self._strategies = strategies
            self._memory = Memory()
            self._memory.bind(*bound)
            described = repr((LAYOUT, kind, [tuple(rule) for rule in rules])).encode()
            digest = hashlib.blake2b(described, digest_size=6).hexdigest()
            self._name = f"{self._prefix}:{NAMES[kind]}:{digest}:{{".encode()
            self._argument = functools.lru_cache(256)(functools.partial(argument, *bound))
            self._end = functools.lru_cache(256)(lambda *call: packed([self._argument(*call)]))
            self._script, self._sha = script(kind)
            self._start = b"*5\r\n" + packed([b"EVALSHA", self._sha, b"1"])
            self._n_keys = len(bound[1]) if kind == LOG else 1
            self._bound = bound
        limits.check_binding(self._bound, kind, rules)

    def token(self, key: Key) -> bytes:
        """What a key is known by on the server.

        Parameters
        ----------
        key : str, bytes or int
            A key.
        """
        data = self._bytes_of_key(key)
        if not 0 < len(data) <= LONGEST_KEY or b"}" in data:  # it would end the hash tag
            import hashlib

            data = b"blake2b:" + hashlib.blake2b(data, digest_size=32).hexdigest().encode()
        return self._name + data + b"}"

    def decide(self, token: bytes, now: int | None, cost: int, spend: bool) -> Verdict:
        """What the rules say to a call of a key, which counts if they allow it and `spend`.

        Parameters
        ----------
        token : bytes
            What `token` returned for the key.
        now : int or None
            Nanoseconds on the clock of the limiter; None to go by the server's.
        cost : int
            How much it counts.
        spend : bool
            Whether it counts.
        """
        client = self._sync or self._sync_client()
        if self._down is not None and not self._try_again():
            return self._without(token, now, cost, spend)
        try:
            reply = self._ask(client, token, now, cost, spend)
        except (self._redis.RedisError, OSError) as error:
            self._failed(error)
            return self._without(token, now, cost, spend, error)
        return self._verdict(reply, cost, spend)

    def decide_many(self, calls: Iterable[tuple[bytes, int | None, int]]) -> Iterator[Verdict]:
        """What the rules say to calls in order, each of which counts if they allow it.

        Some hundred are sent at once. What was decided before the server failed stays, and the rest
        is answered as `on_error` says.

        Parameters
        ----------
        calls : iterable of (bytes, int or None, int)
            Token, time and cost of each.
        """
        client = self._sync or self._sync_client()
        calls = iter(calls)
        while chunk := list(itertools.islice(calls, CHUNK)):
            yield from self._decide_chunk(client, chunk)

    def _decide_chunk(
        self, client: Any, calls: Sequence[tuple[bytes, int | None, int]]
    ) -> Iterator[Verdict]:
        verdicts: list[Verdict | None] = [None] * len(calls)
        left = list(range(len(calls)))
        failure = None
        while left and failure is None and (self._down is None or self._try_again()):
            unknown = []  # calls on a server, of a cluster on servers, that has lost the script
            try:
                replies = self._ask_all(client, [calls[i] for i in left])
                for i, reply in zip(left, replies, strict=True):
                    if isinstance(reply, self._redis.exceptions.NoScriptError):
                        unknown.append(i)
                    elif isinstance(reply, Exception):
                        raise reply
                    else:
                        verdicts[i] = self._verdict(reply, calls[i][2], True)
                if unknown:  # one by one: with the first it learns the script
                    i = unknown.pop(0)
                    verdicts[i] = self._verdict(
                        self._ask(client, *calls[i], True), calls[i][2], True
                    )
            except (self._redis.RedisError, OSError) as error:
                self._failed(error)
                failure = error
            else:
                left = unknown
        for verdict, call in zip(verdicts, calls, strict=True):
            yield verdict or self._without(*call, True, failure)

    async def decide_async(self, token: bytes, now: int | None, cost: int, spend: bool) -> Verdict:
        """The same as `decide`, for asyncio.

        Parameters
        ----------
        token : bytes
            What `token` returned for the key.
        now : int or None
            Nanoseconds on the clock of the limiter; None to go by the server's.
        cost : int
            How much it counts.
        spend : bool
            Whether it counts.
        """
        client = self._async_client()
        if self._down is not None and not self._try_again():
            return self._without(token, now, cost, spend)
        words = self._words(token, now, cost, spend)
        try:
            try:
                reply = await client.execute_command("EVALSHA", self._sha, *words, **RAW)
            except self._redis.exceptions.NoScriptError:
                reply = await client.execute_command("EVAL", self._script, *words, **RAW)
        except (self._redis.RedisError, OSError) as error:
            self._failed(error)
            return self._without(token, now, cost, spend, error)
        return self._verdict(reply, cost, spend)

    def forget(self, token: bytes) -> None:
        """Make a key's quota whole again; a `StorageError` if the server cannot be asked.

        Parameters
        ----------
        token : bytes
            What `token` returned for the key.
        """
        self._memory.forget(hash(token))
        try:
            self._run(self._sync or self._sync_client(), "UNLINK", *self._keys(token))
        except (self._redis.RedisError, OSError) as error:
            self._failed(error)
            self._raise(error)

    async def forget_async(self, token: bytes) -> None:
        """The same as `forget`, for asyncio.

        Parameters
        ----------
        token : bytes
            What `token` returned for the key.
        """
        self._memory.forget(hash(token))
        try:
            await self._async_client().execute_command("UNLINK", *self._keys(token))
        except (self._redis.RedisError, OSError) as error:
            self._failed(error)
            self._raise(error)

    # ---- scripts and replies --------------------------------------------------------------------

    def _keys(self, token: bytes) -> list[bytes]:
        """The keys of a limiter's key: of a log, one for each rule. They share a hash tag."""
        n = self._n_keys
        return [token] if n == 1 else [b"%b:%d" % (token, i) for i in range(n)]

    def _words(self, token: bytes, now: int | None, cost: int, spend: bool) -> list[bytes]:
        """What follows the script in a command: keys and arguments."""
        keys = self._keys(token)
        words = [b"%d" % len(keys), *keys, self._argument(cost, spend)]
        if now is not None:
            words += [b"%d" % part for part in divmod(now, SECOND)]
        return words

    def _command(self, token: bytes, now: int | None, cost: int, spend: bool) -> bytes:
        """The command as it is sent; the common one in a hurry."""
        if now is None and self._n_keys == 1:
            end = self._end(cost, spend)
            return b"%b$%d\r\n%b\r\n%b" % (self._start, len(token), token, end)
        return command(b"EVALSHA", self._sha, *self._words(token, now, cost, spend))

    def _run(self, client: Any, name: str, *words: bytes) -> Any:
        if self._connections is not None:
            return self._connections.ask(command(name.encode(), *words))
        return client.execute_command(name, *words, **RAW)

    def _ask(self, client: Any, token: bytes, now: int | None, cost: int, spend: bool) -> Any:
        """Call the script of a call."""
        try:
            if self._connections is not None:
                return self._connections.ask(self._command(token, now, cost, spend))
            words = self._words(token, now, cost, spend)
            return self._run(client, "EVALSHA", self._sha, *words)
        except self._redis.exceptions.NoScriptError:
            words = self._words(token, now, cost, spend)
            return self._run(client, "EVAL", self._script, *words)

    def _ask_all(
        self, client: Any, calls: Sequence[tuple[bytes, int | None, int]]
    ) -> Iterable[Any]:
        """Call the scripts of calls that count; errors of the server are among the replies."""
        if self._connections is not None:
            return self._connections.ask_all([self._command(*call, True) for call in calls])
        pipeline = client.pipeline(transaction=False)
        for call in calls:
            pipeline.execute_command("EVALSHA", self._sha, *self._words(*call, True), **RAW)
        replies: list[Any] = pipeline.execute(raise_on_error=False)
        return replies

    def _verdict(self, reply: Any, cost: int, spend: bool) -> Verdict:
        if self._down is not None:
            self._recovered()
        assert self._bound is not None
        kind, rules = self._bound
        s, n, *numbers = map(int, REPLIES[len(reply) // 8].unpack(reply))
        now = s * SECOND + n
        if kind == LOG:
            return self._log_verdict(rules, numbers, now, cost, spend)
        verdict: Verdict
        if len(rules) == 1:
            state = state_of(kind, rules[0], *numbers) if numbers else None
            verdict = self._strategies.STRATEGIES[kind](rules[0], state, now, cost, spend)
            return verdict
        rows = zip(rules, rows_of(kind, numbers), strict=True)
        states = [state_of(kind, rule, *row) for rule, row in rows] if numbers else None
        verdict, _ = self._strategies.judge(kind, rules, states, now, cost, spend)
        return verdict

    def _log_verdict(
        self, rules: Sequence[Rule], numbers: list[int], now: int, cost: int, spend: bool
    ) -> Verdict:
        """As `sliding_window` has it, of what was read of the log; see log.lua."""
        lives = numbers[:: WIDTH[LOG]]
        allowed = all(live + cost <= rule.limit for rule, live in zip(rules, lives, strict=True))
        verdicts = []
        for (limit, _, period), row in zip(rules, rows_of(LOG, numbers), strict=True):
            live, s, n, last_s, last_n = row
            fits = live + cost <= limit
            wait = self._strategies.wait_ns(s * SECOND + n + period, now)
            last = last_s * SECOND + last_n if live else now
            retry = 0 if fits else wait if cost <= limit else NEVER
            if allowed and spend:
                live, last = live + cost, max(last, now)
            reset = self._strategies.wait_ns(last + period, now) if live else 0
            made = self._strategies.Verdict(fits, limit, limit - live, retry, reset, None)
            verdicts.append(made)
        if len(verdicts) == 1:
            return verdicts[0]
        verdict: Verdict = self._strategies.together(verdicts)
        return verdict

    # ---- servers that do not answer --------------------------------------------------------------

    def _try_again(self) -> bool:
        """Whether it is time to ask the server again; if so, others are told to wait."""
        down = self._down
        if down is None:
            return True
        until, pause, why = down
        now = time.monotonic()
        if now < until:
            return False
        self._down = now + pause + self._timeout, pause, why
        return True

    def _failed(self, error: Exception) -> None:
        """Note that the server did not answer; raise if that is no reason to go on without it."""
        exceptions = self._redis.exceptions
        denied = (exceptions.AuthenticationError, exceptions.NoPermissionError)
        if isinstance(error, denied):
            message = f"Redis at {self._where} refuses the credentials or the command: {error}"
            raise limits.StorageError(message) from error
        lost = tuple(getattr(exceptions, name) for name in LOST)
        if not isinstance(error, (OSError, *lost)) and not REFUSALS.search(str(error)):
            raise error
        first, most = PAUSES
        pause = first if self._down is None else min(2 * self._down[1], most)
        why = str(error) or type(error).__name__
        if self._down is None:
            self._log("cannot be asked (on_error=%r): %s", self._on_error, why)
        self._down = time.monotonic() + pause, pause, why

    def _recovered(self) -> None:
        self._down = None
        self._log("answers again")

    def _log(self, text: str, *values: Any) -> None:
        import logging

        logging.getLogger("fastblocks.limit").warning(f"Redis at %s {text}", self._where, *values)

    def _raise(self, error: Exception | None) -> NoReturn:
        why = self._down[2] if self._down else str(error)
        raise limits.StorageError(f"Redis at {self._where} cannot be asked: {why}") from error

    def _without(
        self,
        token: bytes,
        now: int | None,
        cost: int,
        spend: bool,
        error: Exception | None = None,
    ) -> Verdict:
        """What is said when the server cannot be asked."""
        assert self._bound is not None
        if self._on_error == "raise":
            self._raise(error)
        if now is None:
            now = time.time_ns()
        if self._on_error == "local":
            return self._memory.decide(hash(token), now, cost, spend)
        new, _ = self._strategies.judge(*self._bound, None, now, cost, spend)
        verdict: Verdict = new
        if self._on_error == "allow" or verdict.retry_ns == NEVER:
            return verdict
        until = self._down[0] if self._down else 0.0
        retry = max(round((until - time.monotonic()) * 1e9), 1)
        return verdict._replace(allowed=False, remaining=0, retry_ns=retry, reset_ns=0)

    # ---- clients ---------------------------------------------------------------------------------

    def _connect(self, url_or_client: Any) -> None:
        """Keep a client, or what is needed to make one."""
        redis = self._redis
        if isinstance(url_or_client, str):
            scheme, separator, rest = url_or_client.partition("://")
            self._url = f"{SCHEMES.get(scheme, scheme)}{separator}{rest}"
            from urllib.parse import urlsplit

            host = urlsplit(self._url).netloc.rpartition("@")[2]
            self._where = f"{scheme}://{host}{urlsplit(self._url).path}"  # no password
            try:
                redis.connection.parse_url(self._url)
            except ValueError as error:
                raise ValueError(
                    "url_or_client must be a URL of redis://, rediss://, unix://, valkey:// or "
                    f"valkeys://, not {self._where!r}: {error}"
                ) from None
            return
        if isinstance(url_or_client, (redis.Redis, redis.RedisCluster)):
            self._sync = url_or_client
        elif isinstance(url_or_client, (redis.asyncio.Redis, redis.asyncio.RedisCluster)):
            self._async = url_or_client
        else:
            raise TypeError(
                "url_or_client must be a str or a client of redis or redis.asyncio, not "
                f"{type(url_or_client).__name__}"
            )
        pool = getattr(url_or_client, "connection_pool", None)
        options = pool.connection_kwargs if pool is not None else {}
        if "path" in options:
            self._where = f"unix://{options['path']}"
        elif "host" in options:
            self._where = f"redis://{options['host']}:{options.get('port', 6379)}"
        else:
            self._where = type(url_or_client).__name__

    def _options(self, retry: Any) -> dict[str, Any]:
        """Of clients made here. What the URL says goes before."""
        from redis.backoff import NoBackoff

        return {
            "socket_timeout": self._timeout,
            "socket_connect_timeout": self._timeout,
            "retry": retry(NoBackoff(), 0),
            "max_connections": 2**31,
        }

    def _sync_client(self) -> Any:
        if self._url is None:
            raise TypeError("storage has a client of asyncio: await hit_async() and the like")
        from redis.retry import Retry

        client = self._redis.Redis.from_url(self._url, **self._options(Retry))
        self._connections = Connections(client.connection_pool, self._redis.ResponseError)
        self._sync = client
        return client

    def _async_client(self) -> Any:
        if self._url is None:
            if self._async is None:
                raise TypeError(
                    "storage has a client that is not of asyncio: call hit() and the like"
                )
            return self._async
        import asyncio

        loop = asyncio.get_running_loop()
        if self._async is None:
            import weakref

            self._async = weakref.WeakKeyDictionary()
        client = self._async.get(loop)
        if client is None:
            from redis.asyncio.retry import Retry

            client = self._redis.asyncio.Redis.from_url(self._url, **self._options(Retry))
            self._async[loop] = client
        return client

    def close(self) -> None:
        """Close the connections that were made here, but for those of asyncio; anew if needed."""
        if self._connections is not None:
            self._connections.clear()
            self._sync.close()

    async def aclose(self) -> None:
        """Close the connections that were made here and in this event loop; anew if needed."""
        if self._url is not None and self._async is not None:
            import asyncio

            client = self._async.pop(asyncio.get_running_loop(), None)
            if client is not None:
                await client.aclose()
