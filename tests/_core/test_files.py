"""Mapped files: the lock that a class with one writer holds."""

import errno
import subprocess
import sys

import pytest

from fastblocks._core import files

HOLDER = """
import sys
from fastblocks._core import files

mapping = files.map_file(sys.argv[1], True, True)
print("mapped", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(bytes(files.HEADER_BYTES + 8))
    return str(path)


def test_a_second_writer_is_refused(path):
    first = files.map_file(path, True, one_writer=True)
    with pytest.raises(BlockingIOError, match="only one writer is allowed") as caught:
        files.map_file(path, True, one_writer=True)
    assert caught.value.errno in (errno.EAGAIN, errno.EACCES)
    assert caught.value.filename == path
    files.map_file(path, False, one_writer=True).close()  # readers are welcome
    files.map_file(path, True).close()
    first.close()
    files.map_file(path, True, one_writer=True).close()


def test_the_lock_goes_with_a_killed_process(path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "mapped\n"
        with pytest.raises(BlockingIOError):
            files.map_file(path, True, one_writer=True)
    finally:
        holder.kill()
        holder.communicate()
    files.map_file(path, True, one_writer=True).close()
