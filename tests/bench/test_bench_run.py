"""The benchmark end to end, on a family made for it: every way a library can fail is a row."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from bench import data, process, runner
from bench.__main__ import main
from bench.discovery import ROOT

TOY = Path(__file__).with_name("bench_toy.py")
TIMES = "\N{MULTIPLICATION SIGN}"


def make_root(folder: Path, text: str | None = None) -> Path:
    """Return a root with one family, ``toys``."""
    (folder / "toys").mkdir(parents=True)
    (folder / "conftest.py").write_text("from bench.conftest import *\n")
    file = folder / "toys" / "bench_toy.py"
    shutil.copy(TOY, file) if text is None else file.write_text(text)
    return folder


@pytest.fixture(scope="module")
def patched() -> Iterator[None]:
    """No input data to load, and little patience."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "snapshot", lambda folder, limit: None)
        patch.setattr(runner, "QUICK", replace(runner.QUICK, timeout=3.0))
        yield


@pytest.fixture(scope="module")
def report(patched: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the report of a run with everything."""
    folder = tmp_path_factory.mktemp("report")
    assert main(["--quick", "--report", str(folder)], make_root(folder / "full")) == 0
    return folder


def load(report: Path) -> dict[str, Any]:
    return json.loads((report / "results.json").read_text(encoding="utf-8"))


def rows(results: dict[str, Any], work: str) -> dict[str, dict[str, Any]]:
    works = {item["id"]: item for suite in results["suites"] for item in suite["works"]}
    return {row["library"]: row for row in works[work]["rows"]}


def statuses(results: dict[str, Any], work: str) -> dict[str, str]:
    return {name: row["status"] for name, row in rows(results, work).items()}


def test_every_library_gets_its_row(report: Path) -> None:
    results = load(report)
    assert results["schema"] == 3
    assert statuses(results, "total") == {
        "fastblocks": "ok",
        "fastblocks.pure": "ok",
        "slow": "ok",
        "wrong": "wrong",
        "lacking": "unsupported",
        "absent": "missing",
        "raising": "error",
        "crashing": "error",
        "hanging": "error",
        "floor": "ok",
    }
    # What crashed or hung goes on with the next work.
    assert statuses(results, "size") == {"fastblocks": "ok", "crashing": "ok"}
    assert statuses(results, "huge") == {}
    total = rows(results, "total")
    assert total["wrong"]["note"] == "wrong answer: wrong sum"
    assert total["lacking"]["note"] == "no totals"
    assert total["absent"]["note"] == "not installed"
    assert total["raising"]["note"] == "OSError: disk on fire"
    assert total["crashing"]["note"] == "crashed: SIGKILL"
    assert total["hanging"]["note"] == "no answer in 3 s"


def test_only_right_answers_have_numbers(report: Path) -> None:
    total = rows(load(report), "total")
    for row in total.values():
        assert (row["min_ns"] is not None) == (row["status"] == "ok")
    assert 0 < total["fastblocks"]["min_ns"] <= total["fastblocks"]["median_ns"]
    assert total["fastblocks"]["times_native"] == 1
    assert total["fastblocks.pure"]["speedup_on_pure"] == 1
    assert total["fastblocks.pure"]["items"] == 10
    assert total["slow"]["times_native"] > 1


class PageChecker(HTMLParser):
    """Expects every tag closed in order and every reference inside the page."""

    def __init__(self) -> None:
        super().__init__()
        self.open_tags: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "link"):
            self.open_tags.append(tag)
        self.handle_startendtag(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        references = [
            value or "" for name, value in attrs if name.split(":")[-1] in ("src", "href")
        ]
        self.outside += [value for value in references if not value.startswith(("#", "data:"))]

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags.pop() == tag


def test_the_page_is_well_formed_and_needs_nothing_else(report: Path) -> None:
    page = (report / "index.html").read_text(encoding="utf-8")
    checker = PageChecker()
    checker.feed(page)
    assert checker.open_tags == []
    assert checker.outside == []
    assert page.count("<svg") == 7
    assert "#fb00" not in page, "a placeholder colour is left"
    assert "@import" not in page
    assert "url(http" not in page
    for needed in ("Toy block", "Where we lose", "Reproducing", "prefers-color-scheme", "viewport"):
        assert needed in page


def test_the_page_tells_what_peers_lack(report: Path) -> None:
    page = (report / "index.html").read_text(encoding="utf-8")
    for name, note in (
        ("lacking", "no totals: <code>sum(keys)</code>"),
        ("wrong", "wrong answer: wrong sum: <code>sum(keys)</code>"),
        ("absent", "not installed"),
    ):
        assert f"{name}</td><td></td><td>Toy block</td><td>{note}</td></tr>" in page


def test_readme_tables(report: Path, tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text("before\n<!-- bench -->\nstale\n<!-- /bench -->\nafter\n")
    for _ in range(2):  # the second time changes nothing
        assert main(["--readme", str(file), "--report", str(report)]) == 0
        text = file.read_text(encoding="utf-8")
        head, made, tail = re.split("<!-- /?bench -->", text)
        assert (head, tail) == ("before\n", "\nafter\n")
        lines = [line.strip("| ").split(" | ") for line in made.splitlines() if "|" in line]
        rows = {cells[0]: cells for cells in lines}
        assert "stale" not in text
    assert rows["Toy block"][2].startswith("**")
    assert rows["Toy block"][3].count(TIMES) == 2
    total = rows["`sum(keys)`, 100 keys"]
    assert re.fullmatch(r"\*\*\S+ .?s\*\*", total[1])
    assert total[2].endswith(" slow")
    assert total[3].endswith(TIMES)
    assert total[5].endswith(TIMES)


def test_a_readme_without_marks_stays(
    report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "README.md"
    for text in ("nothing", "<!-- /bench --> <!-- bench -->"):
        file.write_text(text)
        assert main(["--readme", str(file), "--report", str(report)]) == 2
        assert "<!-- bench -->" in capsys.readouterr().err
        assert file.read_text() == text


def test_comparing_a_report_with_itself(report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(report / "results.json")
    assert main(["--compare", file, file]) == 0
    assert "1 measurements in both: 0 slower and 0 faster" in capsys.readouterr().out


def only_native(text: str) -> str:
    return re.sub(r"LIBRARIES = .*", "LIBRARIES = (Native,)", text)


def test_a_wrong_answer_of_fastblocks_fails_the_run(
    patched: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = only_native(TOY.read_text()).replace("return sum(keys)", "return -1", 1)
    root = make_root(tmp_path / "wrong", text)
    assert main(["--quick", "--report", str(tmp_path)], root) == 1
    assert statuses(load(tmp_path), "total") == {"fastblocks": "wrong"}
    assert "fastblocks failed at 1 measurements: toys/toy: wrong answer" in capsys.readouterr().out


def test_jobs_need_not_be_forked(
    patched: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "FORKS", False)
    root = make_root(tmp_path / "spawned", only_native(TOY.read_text()))
    assert main(["--quick", "--no-peers", "--report", str(tmp_path)], root) == 0
    assert statuses(load(tmp_path), "total") == {"fastblocks": "ok"}


def test_a_process_that_cannot_start_is_a_row(patched: None, tmp_path: Path) -> None:
    root = make_root(tmp_path / "broken", only_native(TOY.read_text()))
    (root / "conftest.py").write_text("raise OSError('broken')\n")
    assert main(["--quick", "--no-peers", "--report", str(tmp_path)], root) == 1
    row = rows(load(tmp_path), "total")["fastblocks"]
    assert row["status"] == "error"
    assert row["note"].startswith("exit code 4: ")


def test_misuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--readme", "README.md", "--report", str(tmp_path)]) == 2
    assert "there is no" in capsys.readouterr().err
    assert main(["--compare", "old.json", "new.json"]) == 2
    assert "there is no old.json" in capsys.readouterr().err
    assert main(["no-such-family"]) == 2
    assert re.search(r"no family 'no-such-family'; there are: .*filters", capsys.readouterr().err)


HANGING = '''"""Toy block."""
import os, time
from pathlib import Path
from bench.model import Library, work

class Native(Library):
    name = "fastblocks"
    role = "native"

LIBRARIES = (Native,)

@work("wait")
def bench_wait(lib, timed):
    Path({pid_file!r}).write_text(str(os.getpid()))
    time.sleep(60)
'''
MAIN = """
import sys
from pathlib import Path
from bench import data
from bench.__main__ import main
data.snapshot = lambda folder, limit: None
sys.exit(main(["--report", sys.argv[1]], Path(sys.argv[2])))
"""


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_no_process_behind(tmp_path: Path, number: int) -> None:
    pid_file = tmp_path / "pid"
    root = make_root(tmp_path / "hang", HANGING.format(pid_file=str(pid_file)))
    command = [sys.executable, "-c", MAIN, str(tmp_path / "report"), str(root)]
    with subprocess.Popen(command, cwd=ROOT.parent, stdout=subprocess.DEVNULL) as process:
        try:
            while not (pid_file.exists() and pid_file.read_text()) and process.poll() is None:
                time.sleep(0.05)
            process.send_signal(number)
            assert process.wait(20) == 130
        finally:
            process.kill()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
    assert not (tmp_path / "report").exists()
