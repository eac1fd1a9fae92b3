"""What the benchmarks share: where the data lie, how k-shot sets are drawn, how figures are printed."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from handful.core.versions import versions

VARIABLE = "HANDFUL_DATA"
MOST_TESTED = 200  # of each class
ONLY_JSON = {"recipe"}  # columns too wide for a screen

Table = list[dict[str, Any]]
Figures = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Draw:
    """A k-shot training set, the rest of the training set, and the official test set; sorted class names.

    Each part is a list of (file, class index).
    """

    classes: tuple[str, ...]
    train: list[tuple[Path, int]]
    rest: list[tuple[Path, int]]
    test: list[tuple[Path, int]]


def k_shot(folder: Path, k: int, seed: int) -> Draw:
    """Draw k photos of every class; k = 0 keeps them all. The same calls in the same order draw the same files."""
    rng = np.random.default_rng(seed)
    classes = tuple(sorted(each.name for each in (folder / "train").iterdir()))
    train, rest, test = [], [], []
    for index, name in enumerate(classes):
        files = sorted((folder / "train" / name).iterdir())
        drawn = rng.choice(len(files), min(k, len(files)), replace=False) if k else np.arange(len(files))
        train += [(files[at], index) for at in drawn]
        rest += [(files[at], index) for at in np.setdiff1d(np.arange(len(files)), drawn)]
        files = sorted((folder / "test" / name).iterdir())
        if len(files) > MOST_TESTED:
            files = [files[at] for at in np.random.default_rng(0).choice(len(files), MOST_TESTED, replace=False)]
        test += [(file, index) for file in files]
    return Draw(classes, train, rest, test)


def lay_out(photos: list[tuple[Path, int]], classes: tuple[str, ...], folder: Path) -> Path:
    """Link photos into a folder per class; returns the folder."""
    for file, index in photos:
        (folder / classes[index]).mkdir(parents=True, exist_ok=True)
        (folder / classes[index] / file.name).symlink_to(file.resolve())
    return folder


def arguments(about: str) -> argparse.ArgumentParser:
    """A parser with what every benchmark takes."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--json", action="store_true", help="print one JSON object, figure by figure")
    return parser


def data_folder(args: argparse.Namespace, needed: list[str], holding: str = "train") -> Path:
    """The folder of unpacked data sets, each `holding` its training part; where there is none the benchmark says so."""
    root = os.environ.get(VARIABLE)
    missing = [name for name in needed if not (Path(root or "") / name / holding).exists()]
    if root and not missing:
        return Path(root)
    reason = f"{VARIABLE} has no {', '.join(missing)}" if root else f"{VARIABLE} is not set"
    print(json.dumps({"skipped": reason}) if args.json else f"skipped: {reason}")
    sys.exit(0)


def say(message: str) -> None:
    """What goes on, on standard error."""
    print(message, file=sys.stderr, flush=True)


def figure(value: float, asked: str | None = None, unit: str = "", **more: Any) -> dict[str, Any]:
    """One figure, what was asked of it (`>= 3`, `< 0.25`, `0.91 to 0.99`; None for what is only shown), if it holds."""
    value = round(float(value), 4)
    return {
        "value": value,
        "asked": asked,
        "unit": unit,
        "holds": None if asked is None else _holds(value, asked),
    } | more


def _holds(value: float, asked: str) -> bool:
    if " to " in asked:
        low, high = map(float, asked.split(" to "))
        return low <= value <= high
    sign, _, limit = asked.partition(" ")
    bound = float(limit)
    return {">=": value >= bound, "<=": value <= bound, ">": value > bound, "<": value < bound}[sign]


def report(args: argparse.Namespace, figures: Figures, tables: dict[str, Table], peers: tuple[str, ...] = ()) -> None:
    """Print everything: one JSON object with --json, else lines for people."""
    used = {name: version(name) for name in peers}
    if args.json:
        print(json.dumps({**figures, **tables, "peers": used, "versions": versions()}))
        return
    for name, table in tables.items():
        print(f"\n{name}")
        print("\n".join(_lines(table)))
    print()
    width = max(map(len, figures))
    for name, each in figures.items():
        verdict = {True: "holds", False: "DOES NOT HOLD", None: ""}[each["holds"]]
        asked = f"asked {each['asked']}" if each["asked"] else ""
        print(f"{name:{width}}  {each['value']:>9g} {each['unit']:7} {asked:22} {verdict}".rstrip())
    print("\nagainst " + ", ".join(f"{name} {number}" for name, number in used.items()) if used else "")
    print("with " + ", ".join(f"{name} {number}" for name, number in versions().items()))


def _lines(table: Table) -> Iterator[str]:
    names = [name for name in table[0] if name not in ONLY_JSON]
    cells = [names, *([_cell(row.get(name, "")) for name in names] for row in table)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(names))]
    for row in cells:
        yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))


def _cell(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
