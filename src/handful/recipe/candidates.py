"""What is tried, cheap recipes first, each with the score it usually gains.

First every combination of the switches of a probe; then, from the best of those, the same on smaller pictures and what
is trained step by step (`PARTNERS`: a new technique is one line there); then ensembles of all these; at last the best
ensemble is taught to one network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import TypeAlias

from handful.augment.policy import Policy
from handful.augment.safety import safe_policy
from handful.augment.views import MIRRORED, MOST_VIEWS, ORIGINAL, View, views_of
from handful.nn.backbone import Backbone
from handful.nn.embedded import NAME as EMBEDDED
from handful.nn.embedded import EfficientNetLite0Backbone
from handful.nn.features import SECONDS_A_VIEW
from handful.nn.sentence_encoder import SentenceEncoder
from handful.nn.text_backbone import TextBackbone
from handful.recipe.ensemble import Ensemble
from handful.recipe.recipe import Recipe
from handful.recipe.unlabelled import Unlabelled
from handful.transfer.contrastive import Contrastive
from handful.transfer.distillation import Distillation
from handful.transfer.fine_tuning import FineTuning
from handful.transfer.probe import ClassWeights, Probe
from handful.transfer.technique import Problem
from handful.transfer.tfidf import Tfidf

# Usual gains in accuracy at 10 labels per class, as fractions: means over the training parts of five open sets.
PRIOR_SEVERAL_DEPTHS = 0.025
PRIOR_SQUARE_ROOT = 0.010
PRIOR_LOGISTIC = -0.020
PRIOR_BALANCED = 0.0
PRIOR_SIZES = 0.012
PRIOR_DISTILLED = 0.005  # beside its teacher's: half an example, so that ties go to one network in place of several
PRIOR_POLICIES = {"none": 0.0, "flips": 0.005, "light": 0.021, "scan": 0.015, "standard": 0.012}

MOST_ROWS = 4000  # rows of all views together: more views than that cost more than they give
TUNED_SIZE = 160  # pixels of pictures that are fine-tuned on
SHARE_OF_VIEWS = 0.3  # of the budget
MOST_LOGISTIC = 300  # examples: beyond, refitting it for every fold costs more than all other recipes together
IMBALANCED = 1.5  # largest class over smallest, from where weights are worth a try


@dataclass(frozen=True)
class Candidate:
    """A recipe to try, and what it is expected to score above the plainest one before any data is seen."""

    recipe: Recipe | Ensemble
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
    cheap_first = sorted(tried, key=lambda each: _cost(each[0], backbone))
    return [Candidate(Recipe(backbone.name, probe, policy), prior) for probe, policy, prior in cheap_first]


def text_candidates(backbone: Backbone, class_counts: list[int]) -> list[Candidate]:
    """All probes worth trying on texts, cheapest first.

    Args:
        backbone: Its layers are the depths.
        class_counts: Training examples of each class.
    """
    return candidates(backbone, class_counts, {Policy(): 0.0}, 1)


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
    return max(min(MOST_VIEWS, MOST_ROWS // max(n_examples, 1)), 1)


def _combinations(
    backbone: Backbone, class_counts: list[int], policies: Mapping[Policy, float], most_views: int
) -> Iterator[tuple[Probe, Policy, float]]:
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
        yield probe, policy if len(seen) > 1 else Policy(), a + b + c + d
    if sum(class_counts) > MOST_LOGISTIC or Policy() not in policies:
        return
    prior = PRIOR_SEVERAL_DEPTHS + PRIOR_SQUARE_ROOT + PRIOR_LOGISTIC
    yield Probe(every, 0.5, head="logistic"), Policy(), prior


def usually_best(candidates: Sequence[Candidate], n: int) -> list[Candidate]:
    """So many of the candidates, those that usually gain most, in the order given; the cheaper of equals."""
    by_gain = sorted(range(len(candidates)), key=lambda at: -candidates[at].prior)
    return [candidates[at] for at in sorted(by_gain[:n])]


def on_smaller_pictures(best: Recipe, prior: float, backbones: Mapping[str, Backbone]) -> list[Candidate]:
    """The best probe again, on every smaller size that the backbone takes."""
    return [Candidate(replace(best, backbone=name), prior) for name in backbones if name != best.backbone]


Make: TypeAlias = Callable[[Recipe, Problem, Mapping[Policy, float]], Iterable[Recipe]]


@dataclass(frozen=True)
class Partner:
    """A technique that is tried beside the best probe, and what it usually gains over it.

    Args:
        make: From the best probe, the problem and the policies to the recipes to try, none where it does not apply.
        alone: Its usual gain.
        with_probe: In an ensemble with the best probe.
        with_sizes: In an ensemble with probes on all sizes of pictures.
    """

    make: Make
    alone: float
    with_probe: float
    with_sizes: float


def partners(best: Recipe, problem: Problem, policies: Mapping[Policy, float]) -> list[tuple[Recipe, Partner]]:
    """What is tried beside the best probe; what is trained starts from it.

    Args:
        best: The probe.
        problem: Its backbones, and whether it has unlabelled examples, say what applies.
        policies: What views may be drawn from, each with its usual gain.
    """
    return [(recipe, kind) for kind in PARTNERS for recipe in kind.make(best, problem, policies)]


def ensembles(probes: Sequence[Recipe], beside: Sequence[tuple[Recipe, Partner]]) -> list[tuple[Ensemble, float]]:
    """Which recipes vote together, and what that usually gains over the best probe.

    Probes on all sizes of pictures; each partner with the best probe and with all sizes; and partners in pairs, which
    on the training rests gained about the mean of what each gains with a probe.

    Args:
        probes: The best probe, and the same on smaller pictures.
        beside: The partners that were tried.
    """
    sizes = [(tuple(probes), PRIOR_SIZES)] if len(probes) > 1 else []
    with_first = [((probes[0], recipe), kind.with_probe) for recipe, kind in beside]
    with_all = [((*probes, recipe), kind.with_sizes) for recipe, kind in beside if len(probes) > 1]
    pairs = [((a, b), (one.with_probe + other.with_probe) / 2) for (a, one), (b, other) in combinations(beside, 2)]
    return [(Ensemble(members), gain) for members, gain in (*sizes, *with_first, *with_all, *pairs)]


def distilled(teacher: Recipe | Ensemble, prior: float, offered: Iterable[Recipe]) -> list[Candidate]:
    """Several recipes that vote, taught to one network; none where a single recipe is the best, or none is fine-tuned.

    Args:
        teacher: The best so far.
        prior: Its usual gain.
        offered: Partners: a student is the network that is fine-tuned among these, trained in the same way.
    """
    return [
        Candidate(replace(student, adapt=Distillation(teacher, student.adapt)), prior + PRIOR_DISTILLED)
        for student in offered
        if isinstance(teacher, Ensemble)
        and isinstance(student.adapt, FineTuning)
        and student.adapt.n_frozen is not None
    ]


def _fine_tuning(best: Recipe, problem: Problem, policies: Mapping[Policy, float]) -> Iterator[Recipe]:
    """The last blocks, on pictures of a size where that is cheap, in views of the policy that usually gains most."""
    backbones = problem.backbones
    cheap = (each for name, each in backbones.items() if name.partition("+")[0] == f"{EMBEDDED}@{TUNED_SIZE}")
    seen_by = next(cheap, next(iter(backbones.values())))
    if not (isinstance(best.adapt, Probe) and isinstance(seen_by, EfficientNetLite0Backbone)):
        return
    policy = max(policies, key=lambda each: policies[each])
    views = views_of(policy, n_views_worth(len(problem.targets)))  # the head starts from rows of all of them
    layers = tuple(layer.name for layer in seen_by.layers)
    test_views = (0, 1) if MIRRORED in views else (0,)
    start = Probe(layers, 0.5, tuple(range(len(views))), test_views, "ridge", best.adapt.class_weights)
    yield Recipe(seen_by.name, FineTuning(start), policy)


def _contrastive(
    best: Recipe,
    problem: Problem,
    policies: Mapping[Policy, float],  # noqa: ARG001
) -> Iterator[Recipe]:
    """The sentence encoder, trained on pairs."""
    if isinstance(best.adapt, Probe) and isinstance(problem.seen_through(best.backbone), SentenceEncoder):
        yield replace(best, adapt=Contrastive(replace(best.adapt, penalty=None, head="ridge")))


def _tfidf(
    best: Recipe,
    problem: Problem,
    policies: Mapping[Policy, float],  # noqa: ARG001
) -> Iterator[Recipe]:
    """Counts of words, which know what a word is but not what it means."""
    if isinstance(problem.seen_through(best.backbone), TextBackbone):
        yield replace(best, adapt=Tfidf())


def _with_pool(least: int, most: float, of_texts: bool = False) -> Make:
    """Unlabelled examples, where there are some, for so many labels per class: the more labels, the less they gain."""

    def make(
        best: Recipe,
        problem: Problem,
        policies: Mapping[Policy, float],  # noqa: ARG001
    ) -> Iterator[Recipe]:
        n_each, is_text = len(problem.targets) / problem.n_classes, isinstance(problem.backbone, TextBackbone)
        if problem.unlabelled is not None and least <= n_each < most and is_text == of_texts:
            assert isinstance(best.adapt, Probe)  # noqa: S101 - partners are made from probes
            yield replace(best, adapt=Unlabelled(best.adapt))

    return make


PARTNERS = (  # gains: means over the training rests of five sets of images, and of texts
    Partner(_tfidf, alone=-0.05, with_probe=0.01, with_sizes=0.01),  # exact before trained
    Partner(_with_pool(1, 2), alone=0.06, with_probe=0.05, with_sizes=0.06),
    Partner(_with_pool(2, 4), alone=0.035, with_probe=0.03, with_sizes=0.04),
    Partner(_with_pool(4, 10), alone=0.02, with_probe=0.015, with_sizes=0.025),
    Partner(_with_pool(10, math.inf), alone=0.01, with_probe=0.005, with_sizes=0.015),
    Partner(_with_pool(1, 2, of_texts=True), alone=0.06, with_probe=0.05, with_sizes=0.05),
    Partner(_with_pool(2, math.inf, of_texts=True), alone=-0.015, with_probe=-0.005, with_sizes=-0.005),
    Partner(_fine_tuning, alone=0.025, with_probe=0.02, with_sizes=0.025),
    Partner(_contrastive, alone=0.06, with_probe=0.04, with_sizes=0.04),
)


def _cost(probe: Probe, backbone: Backbone) -> tuple[int, int, int]:
    """What it costs to predict, then to fit: ties in the score go to the cheaper."""
    columns = backbone.columns(probe.layers)
    return len(probe.test_views), len(probe.views), sum(column.stop - column.start for column in columns)
