"""What `handful fit --recipe probe` gains over the plain probe, at k labels per class.

    HANDFUL_DATA=DIR python benchmarks/kshot.py [--sets A,B] [--seeds 0,1,2] [--k 10] [--rest] [--json]

Both learn from the same k-shot training set and are scored on the same photos: the official test set, at most 200 of
each class; or, with --rest, on as many that the training set has left over, for whoever is still deciding something.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from common import MOST_TESTED, Draw, Figures, Table, arguments, data_folder, figure, k_shot, lay_out, report, say
from plain_probe import features, fit_and_predict

from handful.data.readers import read
from handful.tasks.fit_images import Settings, fit_images

SETS = ("sign_digits", "wbc", "pneumoniamnist", "cifar10", "fashion_mnist")
Photos = list[tuple[Path, int]]


class Plain:
    """The plain probe; remembers the features of photos that come back with another seed."""

    def __init__(self) -> None:
        self.known: dict[Path, np.ndarray] = {}

    def predict(self, train: Photos, tested: Photos) -> np.ndarray:
        new = [file for file, _ in train + tested if file not in self.known]
        self.known.update(zip(new, features(new), strict=True) if new else ())
        rows = [np.stack([self.known[file] for file, _ in photos]) for photos in (train, tested)]
        return fit_and_predict(rows[0], np.array([index for _, index in train]), rows[1])


def handful_predict(draw: Draw, tested: Photos) -> tuple[np.ndarray, dict[str, Any]]:
    """Fit on the training folder alone, as the command does, and predict with the model that would ship."""
    with TemporaryDirectory() as folder:
        splits = read(lay_out(draw.train, draw.classes, Path(folder)))
        fit = fit_images(splits, Settings(recipe="probe"))
    named = fit.model().predict([file for file, _ in tested])
    order = np.array([draw.classes.index(name) for name in named.classes])
    return order[named.indices], fit.metrics


def left_over(draw: Draw) -> Photos:
    """At most 200 photos of each class that were not drawn."""
    rng, photos = np.random.default_rng(0), []
    for index in range(len(draw.classes)):
        of_class = [photo for photo in draw.rest if photo[1] == index]
        photos += [of_class[at] for at in rng.permutation(len(of_class))[:MOST_TESTED]]
    return photos


def compare(folder: Path, k: int, seed: int, plain: Plain, rest: bool) -> dict[str, Any]:
    """One row: accuracies in per cent."""
    draw = k_shot(folder, k, seed)
    tested = left_over(draw) if rest else draw.test
    truth = np.array([index for _, index in tested])
    start = time.perf_counter()
    ours, metrics = handful_predict(draw, tested)
    seconds = time.perf_counter() - start
    accuracies = [100 * float((each == truth).mean()) for each in (plain.predict(draw.train, tested), ours)]
    row = {"set": folder.name, "seed": seed, "n": len(draw.train), "tested": len(truth)}
    row |= {"plain": accuracies[0], "handful": accuracies[1], "gain": accuracies[1] - accuracies[0]}
    score = metrics["score"]
    claimed = {"claimed": 100 * score["value"], "low": 100 * score["low"], "high": 100 * score["high"]} if score else {}
    return row | claimed | {"seconds": seconds, "recipe": metrics["recipe"]["description"]}


def main() -> None:
    parser = arguments("What handful's probe gains over the plain probe")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--k", type=int, default=10, help="labels per class")
    parser.add_argument("--rest", action="store_true", help="score on the rest of the training set, not the test set")
    args = parser.parse_args()
    sets = args.sets.split(",")
    rows = measure(args, data_folder(args, sets), sets)
    report(args, summary(rows, args.k == 10 and not args.rest), {"runs": rows}, ("torch", "scikit-learn"))


def measure(args: argparse.Namespace, root: Path, sets: list[str]) -> Table:
    rows: Table = []
    for name in sets:
        plain = Plain()
        for seed in map(int, args.seeds.split(",")):
            rows.append(compare(root / name, args.k, seed, plain, args.rest))
            say("{set} {seed}: plain {plain:.1f}, handful {handful:.1f}; {recipe}".format(**rows[-1]))
    return rows


def summary(rows: Table, asked: bool) -> Figures:
    """Means over the seeds of each set, then over the sets."""

    def mean(name: str, column: str) -> float:
        return float(np.mean([row[column] for row in rows if row["set"] == name]))

    sets = list(dict.fromkeys(row["set"] for row in rows))
    gains = [mean(name, "gain") for name in sets]
    figures = {
        "mean_gain": figure(np.mean(gains), ">= 3" if asked else None, "points"),
        "worst_gain": figure(min(gains), ">= -1" if asked else None, "points"),
    }
    for name in sets:
        of_set = {"plain": round(mean(name, "plain"), 2), "handful": round(mean(name, "handful"), 2)}
        figures[f"gain_{name}"] = figure(mean(name, "gain"), None, "points", **of_set)
    return figures


if __name__ == "__main__":
    main()
