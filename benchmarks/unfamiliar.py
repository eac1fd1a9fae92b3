"""Are photos of other things flagged as unfamiliar, and photos of the same kind left alone?

    HANDFUL_DATA=DIR python benchmarks/unfamiliar.py [--sets A,B] [--per-class 10,30] [--json]

Models are fitted on k photos of each class from the training part of a set (seed 0). Each is shown 200 photos of
groceries and of every other set (from their training parts), and up to 200 left over in the training part of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from common import Figures, Table, arguments, data_folder, figure, k_shot, lay_out, report, say

from handful.bundle.model import Model
from handful.data.readers import read
from handful.evaluate.intervals import wilson
from handful.tasks.fit_images import fit_images
from handful.tasks.fitting import Settings

SETS = ("sign_digits", "wbc", "fashion_mnist", "cifar10")
OTHERS = ("grocery", *SETS, "pneumoniamnist")
SHOWN = 200


def some(files: list[Path]) -> list[Path]:
    """At most 200 of them, drawn at random."""
    return [files[at] for at in np.random.default_rng(0).permutation(len(files))[:SHOWN]]


def fitted(folder: Path, per_class: int) -> tuple[Model, list[Path]]:
    """A model, and what its training set has left over."""
    draw = k_shot(folder, per_class, 0)
    with TemporaryDirectory() as temporary:
        splits = read(lay_out(draw.train, draw.classes, Path(temporary)))
        model = fit_images(splits, Settings(recipe="probe")).model()
    return model, [file for file, _ in draw.rest]


def flagged(root: Path, name: str, per_class: int, others: list[str]) -> Iterator[dict[str, Any]]:
    """One row for each kind of photos that the model is shown."""
    model, rest = fitted(root / name, per_class)
    foreign = {other: sorted((root / other / "train").glob("*/*")) for other in others if other != name}
    for shown, files in {name: rest, **foreign}.items():
        seen = some(files)
        if not seen:
            continue
        share = wilson(float(model.predict(seen).unfamiliar.sum()), len(seen))
        row = {"model": name, "per_class": per_class, "shown": shown, "same_kind": shown == name, "n": len(seen)}
        yield row | {"flagged": share.value, "low": share.low, "high": share.high}


def figures_of(rows: Table) -> Figures:
    """Of each model: photos of groceries, of all other things together, and of its own kind."""
    figures: Figures = {}
    for name, per_class in dict.fromkeys((row["model"], row["per_class"]) for row in rows):
        mine = [row for row in rows if (row["model"], row["per_class"]) == (name, per_class)]
        kinds = {
            "grocery": [row for row in mine if row["shown"] == "grocery"],
            "others": [row for row in mine if not row["same_kind"]],
            "own_kind": [row for row in mine if row["same_kind"]],
        }
        for kind, table in kinds.items():
            if table:
                n = sum(row["n"] for row in table)
                share = wilson(sum(row["flagged"] * row["n"] for row in table), n)
                bounds = {"low": round(share.low, 4), "high": round(share.high, 4), "n": n}
                asked = "<= 0.1" if kind == "own_kind" else "> 0.5"
                figures[f"{name}_{per_class}_{kind}"] = figure(share.value, asked, "share", **bounds)
    return figures


def main() -> None:
    parser = arguments("How often photos are called unfamiliar")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--others", default=",".join(OTHERS), help="sets that foreign photos are taken from")
    parser.add_argument("--per-class", default="10,30")
    args = parser.parse_args()
    sets, others = args.sets.split(","), args.others.split(",")
    root, rows = data_folder(args, sorted({*sets, *others})), []
    for name in sets:
        for per_class in map(int, args.per_class.split(",")):
            found = list(flagged(root, name, per_class, others))
            rows += found
            say(f"{name}, {per_class} a class: " + ", ".join(f"{row['shown']} {row['flagged']:.2f}" for row in found))
    report(args, figures_of(rows), {"shown": rows})


if __name__ == "__main__":
    main()
