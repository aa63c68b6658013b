"""`python -m fastblocks.cache simulate`: reads, prints what `simulate` says, draws."""

import csv
import gzip
import io
import pathlib
import subprocess
import sys
import xml.etree.ElementTree

import numpy as np
import pytest

from fastblocks.cache import _curve, simulate
from fastblocks.cache.__main__ import main

ROOT = pathlib.Path(__file__).parent.parent.parent
TRACE = np.random.default_rng(1).zipf(1.2, 3000) % 500
NAMES = [f"/page/{key}é" for key in TRACE]
KEYS = len(set(TRACE.tolist()))


@pytest.fixture
def npy(tmp_path):
    path = tmp_path / "trace.npy"
    np.save(path, TRACE)
    return path


def run(capsys, *arguments):
    """What `main` prints as CSV: the ratios of each policy."""
    assert main(["simulate", *map(str, arguments), "--csv"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    rows = list(csv.DictReader(io.StringIO(out)))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


def fail(capsys, *arguments):
    """The one line that `main` prints when it fails."""
    assert main(["simulate", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err.removeprefix("python -m fastblocks.cache: ").rstrip("\n")


def same(printed, trace=TRACE):
    sizes = list(map(int, printed["size"]))
    for policy in printed.keys() - {"size"}:
        assert printed[policy] == simulate(trace, sizes, policy).tolist()
    return True


# ---- sizes, policies, seeds ----------------------------------------------------------------------


def test_ratios_are_those_of_simulate(capsys, npy):
    printed = run(capsys, npy, "--sizes", "100,1000,10%")
    assert list(printed) == ["size", "opt", "w-tinylfu", "lru", "s3-fifo", "sieve"]
    assert printed["size"] == sorted([round(KEYS / 10), 100, 1000])
    assert same(printed)


def test_default_sizes_are_shares_of_the_keys(capsys, npy):
    sizes = run(capsys, npy)["size"]
    assert sizes == sorted({max(round(KEYS * p / 100), 1) for p in (1, 2, 5, 10, 20, 50)})


def test_policies_and_seed(capsys, npy):
    printed = run(capsys, npy, "--sizes", "20", "--policies", "lru, w-tinylfu", "--seed", 7)
    assert list(printed) == ["size", "opt", "lru", "w-tinylfu"]
    assert printed["w-tinylfu"] == simulate(TRACE, [20], seed=7).tolist()


@pytest.mark.parametrize(
    "sizes", ["", "0", "-5", "x", "5,", "0%", "101%", "nan%", "1.5", str(2**31)]
)
def test_bad_sizes(capsys, npy, sizes):
    message = fail(capsys, npy, f"--sizes={sizes}")
    assert message.startswith("--sizes must be numbers in [1, 2147483647] or percentages")


def test_bad_policies_and_seed(capsys, npy):
    message = fail(capsys, npy, "--policies", "lru,fifo")
    assert message == "--policies must be 'w-tinylfu', 'lru', 's3-fifo' or 'sieve', not 'fifo'"
    assert fail(capsys, npy, "--seed=-1").startswith("seed must be in [0,")


# ---- traces --------------------------------------------------------------------------------------


def test_text(capsys, tmp_path):
    path = tmp_path / "trace.txt"
    path.write_text("\n".join(map(str, TRACE)))
    assert same(run(capsys, path))
    path.write_bytes("\r\n".join([*map(str, TRACE), "", ""]).encode())
    assert same(run(capsys, path))
    packed = tmp_path / "trace.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert same(run(capsys, packed))


def test_keys_that_are_no_integers_are_numbered(capsys, tmp_path):
    numbers = _curve._numbered(TRACE.tolist())
    path = tmp_path / "trace.log"
    path.write_bytes("\n".join(NAMES).encode("utf-8"))
    assert same(run(capsys, path), numbers)
    path.write_bytes("\n".join(NAMES).encode("latin-1"))
    assert same(run(capsys, path), numbers)
    path.write_text("\n".join(str(key + 2**64) for key in TRACE.tolist()))
    assert same(run(capsys, path), numbers)
    for array in (np.array(NAMES), np.array([name.encode() for name in NAMES])):
        np.save(tmp_path / "names.npy", array)
        assert same(run(capsys, tmp_path / "names.npy"), numbers)


def test_stdin(capsys, monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO("\n".join(map(str, TRACE)).encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert same(run(capsys, "-"))


def test_npz(capsys, tmp_path):
    path = tmp_path / "trace.npz"
    np.savez(path, keys=TRACE)
    assert same(run(capsys, path))
    np.savez(path, keys=TRACE, times=TRACE * 0.5)
    assert same(run(capsys, path, "--entry", "keys"))
    assert fail(capsys, path) == "the arrays are keys, times; choose one by --entry"
    message = fail(capsys, path, "--entry", "key")
    assert message == "--entry key is not there; the arrays are keys, times"
    message = fail(capsys, path, "--entry", "times")
    assert message == "trace must be integers, not of dtype float64"


def test_tables(capsys, tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text("\n".join(["when,key", *(f'"1,5",{key}' for key in TRACE)]))
    assert same(run(capsys, path, "--column", "key"))
    assert fail(capsys, path) == "the columns are when, key; choose one by --column"
    message = fail(capsys, path, "--column", "url")
    assert message == "--column url is not there; the columns are when, key"
    path.write_text("\n".join(["key", *map(str, TRACE)]))
    assert same(run(capsys, path))
    table = tmp_path / "trace.tsv.gz"
    table.write_bytes(gzip.compress("\n".join(f"7\t{key}" for key in TRACE).encode()))
    assert same(run(capsys, table, "--column", 2))
    message = fail(capsys, table, "--column", 3)
    assert message == "row 1 of the data has 2 columns, no column 3"


def test_bad_traces(capsys, tmp_path, npy):
    assert "No such file" in fail(capsys, tmp_path / "none.txt")
    for name in ("empty.txt", "empty.csv"):
        (tmp_path / name).write_text("")
        assert fail(capsys, tmp_path / name) == "trace must hold at least one request"
    (tmp_path / "bad.npy").write_bytes(b"no array")
    assert fail(capsys, tmp_path / "bad.npy")
    (tmp_path / "cut.npy").write_bytes(npy.read_bytes().replace(b"}", b"{", 1))
    assert "cut.npy: " in fail(capsys, tmp_path / "cut.npy")
    np.save(tmp_path / "objects.npy", np.array([1, "a"], object))
    assert "allow_pickle=False" in fail(capsys, tmp_path / "objects.npy")
    np.save(tmp_path / "square.npy", np.zeros((2, 2), int))
    message = fail(capsys, tmp_path / "square.npy")
    assert message == "trace must be a 1-D array, not one of shape (2, 2)"
    (tmp_path / "bad.gz").write_bytes(b"not compressed")
    assert "gzip" in fail(capsys, tmp_path / "bad.gz")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(npy.read_bytes())[:-20])
    assert "cut.gz: Compressed file ended" in fail(capsys, tmp_path / "cut.gz")
    np.savez(tmp_path / "cut.npz", TRACE)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "cut.npz").read_bytes()[:-30])
    assert "cut.npz: File is not a zip file" in fail(capsys, tmp_path / "cut.npz")
    (tmp_path / "wide.csv").write_text("key\n" + "1" * 200_000)
    assert "wide.csv: field larger" in fail(capsys, tmp_path / "wide.csv")
    assert fail(capsys, npy, "--column", "a") == "--column is for .csv and .tsv files"
    assert fail(capsys, npy, "--entry", "a") == "--entry is for .npz files"


# ---- tables and advice ---------------------------------------------------------------------------


def test_table(capsys, npy, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["simulate", str(npy), "--sizes", "10,100,400", "--policies", "lru,sieve"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert f"3,000 requests for {KEYS} different keys" in out
    assert "OPT" in out
    for policy in ("opt", "lru", "sieve"):
        for ratio in simulate(TRACE, [10, 100, 400], policy):
            assert f"{100 * ratio:.2f} %" in out


def curve(**ratios):
    return _curve.Curve(1000, 100, [10, 20, 30], {"opt": [0.9] * 3, **ratios})


def test_advice():
    near = curve(lru=[0.5, 0.7, 0.8], sieve=[0.6, 0.795, 0.79])
    assert _curve.cheapest(near) == (0.795, 20, "sieve")
    assert _curve.advice(near) == (
        "Cheapest within a point of the best is sieve with 20 entries: 79.50 % "
        "(best is lru with 30 entries: 80.00 %)."
    )
    far = curve(lru=[0.5, 0.7, 0.8], sieve=[0.5, 0.7, 0.79])
    assert _curve.cheapest(far) == (0.8, 30, "lru")
    assert _curve.advice(far) == (
        "Best is lru with 30 entries: 80.00 %; no smaller size comes within a point of it."
    )
    flat = curve(lru=[0.8, 0.8, 0.8], sieve=[0.8, 0.8, 0.8])
    assert _curve.cheapest(flat) == (0.8, 10, "lru")


# ---- pictures ------------------------------------------------------------------------------------


def test_png(capsys, npy, tmp_path):
    out = tmp_path / "curve.png"
    run(capsys, npy, "--out", out)
    assert out.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_svg_is_the_same_each_time(capsys, npy, tmp_path):
    out = tmp_path / "curve.svg"
    run(capsys, npy, "--out", out)
    first = out.read_bytes()
    xml.etree.ElementTree.fromstring(first)
    run(capsys, npy, "--out", out)
    assert out.read_bytes() == first


def test_html(capsys, tmp_path):
    trace, out = tmp_path / "<b>.npy", tmp_path / "curve.html"
    np.save(trace, TRACE)
    printed = run(capsys, trace, "--sizes", "5,50", "--out", out)
    page = out.read_text(encoding="utf-8")
    assert "Hit ratios on &lt;b&gt;.npy" in page
    assert "<svg" in page
    assert "currentColor" in page
    for name in printed.keys() - {"size"}:
        for ratio in printed[name]:
            assert f"<td>{100 * ratio:.2f} %</td>" in page


def test_bad_out(capsys, npy, tmp_path):
    message = fail(capsys, npy, "--out", "curve.pdf")
    assert message == "--out must end in .png, .svg or .html, not 'curve.pdf'"
    message = fail(capsys, npy, "--out", tmp_path / "none" / "curve.png")
    assert message.startswith("--out: there is no folder")


# ---- the program ---------------------------------------------------------------------------------


def without(monkeypatch, missing):
    for name in [name for name in sys.modules if name.split(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)


def test_without_rich(capsys, npy, monkeypatch):
    without(monkeypatch, "rich")
    message = fail(capsys, npy)
    assert message == "tables need rich: pip install 'fastblocks[simulate]', or use --csv"
    assert same(run(capsys, npy))


def test_without_matplotlib(capsys, npy, tmp_path, monkeypatch):
    without(monkeypatch, "matplotlib")
    message = fail(capsys, npy, "--csv", "--out", tmp_path / "curve.png")
    assert message == "--out needs matplotlib: pip install 'fastblocks[simulate]'"
    assert same(run(capsys, npy))


def test_as_a_program(npy):
    command = [sys.executable, "-m", "fastblocks.cache", "simulate", str(npy), "--csv"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0
    assert result.stdout.startswith("size,opt,")
    assert result.stderr == ""
    result = subprocess.run([*command, "--sizes", "0"], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 2
    assert result.stderr.startswith("python -m fastblocks.cache: --sizes must be")
