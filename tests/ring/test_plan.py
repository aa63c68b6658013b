"""`python -m fastblocks.ring plan`: shares and counts are right, and errors tell what is wrong."""

import io
import json
import pathlib
import subprocess
import sys
from collections import Counter

import pytest

from fastblocks import HashRing
from fastblocks.ring import _plan
from fastblocks.ring.__main__ import main

ROOT = pathlib.Path(__file__).parent.parent.parent
KEYS = [f"user:{i}" for i in range(2000)]


@pytest.fixture
def keys_file(tmp_path):
    path = tmp_path / "keys.txt"
    path.write_bytes("\r\n".join([*KEYS, "", "ключ"]).encode())
    return path


def run(capsys, *arguments):
    """What `main` prints as JSON."""
    assert main(["plan", *map(str, arguments), "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def fail(capsys, *arguments):
    """The one line that `main` prints when it fails."""
    assert main(["plan", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err.removeprefix("python -m fastblocks.ring: ").rstrip("\n")


def write(tmp_path, name, value):
    path = tmp_path / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_a_list_of_nodes_may_be_longer_than_the_name_of_a_file(capsys):
    names = [f"cache-{i}.example.com" for i in range(300)]
    shown = run(capsys, ",".join(names), ",".join(names[1:]), "--vnodes", 4)
    assert {move["from"] for move in shown["moves"]} == {names[0]}


@pytest.mark.parametrize("hash", ["xxh3", "ketama", "libmemcached"])
def test_figures_are_those_of_the_rings(capsys, keys_file, hash):
    old, new = HashRing(["a", "b", "c"], hash=hash), HashRing([("a", 2), "c", "d"], hash=hash)
    keys = [*KEYS, "ключ"]
    shown = run(capsys, "a,b,c", "a=2, c,d", "--hash", hash, "--keys", keys_file, "--ranges")
    diff = old.diff(new)
    assert shown["share"] == diff.share
    assert {(m["from"], m["to"]): m["share"] for m in shown["moves"]} == diff.moves
    assert [
        (int(r["start"], 16), int(r["end"], 16), r["from"], r["to"]) for r in shown["ranges"]
    ] == list(diff.ranges)
    pairs = Counter((old.get(key), new.get(key)) for key in keys)
    assert shown["keys"] == len(keys)
    assert shown["keys_moved"] == sum(n for (a, b), n in pairs.items() if a != b)
    assert {(m["from"], m["to"]): m["keys"] for m in shown["moves"]} == {
        pair: pairs[pair] for pair in diff.moves
    }
    for name, ring in (("before", old), ("after", new)):
        counts = Counter(map(ring.get, keys))
        assert {n["node"]: n[f"keys_{name}"] for n in shown["nodes"]} == {
            node: counts[node] for node in "abcd"
        }
        shares = {n["node"]: n[name] for n in shown["nodes"]}
        assert sum(shares.values()) == pytest.approx(1)
        assert all((shares[node] > 0) == (node in ring) for node in "abcd")
        assert all(
            counts[node] / len(keys) == pytest.approx(shares[node], abs=0.05) for node in "abcd"
        )


def test_changes_are_what_moves(capsys):
    shown = run(capsys, "a,b,c", "b,c,d,e")
    for node in shown["nodes"]:
        come = sum(m["share"] for m in shown["moves"] if m["to"] == node["node"])
        gone = sum(m["share"] for m in shown["moves"] if m["from"] == node["node"])
        assert node["after"] - node["before"] == pytest.approx(come - gone)
    assert "keys" not in shown
    assert "ranges" not in shown


def test_equal_rings(capsys):
    shown = run(capsys, "a,b", "b,a")
    assert shown["share"] == 0
    assert shown["moves"] == []


def test_no_nodes(capsys, keys_file):
    shown = run(capsys, "", "a,b", "--keys", keys_file)
    assert shown["share"] == 1
    assert shown["keys_moved"] == len(KEYS) + 1
    assert {move["from"] for move in shown["moves"]} == {None}
    shown = run(capsys, "a", "", "--keys", keys_file)
    assert [(move["from"], move["to"]) for move in shown["moves"]] == [("a", None)]
    assert run(capsys, "", "", "--keys", keys_file)["keys_moved"] == 0


@pytest.mark.parametrize(
    "value",
    [
        ["a", ["b", 2], "c"],
        {"nodes": {"a": 1, "b": 2, "c": 1.0}},
        {"nodes": ["a", "b", "c"], "weights": {"b": 2}},
        {"nodes": ["a", "b", "c"], "weights": [1, 2, 1], "vnodes": 160, "hash": "xxh3", "seed": 0},
    ],
)
def test_forms_of_files(capsys, tmp_path, value):
    path = write(tmp_path, "ring.json", value)
    assert run(capsys, path, "a,d") == run(capsys, "a,b=2,c", "a,d")
    other = path.rename(tmp_path / "ring.conf")  # a file that exists needs no suffix
    assert run(capsys, other, "a,d") == run(capsys, "a,b=2,c", "a,d")


def test_parameters(capsys, tmp_path):
    old = write(tmp_path, "old.json", {"nodes": ["a", "b"], "vnodes": 40, "seed": 7})
    new = write(tmp_path, "new.json", {"nodes": ["a", "c"], "vnodes": 20})
    shown = run(capsys, old, "a,c")
    assert (shown["vnodes"], shown["hash"], shown["seed"]) == (40, "xxh3", 7)
    rings = [HashRing(nodes, vnodes=40, seed=7) for nodes in (["a", "b"], ["a", "c"])]
    assert shown["share"] == rings[0].diff(rings[1]).share
    assert fail(capsys, old, new) == "vnodes differs: 40 in OLD, 20 in NEW"
    shown = run(capsys, old, new, "--vnodes", "80")
    assert (shown["vnodes"], shown["seed"]) == (80, 7)


def test_keys_from_stdin(capsys, monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO("\n".join(KEYS).encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    assert run(capsys, "a,b", "a,b,c", "--keys", "-")["keys"] == len(KEYS)


def test_keys_are_counted_in_chunks(monkeypatch):
    old, new = HashRing(["a", "b"]), HashRing(["b", "c"])
    keys = [key.encode() for key in KEYS]
    whole = _plan.make(old, new, keys)
    monkeypatch.setattr(_plan, "CHUNK", 64)
    assert _plan.make(old, new, iter(keys)) == whole


def test_tables(capsys, keys_file, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    names = ["a,b", "a,b,[c]"]  # no markup
    assert main(["plan", *names, "--keys", str(keys_file), "--ranges", "--vnodes", "2"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    plan = _plan.make(
        HashRing(["a", "b"], vnodes=2),
        HashRing(["a", "b", "[c]"], vnodes=2),
        [*map(str.encode, KEYS)],
    )
    lines = [line.replace("│", " ").split() for line in out.splitlines()]
    for move in plan.moves:
        share = f"{100 * move.share:.3f}"
        assert any(line[:4] == [move.from_node, move.to_node, share, "%"] for line in lines)
    assert ["[c]", "0.000", "%"] in [line[:3] for line in lines]
    for moved in plan.ranges:
        assert [hex(moved.start), hex(moved.end), moved.from_node, moved.to_node] in lines
    assert main(["plan", "", "a"]) == 0
    assert "(none)" in capsys.readouterr().out


def test_without_rich(capsys, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "rich"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rich", None)
    assert "--json" in fail(capsys, "a", "b")
    assert run(capsys, "a", "b")["share"] == 1


@pytest.mark.parametrize(
    ("old", "new", "options", "message"),
    [
        ("a,a", "b", (), "OLD: nodes[1]: node 'a' is there twice"),
        ("a", "b,,c", (), "NEW: nodes[1] must have 1 to 4096 bytes of UTF-8, not 0"),
        ("a", "b=x", (), "NEW: the weight of node 'b' must be a number, not 'x'"),
        ("a=0", "b", (), "OLD: the weight of node 'a' must be above 0 and finite, not 0.0"),
        ("a=nan", "b", (), "OLD: the weight of node 'a' must be above 0 and finite, not nan"),
        ("a", "b", ("--vnodes", "0"), "vnodes must be in [1, 1048576], not 0"),
        ("a", "b", ("--seed", "-1"), "seed must be in [0, 18446744073709551615], not -1"),
        ("a", "b", ("--hash", "ketama", "--vnodes", "6"), "vnodes must be a multiple of 4"),
        ("a", "b", ("--keys", "none.txt"), "No such file or directory: 'none.txt'"),
        ("none.json", "b", (), "No such file or directory: 'none.json'"),
    ],
)
def test_wrong_arguments(capsys, old, new, options, message):
    assert message in fail(capsys, old, new, *options)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[1,", "is not JSON: "),
        ("\udc80", "is not JSON: "),
        ("7", 'must hold a list of nodes, or an object with "nodes"'),
        ({"a": 1}, 'must hold a list of nodes, or an object with "nodes"'),
        ({"nodes": ["a"], "zones": {}}, "'zones' is none of nodes, weights, vnodes, hash, seed"),
        ({"nodes": "a"}, "nodes must be an iterable of str, not one str"),
        ({"nodes": 5}, "nodes must be an iterable, not int"),
        ({"nodes": [5]}, "nodes[0] must be a str, not int"),
        ({"nodes": [["a", 1, 2]]}, "nodes[0] must be a str or (str, weight)"),
        ({"nodes": {"a": None}}, "the weight of node 'a' must be a number, not NoneType"),
        ({"nodes": ["a"], "weights": {"b": 1}}, "weights: 'b' is not among the nodes"),
        ('{"nodes": {"a": 1, "a": 2}}', "'a' is there twice"),
        ({"nodes": ["a"], "hash": "md5"}, "hash must be 'xxh3', 'ketama' or 'libmemcached'"),
        ({"nodes": ["a"], "vnodes": "9"}, "vnodes must be an int, not str"),
        ({"nodes": ["a"], "seed": 1.5}, "seed must be an int, not float"),
    ],
)
def test_wrong_files(capsys, tmp_path, value, message):
    path = tmp_path / "old.json"
    text = value if isinstance(value, str) else json.dumps(value)
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert message in fail(capsys, path, "a")


def test_example_in_document(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    page = (ROOT / "docs/ring/hash_ring.md").read_text()
    command, _, shown = page.split("```console\n$ python -m fastblocks.ring ")[1].partition("\n")
    assert main(command.split()) == 0
    out = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert out == shown.split("\n```")[0].splitlines()


def test_as_a_program(keys_file):
    command = [sys.executable, "-m", "fastblocks.ring", "plan", "a,b", "a,b,c", "--json"]
    result = subprocess.run([*command, "--keys", str(keys_file)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert 0.2 < json.loads(result.stdout)["share"] < 0.45
    result = subprocess.run([*command[:-3], "a"], capture_output=True, text=True)
    assert result.returncode == 2
    assert "NEW" in result.stderr
