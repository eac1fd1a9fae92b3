"""What is tried: every combination of a few switches, cheap ones first, each with the score it usually gains.

Adding a technique is one value here (or one line for a new kind of head); the evidence table finds it by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from handful.nn.backbone import Backbone
from handful.recipe.recipe import Recipe
from handful.transfer.probe import ClassWeights, Probe

# Usual gains in accuracy at 10 labels per class, as fractions: means over the training parts of five open sets.
PRIOR_SEVERAL_DEPTHS = 0.025
PRIOR_SQUARE_ROOT = 0.010
PRIOR_MIRRORED = 0.007
PRIOR_ALL_VIEWS = 0.010
PRIOR_LOGISTIC = -0.020
PRIOR_BALANCED = 0.0

MOST_ROWS = 4000  # rows of all views together: more views than that cost more than they give
MOST_LOGISTIC = 300  # examples: beyond, refitting it for every fold costs more than all other recipes together
IMBALANCED = 1.5  # largest class over smallest, from where weights are worth a try


@dataclass(frozen=True)
class Candidate:
    """A recipe to try, and what it is expected to score above the plainest one before any data is seen."""

    recipe: Recipe
    prior: float


def candidates(backbone: Backbone, class_counts: list[int], may_mirror: bool, n_views: int) -> list[Candidate]:
    """All recipes worth trying on a data set, cheapest first.

    Args:
        backbone: Its layers are the depths.
        class_counts: Training examples of each class.
        may_mirror: Whether the second view is the mirrored one.
        n_views: How many views there are features of.
    """
    tried = _combinations(backbone, class_counts, may_mirror, n_views)
    return sorted(tried, key=lambda candidate: _cost(candidate.recipe.adapt, backbone))


def n_views_worth(n_examples: int, n_views: int) -> int:
    """How many of the views to compute: fewer when examples are many, where views matter less and cost more."""
    return max(min(n_views, MOST_ROWS // max(n_examples, 1)), 2 if n_examples <= MOST_ROWS else 1)


def _combinations(backbone: Backbone, class_counts: list[int], may_mirror: bool, n_views: int) -> Iterator[Candidate]:
    every = tuple(layer.name for layer in backbone.layers)
    depths = {backbone.last: 0.0, every: PRIOR_SEVERAL_DEPTHS}
    powers = {1.0: 0.0, 0.5: PRIOR_SQUARE_ROOT}
    views: dict[tuple[int, ...], float] = {(0,): 0.0}
    if n_views > 1:
        views[tuple(range(n_views))] = PRIOR_ALL_VIEWS + (PRIOR_MIRRORED if may_mirror else 0)
    if may_mirror and n_views > 2:
        views[0, 1] = PRIOR_MIRRORED
    weights: dict[ClassWeights, float] = {"none": 0.0}
    if max(class_counts) >= IMBALANCED * min(class_counts):
        weights["balanced"] = PRIOR_BALANCED
    for (layers, a), (power, b), (rows, c), (weight, d) in product(
        depths.items(), powers.items(), views.items(), weights.items()
    ):
        test_views = (0, 1) if may_mirror and 1 in rows else (0,)
        probe = Probe(layers, power, rows, test_views, "ridge", weight)
        yield Candidate(Recipe(backbone.name, probe), a + b + c + d)
    if sum(class_counts) > MOST_LOGISTIC:
        return
    prior = PRIOR_SEVERAL_DEPTHS + PRIOR_SQUARE_ROOT + PRIOR_LOGISTIC
    yield Candidate(Recipe(backbone.name, Probe(every, 0.5, head="logistic")), prior)


def _cost(probe: Probe, backbone: Backbone) -> tuple[int, int, int]:
    """What it costs to predict, then to fit: ties in the score go to the cheaper."""
    columns = backbone.columns(probe.layers)
    return len(probe.test_views), len(probe.views), sum(column.stop - column.start for column in columns)
