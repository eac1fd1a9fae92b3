"""Unlabelled examples: a pool is labelled by what is known, and a second exact head learns from labels and pool alike.

The answer is the mean of this head's and of the probe's, so a pool that says nothing takes little away. Both are linear
in the same features: what ships is a probe.

Out of fold the labels of the examples left out are hidden: the pool is labelled by the others alone, anew in every
fold. To that end everything is reduced once to the directions in which examples and pool differ most, which no label
takes part in.

Source: the labellers name theirs (`unsupervised/`); the mean of a labelled and a joint model is the hedge of Loog 2016,
doi:10.1109/TPAMI.2015.2452921, against joint ones that are worse. Differs: half and half, not chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from handful.augment.policy import Policy
from handful.augment.views import ORIGINAL, views_of
from handful.core.errors import UsageError
from handful.evaluate.arrays import Floats, Ints
from handful.nn.backbone import Backbone
from handful.nn.linear import Linear
from handful.transfer.probe import FittedProbe, Probe, prepare
from handful.transfer.technique import Examples, Problem, Technique
from handful.unsupervised.label_propagation import label_propagation
from handful.unsupervised.labelling import Labeller, head_on_both
from handful.unsupervised.neighbour_graph import NeighbourGraph
from handful.unsupervised.self_training import self_training
from handful.unsupervised.soft_kmeans import soft_kmeans

LABELLERS: dict[str, Labeller] = {
    "label propagation": label_propagation,
    "self-training": self_training,
    "soft k-means": soft_kmeans,
}
REPEATS = 2  # of cross-validation: each fold labels the pool anew
MOST_DIMS = 256
MOST_DECOMPOSED = 1500  # rows that the directions are found on
RANK_TOLERANCE = 1e-6  # of the largest variance


@dataclass(frozen=True)
class Unlabelled(Technique):
    """Which probe, and who labels the pool for the head beside it.

    Args:
        start: The probe: features, views, penalty.
        labeller: One of `LABELLERS`.
        share: Of the pool's head in the mean with the probe's, 0 to 1.
    """

    technique: ClassVar[str] = "unlabelled"

    start: Probe
    labeller: str = "self-training"
    share: float = 0.5

    def __post_init__(self) -> None:
        if self.labeller not in LABELLERS:
            raise UsageError(f"nobody labels by {self.labeller!r}", "Unlabelled", f"use one of {', '.join(LABELLERS)}")
        if not 0 <= self.share <= 1:
            raise UsageError(f"share must be in 0 to 1, got {self.share}", "Unlabelled")

    def seconds(self, n_examples: int) -> float:  # noqa: ARG002
        """Nothing is trained step by step."""
        return 0.0

    def out_of_fold(
        self, problem: Problem, backbone: Backbone, policy: Policy, folds: Ints
    ) -> tuple[Unlabelled, Floats]:
        """The probe's scores on the same folds, and of a head on the pool as the examples that are kept label it."""
        start, of_probe = self.start.out_of_fold(problem, backbone, policy, folds[:REPEATS])
        reduced = self._reduced(problem, backbone, policy)
        of_pool = np.empty_like(of_probe)
        for repeat, fold in enumerate(folds[: len(of_probe)]):
            for number in np.unique(fold):
                tested, kept = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
                head = self._head(reduced, kept, problem.targets, problem.n_classes)
                of_pool[repeat, tested] = head(reduced.rows[tested][:, _at_test(start)]).mean(axis=1)
        return replace(self, start=start), (1 - self.share) * of_probe + self.share * of_pool

    def fit(self, problem: Problem, backbone: Backbone, policy: Policy) -> FittedProbe:
        """Both heads on all examples, as one in the features themselves."""
        probe, reduced = self.start.fit(problem, backbone, policy), self._reduced(problem, backbone, policy)
        everything = np.arange(len(problem.targets))
        pool = self._head(reduced, everything, problem.targets, problem.n_classes)
        weight = (1 - self.share) * probe.head.weight + self.share * reduced.directions @ pool.weight
        centre = reduced.mean @ reduced.directions @ pool.weight
        bias = (1 - self.share) * probe.head.bias + self.share * (pool.bias - centre)
        return replace(probe, head=Linear(weight, bias))

    def describe(self, backbone: str, policy: Policy) -> str:
        """One sentence in words."""
        return f"{self.start.describe(backbone, policy)}; and the same on unlabelled examples, by {self.labeller}"

    def brief(self, backbone: str, policy: Policy) -> str:
        """A few words, for tables and charts."""
        return f"{self.start.brief(backbone, policy)}, {self.labeller}"

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Self:
        """The settings that `to_json` described."""
        return super().from_json({**saved, "start": Probe.from_json(saved.get("start", {}))})

    def _reduced(self, problem: Problem, backbone: Backbone, policy: Policy) -> Reduced:
        """Examples and pool in few dimensions; the same for every labeller."""
        start = self.start

        def reduce() -> Reduced:
            columns = backbone.columns(start.layers)
            features = problem.examples.features(backbone, views_of(policy)[: max(start.views) + 1])
            rows = prepare(features[:, list(start.views)], columns, start.power)
            pool = prepare(_pool(problem).features(backbone, (ORIGINAL,))[:, 0], columns, start.power)
            mean, directions = _directions(np.concatenate([_some(rows[:, 0]), _some(pool)]))
            return Reduced((rows - mean) @ directions, NeighbourGraph((pool - mean) @ directions), mean, directions)

        return problem.remember(("reduced", backbone.name, policy, start.layers, start.power, start.views), reduce)

    def _head(self, reduced: Reduced, kept: Ints, targets: Ints, n_classes: int) -> Linear:
        """Of some labelled examples in all their views, and of the pool as their plain views label it."""
        rows, pool = reduced.rows[kept], reduced.pool
        labelling = LABELLERS[self.labeller](rows[:, 0], targets[kept], n_classes, pool)
        return head_on_both(rows, targets[kept], pool.rows, labelling)


@dataclass(frozen=True, eq=False)
class Reduced:
    """Prepared features along few directions.

    Args:
        rows: Of the labelled examples in each view, shape (n, n_views, dim).
        pool: Of the pool.
        mean: That was taken off, shape (all dims,).
        directions: Orthonormal columns, shape (all dims, dim).
    """

    rows: Floats
    pool: NeighbourGraph
    mean: Floats
    directions: Floats


def _pool(problem: Problem) -> Examples:
    if problem.unlabelled is None:
        raise UsageError("the problem has no unlabelled examples", "Unlabelled", "fit with --unlabelled")
    return problem.unlabelled


def _at_test(probe: Probe) -> list[int]:
    """Where the views that are predicted on stand among the rows."""
    return [probe.views.index(view) for view in probe.test_views]


def _some(rows: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Half of `MOST_DECOMPOSED` at most, evenly."""
    return rows[:: max(-(-2 * len(rows) // MOST_DECOMPOSED), 1)]


def _directions(rows: npt.NDArray[np.floating]) -> tuple[Floats, Floats]:
    """The mean of rows, and the directions in which they vary most, `MOST_DIMS` at most: principal components."""
    mean = rows.mean(axis=0, dtype=np.float64)
    centred = rows - mean
    variances, basis = np.linalg.eigh(centred @ centred.T if len(rows) <= rows.shape[1] else centred.T @ centred)
    kept = np.flatnonzero(variances > RANK_TOLERANCE * variances[-1])[-MOST_DIMS:]
    if len(rows) > rows.shape[1]:
        return mean, basis[:, kept]
    return mean, centred.T @ (basis[:, kept] / np.sqrt(variances[kept]))
