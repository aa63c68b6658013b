"""The real benchmark files run, on small inputs and without other libraries."""

import json
from pathlib import Path

import pytest

from bench.__main__ import main


def test_smoke(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--quick", "--no-peers", "--report", str(tmp_path)])
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    failed = [
        f"{suite['block']} {work['id']} {row['library']}: {row['note']}"
        for suite in results["suites"]
        for work in suite["works"]
        for row in work["rows"]
        if row["status"] not in ("ok", "unsupported")
    ]
    assert failed == []
    assert code == 0
    assert (tmp_path / "index.html").exists()
