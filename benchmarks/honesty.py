"""Is the choice honest? On labels shuffled at random nothing can be learned, and `fit` must say so.

    HANDFUL_DATA=DIR python benchmarks/honesty.py [--sets A,B] [--runs 100] [--trained 5] [--jobs 2] [--json]

Each run takes 40 to 100 photos of one data set, gives them 2 to 10 classes of equal size at random, and does what
`fit` does: all probes, all picture sizes, the ensemble of these. The first `--trained` runs have 40 photos, and also
what is trained step by step. With c classes, whoever knows nothing of such labels is right once in c times. Counted is
how often the interval of the reported score holds that, and how often some technique is said to help. Test sets are not
looked at.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from common import Figures, Table, arguments, data_folder, figure, k_shot, report, say
from joblib import Parallel, delayed

from handful.augment.policy import Policy
from handful.augment.views import MOST_VIEWS
from handful.core.budget import Budget
from handful.data.cache import FeatureCache
from handful.data.dataset import Dataset
from handful.data.readers import Splits
from handful.evaluate.metric import ACCURACY
from handful.nn.embedded import EfficientNetLite0Backbone
from handful.recipe.candidates import candidates, n_views_worth, policies_tried, views_tried
from handful.tasks.images import prepare_images
from handful.tasks.learn import learn
from handful.tasks.pixel_examples import pixel_examples
from handful.transfer.technique import Problem

SETS = ("sign_digits", "wbc", "pneumoniamnist", "cifar10", "fashion_mnist")
POOL = 200  # photos of a set that runs are drawn from
SIZES = (40, 60, 80, 100)  # examples of a run
CLASSES = (2, 3, 5, 10)
LEAST_TRAINING = 30  # seconds that two folds of the shortest training are expected to take, at least


@dataclass(frozen=True)
class Pool:
    """Photos of one data set, with their features at full size."""

    name: str
    problem: Problem
    policies: dict[Policy, float]


def pool(folder: Path) -> Pool:
    """Decode, audit and embed once; features of smaller pictures are cached as runs ask for them."""
    everything, backbone = k_shot(folder, 0, 0), EfficientNetLite0Backbone()
    drawn = np.random.default_rng(0).permutation(len(everything.train))[:POOL]
    files, targets = zip(*(everything.train[row] for row in drawn), strict=True)
    photos = Dataset(list(files), np.array(targets), everything.classes)
    data = prepare_images(Splits(photos, None, None, ()), backbone.spec.size)
    policies, _ = policies_tried("auto", everything.classes)
    examples = pixel_examples(data.train.pixels, FeatureCache(), "cpu")
    examples.features(backbone, views_tried(policies, MOST_VIEWS))
    # fresh backbones: one that has embedded carries its graph, which every worker would be sent
    backbones = {each.name: each for each in (EfficientNetLite0Backbone(), *backbone.smaller)}
    problem = Problem(examples, data.train.targets, len(everything.classes), data.audit.units, backbones, jobs=1)
    return Pool(folder.name, problem, policies)


class Untrained(Budget):
    """Without an end, but for what is trained."""

    def allows(self, seconds: float) -> bool:
        """A training says that it takes longer than any of the exact recipes of so few photos."""
        return seconds < LEAST_TRAINING


def shuffled(whole: Problem, seed: int, trained: bool) -> Problem:
    """Some of the photos, and labels that have nothing to do with them; classes of equal size."""
    rng = np.random.default_rng(seed)
    n, n_classes = SIZES[0] if trained else int(rng.choice(SIZES)), int(rng.choice(CLASSES))
    n -= n % n_classes
    rows = rng.choice(len(whole.targets), n, replace=False)
    return replace(whole.take(rows), targets=rng.permutation(np.arange(n) % n_classes), n_classes=n_classes, seed=seed)


def one_run(name: str, problem: Problem, policies: dict[Policy, float], trained: bool) -> dict[str, Any]:
    """What `fit` would say of these labels."""
    start, n, n_classes = time.perf_counter(), len(problem.targets), problem.n_classes
    tried = candidates(problem.backbone, [n // n_classes] * n_classes, policies, n_views_worth(n))
    problem = replace(problem, budget=Budget() if trained else Untrained())
    learned = learn(problem, tried, tuple(map(str, range(n_classes))), ACCURACY, policies)
    score, chance = learned.sections["score"], 1 / n_classes
    said: dict[str, list[str]] = {"helps": [], "hurts": [], "cannot tell": []}
    for row in learned.sections["evidence"]:
        said[row["verdict"]].append(row["technique"])
    return {
        "set": name,
        "run": problem.seed,
        "trained": trained,
        "n": n,
        "classes": n_classes,
        "value": score["value"],
        "low": score["low"],
        "high": score["high"],
        "chance": chance,
        "covers": score["low"] <= chance <= score["high"],
        "helps": ", ".join(said["helps"]),
        "hurts": ", ".join(said["hurts"]),
        "seconds": time.perf_counter() - start,
        "recipe": learned.recipe.describe(),
    }


def figures_of(rows: Table) -> Figures:
    """Of all runs; those in which something was trained are also shown apart."""

    def share(column: str, table: Table) -> float:
        return float(np.mean([bool(row[column]) for row in table]))

    above = [row["value"] - row["chance"] for row in rows]
    ends = {
        "above": sum(row["low"] > row["chance"] for row in rows),
        "below": sum(row["high"] < row["chance"] for row in rows),
    }
    figures = {
        "covers_chance": figure(share("covers", rows), ">= 0.91", "share", runs=len(rows), **ends),
        "said_to_help": figure(share("helps", rows), "<= 0.09", "share", runs=len(rows)),
        "said_to_hurt": figure(share("hurts", rows), None, "share"),
        "score_above_chance": figure(100 * np.mean(above), None, "points", spread=round(100 * float(np.std(above)), 2)),
    }
    trained = [row for row in rows if row["trained"]]
    if trained:
        figures["covers_chance_trained"] = figure(share("covers", trained), None, "share", runs=len(trained))
        figures["said_to_help_trained"] = figure(share("helps", trained), None, "share", runs=len(trained))
    return figures


def main() -> None:
    parser = arguments("What fit says of labels that were shuffled at random")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--trained", type=int, default=5, help="of these, runs in which something is trained too")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    args = parser.parse_args()
    sets = args.sets.split(",")
    root, rows = data_folder(args, sets), []
    for at, name in enumerate(sets):
        photos = pool(root / name)
        runs = range(at, args.runs, len(sets))
        say(f"{name}: {len(photos.problem.targets)} photos, {len(runs)} runs")
        for row in in_parallel(photos, runs, args.trained, args.jobs):
            say("{set} {run}: {value:.2f} ({low:.2f} to {high:.2f}), chance {chance:.2f} {helps}".format(**row))
            rows.append(row)
    report(args, figures_of(rows), {"runs": rows})


def in_parallel(photos: Pool, runs: range, n_trained: int, jobs: int) -> Iterator[dict[str, Any]]:
    drawn = ((shuffled(photos.problem, run, run < n_trained), run < n_trained) for run in runs)
    work = (delayed(one_run)(photos.name, problem, photos.policies, trained) for problem, trained in drawn)
    yield from Parallel(jobs, return_as="generator", pre_dispatch=jobs)(work)


if __name__ == "__main__":
    main()
