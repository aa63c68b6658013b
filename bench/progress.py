"""What is seen while the benchmark runs: a live display, or plain lines into a pipe."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from bench.results import Row
from bench.runner import Job
from bench.tables import code, nanoseconds, point_label

RECENT = 10


class Display:
    """The `bench.runner.Listener` of the command line; a context manager."""

    def __init__(self, console: Console, jobs: Sequence[Job]) -> None:
        self._console = console
        self._total = len(jobs)
        self._done = 0
        self._works = {(job.suite.name, work.id): work for job in jobs for work in job.suite.works}
        self._recent: deque[tuple[str, str, str, str]] = deque(maxlen=RECENT)
        self._rows, self._begun = 0, 0.0
        self._progress = Progress(
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=console,
        )
        self._task = self._progress.add_task("loading the data", total=self._total)
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=4, transient=True
        )

    def __enter__(self) -> Display:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def begin(self, job: Job) -> None:
        """Show which process starts."""
        self._rows, self._begun = 0, time.monotonic()
        self._describe(job.name, job.round, "starting")

    def measure(self, job: Job, library: str, work: str, point: float | None) -> None:
        """Show which work it is at."""
        title = self._works[job.suite.name, work].title + _at(point)
        self._describe(f"{job.suite.name} {library}", job.round, title)

    def row(self, job: Job, work: str, row: Row) -> None:
        """Show a result."""
        self._rows += 1
        spec = self._works[job.suite.name, work]
        answer = row.note if not row.ok else nanoseconds(row.min_ns) or "measured"
        detail = spec.detail.split(";")[0] + _at(row.point)
        self._recent.append((row.library, spec.title, detail, answer))

    def end(self, job: Job) -> None:
        """Count the process; without a terminal, this is the one line about it."""
        self._done += 1
        seconds = time.monotonic() - self._begun
        self._progress.update(self._task, completed=self._done)
        if not self._console.is_terminal:
            found = f"{self._rows} results in {seconds:.1f} s" if self._rows else "not needed"
            self._console.print(
                f"[{self._done}/{self._total}] {job.name}, round {job.round + 1}: {found}",
                markup=False,
                highlight=False,
            )

    def _describe(self, who: str, turn: int, what: str) -> None:
        text = f"[bold]{escape(who)}[/], round {turn + 1}: {code(what)}"
        self._progress.update(self._task, description=text)

    def _render(self) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        for overflow in ("fold", "fold", "ellipsis", "ellipsis"):
            table.add_column(overflow=overflow, no_wrap=True)
        for library, title, detail, answer in self._recent:
            heading = Text.from_markup(code(title))
            table.add_row(Text(library, "cyan"), heading, Text(detail, "dim"), Text(answer))
        return Group(table, self._progress)


def _at(point: float | None) -> str:
    return "" if point is None else f" at {point_label(point)}"
