"""What is tried: every combination of a few switches, cheap ones first, each with the score it usually gains.

Adding a technique is one value here (or one line for a new kind of head); the evidence table finds it by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from handful.augment.policy import Policy
from handful.augment.safety import safe_policy
from handful.augment.views import MIRRORED, MOST_VIEWS, ORIGINAL, View, views_of
from handful.nn.backbone import Backbone
from handful.recipe.recipe import Recipe
from handful.transfer.probe import ClassWeights, Probe

# Usual gains in accuracy at 10 labels per class, as fractions: means over the training parts of five open sets.
PRIOR_SEVERAL_DEPTHS = 0.025
PRIOR_SQUARE_ROOT = 0.010
PRIOR_LOGISTIC = -0.020
PRIOR_BALANCED = 0.0
PRIOR_POLICIES = {"none": 0.0, "flips": 0.005, "light": 0.021, "scan": 0.015, "standard": 0.012}

MOST_ROWS = 4000  # rows of all views together: more views than that cost more than they give
SECONDS_A_VIEW = 0.01  # to compute the features of one image, on a slow machine
SHARE_OF_VIEWS = 0.3  # of the budget
MOST_LOGISTIC = 300  # examples: beyond, refitting it for every fold costs more than all other recipes together
IMBALANCED = 1.5  # largest class over smallest, from where weights are worth a try


@dataclass(frozen=True)
class Candidate:
    """A recipe to try, and what it is expected to score above the plainest one before any data is seen."""

    recipe: Recipe
    prior: float


def candidates(
    backbone: Backbone, class_counts: list[int], policies: Mapping[Policy, float], most_views: int
) -> list[Candidate]:
    """All recipes worth trying on a data set, cheapest first.

    Args:
        backbone: Its layers are the depths.
        class_counts: Training examples of each class.
        policies: What views may be drawn from, each with its usual gain.
        most_views: Of one policy.
    """
    tried = _combinations(backbone, class_counts, policies, most_views)
    return sorted(tried, key=lambda candidate: _cost(candidate.recipe.adapt, backbone))


def policies_tried(asked: str, classes: tuple[str, ...]) -> tuple[dict[Policy, float], tuple[str, ...]]:
    """What views may be drawn from: all policies that usually pay, or the one that is asked for; none that is unsafe.

    Args:
        asked: "auto", a named policy, or one as text.
        classes: Their names say what is unsafe.
    Returns:
        The policies, each with its usual gain, and what to tell the user.
    """
    texts = PRIOR_POLICIES if asked == "auto" else {asked: 0.0}
    safe: dict[Policy, float] = {}
    told: dict[str, None] = {}
    for text, prior in texts.items():
        given = Policy.parse(text)
        policy, notes = safe_policy(given, classes)
        safe.setdefault(policy, prior)
        if policy != given or asked != "auto":  # what is merely unwise: of that the data are the better judge
            told |= dict.fromkeys(notes)
    return safe, tuple(told)


def affordable(
    policies: Mapping[Policy, float], n_examples: int, most_views: int, seconds: float | None
) -> dict[Policy, float]:
    """The policies whose features a budget has time for, those that usually gain most first; always the plain one.

    Args:
        policies: Each with its usual gain.
        n_examples: That features are computed of.
        most_views: Of one policy.
        seconds: The whole budget; None for no such limit.
    """
    if seconds is None:
        return dict(policies)
    kept: list[Policy] = []
    for policy in sorted(policies, key=lambda each: -policies[each]):
        n_views = len(views_tried([*kept, policy], most_views))
        if n_views == 1 or n_examples * n_views * SECONDS_A_VIEW <= SHARE_OF_VIEWS * seconds:
            kept.append(policy)
    return {policy: gain for policy, gain in policies.items() if policy in kept or len(policies) == 1}


def views_tried(policies: Iterable[Policy], most_views: int) -> tuple[View, ...]:
    """Every view that a candidate needs, each once: the image itself, its mirror image if any policy flips, draws."""
    needed = dict.fromkeys(view for policy in policies for view in views_of(policy, most_views))
    first = [view for view in (ORIGINAL, MIRRORED) if view in needed]
    return tuple(dict.fromkeys((*first, *needed)))


def n_views_worth(n_examples: int) -> int:
    """How many views of one policy to compute: fewer when examples are many, where they matter less and cost more."""
    return max(min(MOST_VIEWS, MOST_ROWS // max(n_examples, 1)), 2 if n_examples <= MOST_ROWS else 1)


def _combinations(
    backbone: Backbone, class_counts: list[int], policies: Mapping[Policy, float], most_views: int
) -> Iterator[Candidate]:
    every = tuple(layer.name for layer in backbone.layers)
    depths = {backbone.last: 0.0, every: PRIOR_SEVERAL_DEPTHS}
    powers = {1.0: 0.0, 0.5: PRIOR_SQUARE_ROOT}
    views: dict[tuple[View, ...], tuple[Policy, float]] = {}
    for policy, prior in policies.items():
        views.setdefault(views_of(policy, most_views), (policy, prior))
    weights: dict[ClassWeights, float] = {"none": 0.0}
    if max(class_counts) >= IMBALANCED * min(class_counts):
        weights["balanced"] = PRIOR_BALANCED
    for (layers, a), (power, b), (seen, (policy, c)), (weight, d) in product(
        depths.items(), powers.items(), views.items(), weights.items()
    ):
        test_views = (0, 1) if MIRRORED in seen else (0,)
        probe = Probe(layers, power, tuple(range(len(seen))), test_views, "ridge", weight)
        yield Candidate(Recipe(backbone.name, probe, policy if len(seen) > 1 else Policy()), a + b + c + d)
    if sum(class_counts) > MOST_LOGISTIC or Policy() not in policies:
        return
    prior = PRIOR_SEVERAL_DEPTHS + PRIOR_SQUARE_ROOT + PRIOR_LOGISTIC
    yield Candidate(Recipe(backbone.name, Probe(every, 0.5, head="logistic")), prior)


def _cost(probe: Probe, backbone: Backbone) -> tuple[int, int, int]:
    """What it costs to predict, then to fit: ties in the score go to the cheaper."""
    columns = backbone.columns(probe.layers)
    return len(probe.test_views), len(probe.views), sum(column.stop - column.start for column in columns)
