"""How the command line speaks: JSON or words on standard output, progress and notes on standard error."""

from __future__ import annotations

import json
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from handful.core.progress import Progress

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on one line, nothing else.")]
Seed = Annotated[int, typer.Option(min=0, help="Of everything random: same seed, same result.")]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, help="Images read, and folds trained, at a time; all cores by default."),
]
Metric = Annotated[
    str,
    typer.Option(help="accuracy, balanced_accuracy, macro_f1, auroc, log_loss, or cost:FILE.csv (rows: the truth)."),
]

WIDTH = 80  # columns of output for people
NOT_SHARES = ("log_loss", "cost")  # scores that are no share of anything
PATIENCE = 1.0  # seconds before a bar appears


class Terminal(Progress):
    """Bars for what takes longer than a second, notes as lines; all on standard error."""

    @contextmanager
    def track(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show a bar once the work has lasted a second; leaves nothing behind."""
        bar = _Bar(label, total)
        try:
            yield bar.advance
        finally:
            bar.close()

    def note(self, message: str) -> None:
        """One line."""
        say(f"note: {message}")


class _Bar:
    def __init__(self, label: str, total: int) -> None:
        self.label, self.total, self.done = label, total, 0
        self.start = time.monotonic()
        self.bar: Any = None  # rich is imported when there is something to wait for
        self.task: Any = None

    def advance(self, steps: int) -> None:
        self.done += steps
        if self.bar is None and time.monotonic() - self.start > PATIENCE and sys.stderr.isatty():
            self._show()
        if self.bar is not None:
            self.bar.update(self.task, completed=self.done)

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.bar = RichProgress(*columns, console=Console(stderr=True), transient=True)
        self.bar.start()
        self.task = self.bar.add_task(self.label, total=self.total, completed=self.done)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.stop()


def say(line: str) -> None:
    """One line on standard error; where that is a terminal, wrapped as `show` does."""
    print(_wrapped(line, 2) if sys.stderr.isatty() else line, file=sys.stderr)  # noqa: T201 - the face speaks here


def show(line: str = "", indent: int = 0) -> None:
    """A line on standard output, wrapped between words at 80 columns; what follows is indented."""
    print(_wrapped(line, indent))  # noqa: T201 - the face speaks here


def _wrapped(line: str, indent: int) -> str:
    lines = textwrap.wrap(line, WIDTH, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(part.rstrip() for part in lines)


def show_json(result: dict[str, Any]) -> None:
    """One object on one line."""
    print(json.dumps(result, ensure_ascii=False, allow_nan=False))  # noqa: T201 - the face speaks here


def percent(share: float) -> str:
    """A fraction as a per cent.

    Example:
        >>> percent(0.823)
        '82.3 %'
    """
    return f"{100 * share:.1f} %"


def with_interval(score: dict[str, Any]) -> str:
    """A score, its interval and its n.

    Example:
        >>> with_interval({"value": 0.82, "low": 0.75, "high": 0.88, "n": 100})
        '82.0 % [75.0, 88.0], n = 100'
        >>> with_interval({"metric": "log_loss", "value": 0.41, "low": 0.3, "high": 0.5, "n": 100})
        '0.410 [0.300, 0.500], n = 100'
    """
    if score.get("metric") in NOT_SHARES:
        return f"{score['value']:.3f} [{score['low']:.3f}, {score['high']:.3f}], n = {score['n']}"
    return f"{percent(score['value'])} [{100 * score['low']:.1f}, {100 * score['high']:.1f}], n = {score['n']}"


def guessed(majority: dict[str, Any], metric: str) -> str:
    """What the shares of the classes alone would score.

    Example:
        >>> guessed({"class": "cat", "value": 0.4}, "accuracy"), guessed({"class": "cat", "value": 0.693}, "log_loss")
        ('40.0 %  (cat)', '0.693')
        >>> guessed({"class": "ill", "value": 0.3}, "cost"), guessed({"class": "cat", "value": None}, "auroc")
        ('0.300  (ill)', 'not defined')
    """
    if majority["value"] is None:
        return "not defined"
    value = f"{majority['value']:.3f}" if metric in NOT_SHARES else percent(majority["value"])
    return value if metric in ("auroc", "log_loss") else f"{value}  ({majority['class']})"


def signed(value: float, unit: str = "points") -> str:
    """With its sign, never -0.0; points with one decimal and never beyond 100, others with three.

    Example:
        >>> signed(-0.04), signed(3.14), signed(0.0123, "nats")
        ('+0.0', '+3.1', '+0.012')
        >>> signed(-210.0)
        '-100.0'
    """
    digits = 1 if unit == "points" else 3
    value = max(-100.0, min(100.0, value)) if unit == "points" else value
    return f"{round(value, digits) + 0.0:+.{digits}f}"


def table(rows: Sequence[tuple[str, ...]], head: tuple[str, ...]) -> list[str]:
    """Left-aligned columns, as wide as they must be.

    Example:
        >>> table([("a", "1"), ("bb", "22")], ("name", "n"))
        ['name  n', 'a     1', 'bb    22']
    """
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]
