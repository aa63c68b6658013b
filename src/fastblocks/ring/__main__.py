"""The command line: ``python -m fastblocks.ring plan OLD NEW``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from fastblocks._core import rings

from . import _plan

PROGRAM = "python -m fastblocks.ring"


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    options = argparse.ArgumentParser(prog=PROGRAM, description="What hash rings do.")
    commands = options.add_subparsers(dest="command", required=True)
    plan = commands.add_parser(
        "plan",
        help="show which share of the keys moves, from where to where, when nodes change",
        description="Show which share of the keys moves, from where to where, when the nodes of "
        "a HashRing change from OLD to NEW. Each is a list such as a,b=2,c (names, or name=weight) "
        'or a JSON file: a list of names or [name, weight]; or an object with "nodes" (such a '
        'list, or weights by name) and, where wanted, "weights", "vnodes", "hash" and "seed". '
        "A parameter that only one of them gives holds for both.",
    )
    plan.add_argument("old", metavar="OLD")
    plan.add_argument("new", metavar="NEW")
    plan.add_argument("--vnodes", type=int, help="points of a node of weight 1 (default: 160)")
    plan.add_argument("--hash", choices=rings.HASHES, help="(default: xxh3)")
    plan.add_argument("--seed", type=int, help="of xxh3 (default: 0)")
    plan.add_argument("--keys", metavar="FILE", help="keys to count, one a line; - for stdin")
    plan.add_argument("--ranges", action="store_true", help="list every hash range that moves")
    plan.add_argument("--json", action="store_true", help="print JSON; rich is not needed then")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0, or 2 if it was given something wrong."""
    options = parser().parse_args(arguments)
    try:
        print_plan = _print_json if options.json else _table_printer()
        parameters, plan = _make(options)
    except (ValueError, TypeError, OSError) as error:
        return _fail(str(error))
    except ImportError:
        return _fail("tables need rich: pip install 'fastblocks[cli]', or use --json")
    print_plan(plan, parameters, options.ranges)
    return 0


def _fail(message: str) -> int:
    print(f"{PROGRAM}: {message}", file=sys.stderr)
    return 2


def _make(options: argparse.Namespace) -> tuple[dict[str, Any], _plan.Plan]:
    specs = {}
    for name in ("old", "new"):
        with _about(name.upper()):
            specs[name] = _plan.parse(getattr(options, name))
    old, new = specs["old"], specs["new"]
    parameters = _plan.common(old, new, vars(options))
    parameters = {"vnodes": 160, "hash": "xxh3", "seed": 0, **parameters}
    rings.hash_and_vnodes(parameters["hash"], parameters["vnodes"])
    rings.ring_seed(parameters["hash"], parameters["seed"])
    with _about("OLD"):
        before = _plan.ring_of(old, parameters)
    with _about("NEW"):
        after = _plan.ring_of(new, parameters)
    if options.keys is None:
        return parameters, _plan.make(before, after)
    stdin = options.keys == "-"
    with nullcontext(sys.stdin.buffer) if stdin else open(options.keys, "rb") as file:
        return parameters, _plan.make(before, after, _plan.keys_of(file))


@contextmanager
def _about(argument: str) -> Iterator[None]:
    """Say in an error which argument is wrong."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise ValueError(f"{argument}: {error}") from None


# ---- output --------------------------------------------------------------------------------------


def _print_json(plan: _plan.Plan, parameters: dict[str, Any], ranges: bool) -> None:
    counted = plan.keys is not None
    data: dict[str, Any] = {**parameters, "share": plan.share}
    if counted:
        data["keys"], data["keys_moved"] = plan.keys, plan.keys_moved
    data["moves"] = [
        {"from": move.from_node, "to": move.to_node, "share": move.share}
        | ({"keys": move.keys} if counted else {})
        for move in plan.moves
    ]
    data["nodes"] = [
        {"node": node.node, "before": node.before, "after": node.after}
        | ({"keys_before": node.keys_before, "keys_after": node.keys_after} if counted else {})
        for node in plan.nodes
    ]
    if ranges:
        data["ranges"] = [
            {
                "start": hex(moved.start),  # text: many readers of JSON have 53 bits only
                "end": hex(moved.end),
                "from": moved.from_node,
                "to": moved.to_node,
            }
            for moved in plan.ranges
        ]
    print(json.dumps(data, indent=1, ensure_ascii=False))


def _table_printer() -> Callable[[_plan.Plan, dict[str, Any], bool], None]:
    """Return the function that prints tables, or raise ImportError if rich is not there."""
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, emoji=False, highlight=False)

    def table(title: str, texts: Sequence[str], numbers: Sequence[str]) -> Table:
        result = Table(title=title, title_justify="left", title_style="bold")
        for heading in texts:
            result.add_column(heading, overflow="fold")
        for heading in numbers:
            result.add_column(heading, justify="right", no_wrap=True)
        return result

    def print_tables(plan: _plan.Plan, parameters: dict[str, Any], ranges: bool) -> None:
        counted = plan.keys is not None
        told = ", ".join(f"{name}={value}" for name, value in parameters.items())
        moves = table("Moves", ["from", "to"], ["keyspace", *["keys"] * counted])
        for move in plan.moves:
            keys = [f"{move.keys:,}"] * counted
            moves.add_row(_name(move.from_node), _name(move.to_node), _percent(move.share), *keys)
        moves.add_section()
        of_all = [f"{plan.keys_moved:,} of {plan.keys or 0:,}"] * counted
        moves.add_row("all", "", _percent(plan.share), *of_all)
        columns = ["before", "after", "change", *["keys before", "keys after"] * counted]
        nodes = table("Nodes", ["node"], columns)
        for node in plan.nodes:
            change = f"{100 * (node.after - node.before):+.3f} %"
            keys = [f"{node.keys_before:,}", f"{node.keys_after:,}"] * counted
            nodes.add_row(node.node, _percent(node.before), _percent(node.after), change, *keys)
        console.print(f"HashRing, {told}", style="dim")
        console.print(moves)
        console.print(nodes)
        if ranges:
            title = f"{len(plan.ranges):,} ranges of hashes, the ends not included"
            moved = table(title, ["start", "end", "from", "to"], [])
            for r in plan.ranges:
                ends = f"{r.start:#x}", f"{r.end:#x}"
                moved.add_row(*ends, _name(r.from_node), _name(r.to_node))
            console.print(moved)

    return print_tables


def _percent(share: float) -> str:
    return f"{100 * share:.3f} %"


def _name(node: str | None) -> str:
    return "(none)" if node is None else node


if __name__ == "__main__":
    sys.exit(main())
