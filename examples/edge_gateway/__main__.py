"""Start the gateway: ``python -m examples.edge_gateway --help`` tells what can be set."""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import uvicorn
from uvicorn.supervisors import Multiprocess

from . import settings as options
from .shared import prepare

MEMORY = Path("/dev/shm")  # a file here takes no disk


def main() -> None:
    """Prepare what the workers share, and run them; one that dies is replaced."""
    settings = options.read(sys.argv[1:])
    with ExitStack() as stack:
        if not settings.state:
            folder = tempfile.TemporaryDirectory(
                prefix="edge-gateway-", dir=MEMORY if MEMORY.is_dir() else None
            )
            settings = dataclasses.replace(settings, state=stack.enter_context(folder))
        try:
            Path(settings.state).mkdir(parents=True, exist_ok=True)
            prepare(settings)
        except (OSError, ValueError) as error:
            sys.exit(f"error: {error}")
        options.export(settings)
        config = uvicorn.Config(
            f"{__package__}.app:create_app",
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=settings.workers,
            proxy_headers=False,  # the limit's key reads them, and only from proxies it trusts
            access_log=False,
            server_header=False,
        )
        with config.bind_socket() as listener:
            host, port = listener.getsockname()[:2]
            print(f"http://{host}:{port}/stats  state in {settings.state}", flush=True)
            Multiprocess(config, [listener]).run()


if __name__ == "__main__":
    main()
