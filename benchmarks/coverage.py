"""Do the intervals that `fit` prints hold the truth, and the prediction sets?

    HANDFUL_DATA=DIR python benchmarks/coverage.py [--sets A,B] [--draws 40] [--conformal-draws 200] [--plot FILE.svg]

Draws training sets of 10, 20 and 40 photos of each class (in turn) out of the training part of a data set, does on each
what `fit --recipe probe` does, and scores the model on the rest: train and test come from one distribution. The
official test sets, some of them shifted, stand beside it. Frozen features are computed once (and cached); draws run
side by side.

The truth itself is measured on 600 to 1,400 photos, which makes the share of intervals that hold it a little smaller
than it is.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from common import Figures, Table, arguments, data_folder, figure, k_shot, report, say
from joblib import Parallel, delayed

from handful.augment.views import MOST_VIEWS, View
from handful.bundle.model import UNFAMILIAR
from handful.data.cache import FeatureCache
from handful.data.dataset import Dataset
from handful.data.images import decode_all
from handful.evaluate.conformal import p_value, prediction_sets, threshold
from handful.evaluate.intervals import wilson
from handful.evaluate.metric import ACCURACY
from handful.evaluate.metrics import balanced_accuracy
from handful.evaluate.unfamiliar import leave_out_distances, nearest_distance
from handful.nn.backbone import Backbone
from handful.nn.backbones import backbone_named
from handful.nn.features import frozen_features
from handful.recipe.candidates import candidates, n_views_worth, policies_tried, views_tried
from handful.tasks.learn import Learned, learn
from handful.transfer.technique import Examples, Problem

SETS = ("sign_digits", "cifar10", "pneumoniamnist")
MOST = 1500  # photos of a training set, drawn at random
PER_CLASS = (10, 20, 40)
BACKBONE = "efficientnet-lite0"


@dataclass(frozen=True)
class Population:
    """Everything that draws are made from, and the official test set; examples are nothing but their features."""

    name: str
    classes: tuple[str, ...]
    problem: Problem
    test: Examples
    test_targets: np.ndarray


def population(folder: Path) -> Population:
    """Decode and embed once."""
    everything, backbone = k_shot(folder, 0, 0), backbone_named(BACKBONE)
    rows = np.sort(np.random.default_rng(0).permutation(len(everything.train))[:MOST])
    policies, _ = policies_tried("auto", everything.classes)
    views = views_tried(policies, MOST_VIEWS)
    train = [everything.train[row] for row in rows]
    targets, test_targets = (np.array([index for _, index in photos]) for photos in (train, everything.test))
    examples, test = embedded(train, backbone, views), embedded(everything.test, backbone, views[:2])
    # a fresh backbone: the one that has embedded carries its graph, which every worker would be sent
    backbones = {backbone.name: backbone_named(BACKBONE)}
    problem = Problem(examples, targets, len(everything.classes), np.arange(len(train)), backbones, jobs=1)
    return Population(folder.name, everything.classes, problem, test, test_targets)


def embedded(photos: list[tuple[Path, int]], backbone: Backbone, views: tuple[View, ...]) -> Examples:
    """Photos of which only the features of these views are kept: an example is its row number."""
    pixels = decode_all(Dataset([file for file, _ in photos]), backbone.spec.size).pixels
    found = frozen_features(backbone, pixels, views, FeatureCache())
    numbers = [str(row) for row in range(len(photos))]
    return Examples(numbers, lambda _, rows, asked: found[np.ix_(list(map(int, rows)), list(map(views.index, asked)))])


def one_draw(people: Population, seed: int, per_class: int) -> dict[str, Any]:
    """Fit on a draw as `fit --recipe probe` does; what it claimed, and what was true."""
    rng, whole = np.random.default_rng(seed), people.problem
    drawn = np.concatenate(
        [rng.permutation(np.flatnonzero(whole.targets == c))[:per_class] for c in range(whole.n_classes)]
    )
    rest = np.setdiff1d(np.arange(len(whole.targets)), drawn)
    policies, _ = policies_tried("auto", people.classes)
    problem = replace(whole.take(drawn), units=np.arange(len(drawn)), seed=seed)
    tried = candidates(whole.backbone, [per_class] * whole.n_classes, policies, n_views_worth(len(drawn)))
    learned = learn(problem, tried, people.classes, ACCURACY)
    claim = learned.sections["scores"]["balanced_accuracy"]
    others = whole.examples.take(rest)
    probabilities, on_test = learned.probabilities(others), learned.probabilities(people.test)
    sets = prediction_sets(probabilities, threshold(learned.conformal, 0.9))
    known = wilson(claim["value"] * len(drawn), len(drawn))
    return {
        "set": people.name,
        "draw": seed,
        "n": len(drawn),
        "value": claim["value"],
        "low": claim["low"],
        "high": claim["high"],
        "truth": balanced_accuracy(whole.targets[rest], probabilities.argmax(axis=1)),
        "official": balanced_accuracy(people.test_targets, on_test.argmax(axis=1)),
        "relative_width": (claim["high"] - claim["low"]) / (known.high - known.low),
        "sets_cover": float(sets[np.arange(len(rest)), whole.targets[rest]].mean()),
        "set_size": float(sets.sum(axis=1).mean()),
        "unfamiliar": false_alarms(learned, problem, others),
        "recipe": learned.recipe.describe(),
    }


def false_alarms(learned: Learned, problem: Problem, others: Examples) -> float:
    """The share of photos of the same kind that the model would call unfamiliar."""
    references, queries = (learned.fitted.embedding(some).astype(float) for some in (problem.examples, others))
    familiar = np.sort(leave_out_distances(references, problem.units))
    level = max(UNFAMILIAR, 1 / (len(familiar) + 1))
    return float((p_value(familiar, nearest_distance(queries, references)) <= level).mean())


def figures_of(name: str, rows: Table, n_draws: int) -> Figures:
    """Intervals are judged on the first `n_draws`; prediction sets and false alarms on all."""
    judged = [row for row in rows if row["draw"] < n_draws]

    def share(truth: str) -> float:
        return float(np.mean([row["low"] <= row[truth] <= row["high"] for row in judged]))

    def mean(column: str, table: Table) -> float:
        return float(np.mean([row[column] for row in table]))

    return {
        f"{name}_covered": figure(share("truth"), "0.91 to 0.99", "share", draws=len(judged)),
        f"{name}_relative_width": figure(mean("relative_width", judged), "<= 1.5", "x"),
        f"{name}_covered_official_test": figure(share("official"), None, "share"),
        f"{name}_error_of_the_score": figure(100 * (mean("value", judged) - mean("truth", judged)), None, "points"),
        f"{name}_sets_cover": figure(mean("sets_cover", rows), None, "share", draws=len(rows)),
        f"{name}_set_size": figure(mean("set_size", rows), None, "classes"),
        f"{name}_unfamiliar_false_alarms": figure(mean("unfamiliar", rows), None, "share"),
    }


def draw_plot(rows: Table, file: str) -> None:
    """Every interval against the truth, the draws in the order of their size and truth."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    names = list(dict.fromkeys(row["set"] for row in rows))
    page, panels = plt.subplots(len(names), 1, figsize=(9, 3.2 * len(names)), squeeze=False, layout="constrained")
    for name, panel in zip(names, panels[:, 0], strict=True):
        shown = sorted((row for row in rows if row["set"] == name), key=lambda row: (row["n"], row["truth"]))
        for at, row in enumerate(shown):
            holds = row["low"] <= row["truth"] <= row["high"]
            panel.plot([at, at], [row["low"], row["high"]], color="#4477aa" if holds else "#cc3311", linewidth=2)
        panel.plot([row["truth"] for row in shown], "o", color="black", markersize=4, label="rest of the training set")
        panel.plot([row["official"] for row in shown], "x", color="#999999", markersize=4, label="official test set")
        for at in np.flatnonzero(np.diff([row["n"] for row in shown])):
            panel.axvline(at + 0.5, color="#dddddd", zorder=0)
        sizes = ", ".join(str(n) for n in dict.fromkeys(row["n"] for row in shown))
        panel.set(title=f"{name}: draws of {sizes} photos", ylabel="balanced accuracy", xticks=[])
    panels[0, 0].legend(frameon=False, loc="lower right", fontsize="small")
    page.suptitle("95 % intervals that fit prints (red where they miss) and the truth")
    page.savefig(file, dpi=150)


def main() -> None:
    parser = arguments("Coverage of the intervals and prediction sets that fit makes")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--draws", type=int, default=40, help="training sets drawn from each data set")
    parser.add_argument("--per-class", default=",".join(map(str, PER_CLASS)), help="photos of each class, in turn")
    parser.add_argument(
        "--conformal-draws", type=int, default=200, help="in all; what is beyond --draws is drawn small"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--plot", help="write a picture of the intervals")
    args = parser.parse_args()
    sets, sizes = args.sets.split(","), [int(size) for size in args.per_class.split(",")]
    root, rows, figures = data_folder(args, sets), [], {}
    n_more = max(0, -(-args.conformal_draws // len(sets)) - args.draws)
    per_class = [sizes[at % len(sizes)] for at in range(args.draws)] + [min(sizes)] * n_more
    for name in sets:
        people = population(root / name)
        say(f"{name}: {len(people.problem.targets)} photos, {len(per_class)} draws")
        found = Parallel(args.jobs)(delayed(one_draw)(people, seed, size) for seed, size in enumerate(per_class))
        figures |= figures_of(name, found, args.draws)
        rows += found
    figures["sets_cover_asked_0.9"] = figure(
        np.mean([row["sets_cover"] for row in rows]), None, "share", draws=len(rows)
    )
    if args.plot:
        draw_plot([row for row in rows if row["draw"] < args.draws], args.plot)
    report(args, figures, {"draws": rows})


if __name__ == "__main__":
    main()
