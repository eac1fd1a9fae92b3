"""What unlabelled examples add to `handful fit`, at 1, 2 and 5 labels per class.

    HANDFUL_DATA=DIR python benchmarks/unlabelled.py [--sets A,B] [--ks 1,2,5] [--seeds 0] [--budget 60s] [--foreign]
                                                     [--rest] [--json]

The same k-shot training set with and without the pool `unlabelled/` of the set, scored on the same photos of the
official test set, at most 50 of each class. With --rest both the pool and what is scored come from what the training
set has left over, for whoever is still deciding something, and for sets without a pool. With --foreign half of the pool
are photos of another set. Only what is exact takes part, in both: probes, all sizes of pictures, and the pool; what is
trained takes minutes, and is another benchmark's question.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from common import Draw, Figures, Table, arguments, data_folder, figure, k_shot, lay_out, report, say

from handful.core.errors import HandfulError
from handful.data.readers import Splits, read
from handful.recipe import candidates
from handful.recipe.unlabelled import Unlabelled
from handful.tasks.fit_images import fit_images
from handful.tasks.fitting import Settings

SETS = ("fashion_mnist", "cifar10", "grocery")
FOREIGN = {"fashion_mnist": "grocery", "cifar10": "fashion_mnist", "grocery": "cifar10"}  # of the pool, with --foreign
MOST_TESTED = 50  # of each class
Photos = list[tuple[Path, int]]


def parts(root: Path, name: str, k: int, seed: int, args: argparse.Namespace) -> tuple[Draw, Photos, list[Path]]:
    """What is learned from, what is tested on, and the pool."""
    draw, rng = k_shot(root / name, k, seed), np.random.default_rng(0)
    if args.rest:
        left = [draw.rest[at] for at in rng.permutation(len(draw.rest))]
        half = min(len(left) // 2, MOST_TESTED * len(draw.classes))
        tested, pool = left[:half], [file for file, _ in left[half:]]
    else:
        shuffled = [draw.test[at] for at in rng.permutation(len(draw.test))]
        classes = range(len(draw.classes))
        tested = [photo for c in classes for photo in [each for each in shuffled if each[1] == c][:MOST_TESTED]]
        pool = sorted((root / name / "unlabelled").iterdir())
    if args.foreign:
        others = sorted((root / FOREIGN.get(name, "fashion_mnist") / "unlabelled").iterdir())
        pool += [others[at] for at in rng.permutation(len(others))[: len(pool)]]
    return draw, tested, pool


def compare(root: Path, name: str, k: int, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    """One row: accuracies in per cent without and with the pool."""
    draw, tested, pool = parts(root, name, k, seed, args)
    settings = Settings(budget=args.budget, seed=seed)
    with TemporaryDirectory() as folder:
        train, test, unlabelled = (Path(folder) / part for part in ("train", "test", "unlabelled"))
        lay_out(draw.train, draw.classes, train)
        lay_out(tested, draw.classes, test)
        unlabelled.mkdir()
        for number, file in enumerate(pool):
            (unlabelled / f"{number}{file.suffix}").symlink_to(file.resolve())
        without, with_pool = read(train, test=test), read(train, test=test, unlabelled=unlabelled)
        _fitted(with_pool, settings)  # features are kept: neither of the two that count spends its budget on them
        before, after = (_fitted(splits, settings) for splits in (without, with_pool))
    row: dict[str, Any] = {"set": name, "k": k, "seed": seed, "n": before["n"], "pool": after["unlabelled"]["used"]}
    row |= {"without": 100 * before["test_score"]["value"], "with": 100 * after["test_score"]["value"]}
    row |= {"gain": row["with"] - row["without"], "tested": before["test_score"]["n"]}
    row |= {"on": any(each["adapt"]["technique"] == Unlabelled.technique for each in after["recipe"]["members"])}
    return row | {"seconds": after["seconds"], "without_seconds": before["seconds"]}


def _fitted(splits: Splits, settings: Settings) -> dict[str, Any]:
    return fit_images(splits, settings).metrics


def main() -> None:
    parser = arguments("What unlabelled examples add to handful fit")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--ks", default="1,2,5", help="labels per class")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--budget", default="60s")
    parser.add_argument("--foreign", action="store_true", help="half of the pool is of another set")
    parser.add_argument("--rest", action="store_true", help="pool and scored photos from the rest of the training set")
    args = parser.parse_args()
    candidates.PARTNERS = tuple(kind for kind in candidates.PARTNERS if kind.make is not candidates._fine_tuning)
    sets, root, rows = args.sets.split(","), data_folder(args, args.sets.split(",")), []
    for name in sets:
        for k in map(int, args.ks.split(",")):
            for seed in map(int, args.seeds.split(",")):
                try:
                    rows.append(row := compare(root, name, k, seed, args))
                except HandfulError as failure:  # too few photos for so many labels
                    say(f"{name}, {k} labels: {failure}")
                    continue
                shown = f"{row['without']:.1f} to {row['with']:.1f} ({row['gain']:+.1f}), {row['seconds']:.0f} s"
                say(
                    f"{name}, {k} per class, seed {seed}: {shown}, pool of {row['pool']} {'on' if row['on'] else 'off'}"
                )
    report(args, summary(rows, args), {"runs": rows})


def summary(rows: Table, args: argparse.Namespace) -> Figures:
    """The mean over sets and numbers of labels, and the worst of the sets."""

    def mean(**wanted: Any) -> float:
        return float(np.mean([row["gain"] for row in rows if all(row[key] == wanted[key] for key in wanted)]))

    sets, numbers = list(dict.fromkeys(row["set"] for row in rows)), sorted({row["k"] for row in rows})
    asked = not args.rest and not args.foreign
    worst = min(mean(set=row["set"], k=row["k"]) for row in rows)
    figures = {
        "mean_gain": figure(mean(), ">= 3" if asked else None, "points"),
        "worst_set": figure(min(mean(set=name) for name in sets), ">= -1" if asked else None, "points"),
        "worst_set_and_number": figure(worst, ">= -1" if asked else None, "points"),
    }
    figures |= {f"gain_{name}": figure(mean(set=name), None, "points") for name in sets}
    return figures | {f"gain_at_{k}": figure(mean(k=k), None, "points") for k in numbers}


if __name__ == "__main__":
    main()
