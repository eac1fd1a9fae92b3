"""For each technique: is it on, what does it gain on this data, and is that more than luck?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from handful.augment.policy import Policy
from handful.evaluate.arrays import Floats, Ints
from handful.evaluate.comparison import Verdict, fold_means, holm, nadeau_bengio, verdict
from handful.evaluate.metric import Metric
from handful.recipe.ensemble import Ensemble
from handful.recipe.folds import Folds
from handful.recipe.recipe import Recipe
from handful.recipe.trial import Selection, Trial
from handful.recipe.unlabelled import Unlabelled
from handful.transfer.contrastive import Contrastive
from handful.transfer.distillation import Distillation, Teacher
from handful.transfer.fine_tuning import FineTuning
from handful.transfer.probe import Probe
from handful.transfer.technique import Technique
from handful.transfer.tfidf import Tfidf


@dataclass(frozen=True)
class Row:
    """One line of the evidence table; gains in the unit of the metric, percentage points of most."""

    technique: str
    on: bool
    gain: float
    low: float
    high: float
    verdict: Verdict


@dataclass(frozen=True)
class Switch:
    """Something that a recipe has on, has off, or has something else in place of; its name is for people."""

    name: str
    is_on: Callable[[Recipe | Ensemble], bool]
    is_off: Callable[[Recipe | Ensemble], bool]
    of_probes: bool = False


def _of_probes(name: str, is_on: Callable[[Probe], bool]) -> Switch:
    """Something that a probe has on or off."""
    on, off = _probe_that(lambda _, probe: is_on(probe)), _probe_that(lambda _, probe: not is_on(probe))
    return Switch(name, on, off, of_probes=True)


def _probe_that(holds: Callable[[Recipe, Probe], bool]) -> Callable[[Recipe | Ensemble], bool]:
    """Whether a recipe is a probe alone, and something holds for it."""

    def tell(recipe: Recipe | Ensemble) -> bool:
        return isinstance(recipe, Recipe) and isinstance(recipe.adapt, Probe) and holds(recipe, recipe.adapt)

    return tell


def _of_members(name: str, is_on: Callable[[tuple[Recipe, ...]], bool]) -> Switch:
    """Something that several models together have on or off."""
    return Switch(name, lambda recipe: is_on(recipe.members), lambda recipe: not is_on(recipe.members))


SILENT = ("penalty", "start")  # settings that do not tell recipes apart: found on the data, or listed by themselves
SWITCHES = (
    _of_probes("several depths", lambda probe: len(probe.layers) > 1),
    _of_probes("square root of features", lambda probe: probe.power != 1),
    _of_probes("equal class weights", lambda probe: probe.class_weights == "balanced"),
    _of_probes("logistic head", lambda probe: probe.head == "logistic"),
    _of_members("several picture sizes", lambda members: _n_sizes(members) > 1),
    _of_members("fine-tuning", lambda members: _has(members, FineTuning)),
    _of_members("contrastive fine-tuning", lambda members: _has(members, Contrastive)),
    _of_members("counts of words", lambda members: _has(members, Tfidf)),
    _of_members("unlabelled data", lambda members: _has(members, Unlabelled)),
)


def _n_sizes(members: tuple[Recipe, ...]) -> int:
    return len({member.backbone for member in members if isinstance(member.adapt, Probe)})


def _has(members: tuple[Recipe, ...], technique: type[Technique]) -> bool:
    return any(isinstance(member.adapt, technique) for member in members)


def _augmentations(trials: Sequence[Trial]) -> Iterator[Switch]:
    """Each policy of a probe, against no augmentation at all."""
    singles = (trial.recipe.members[0] for trial in trials)
    for policy in dict.fromkeys(recipe.augment for recipe in singles if isinstance(recipe.adapt, Probe)):
        if policy.operations:
            yield _augmentation(policy)


def _augmentation(policy: Policy) -> Switch:
    """A policy against no augmentation at all, for a probe."""
    return Switch(
        f"augmentation: {policy.name}",
        _probe_that(lambda recipe, _: recipe.augment == policy),
        _probe_that(lambda recipe, _: recipe.augment == Policy()),
        of_probes=True,
    )


def evidence(selection: Selection, folds: Folds, targets: Ints, metric: Metric) -> list[Row]:
    """Recipes with each technique minus those without it, on the same folds.

    One of the two is the chosen recipe where it has the technique on or off, and whatever else is nearest to it; what a
    probe may have on or off is compared at the best probe, which the chosen recipe was made from. A distilled recipe is
    compared with its teacher, which stands for it in all other rows. A technique that no tried recipe has on, or none
    off, is left out. The verdicts of one table are corrected together (Holm).

    Args:
        selection: All trials and the winner.
        folds: What they were tried on.
        targets: Class indices, shape (n,).
        metric: What the gain is measured in; more is better, for losses too.
    """
    pairs = list(_pairs(selection))
    gains = [nadeau_bengio(_differences(with_it, without, folds, targets, metric)) for *_, with_it, without in pairs]
    adjusted, unit = holm(np.array([gain.p for gain in gains])), metric.in_units
    return [
        Row(name, on, unit * gain.value, unit * gain.low, unit * gain.high, verdict(gain.low, gain.high, float(p)))
        for (name, on, *_), gain, p in zip(pairs, gains, adjusted, strict=True)
    ]


def _pairs(selection: Selection) -> Iterator[tuple[str, bool, Trial, Trial]]:
    """Of each technique its name, whether it is on, and the trials with it and without it."""
    base, winner = selection.trials[selection.base], selection.winner
    student = _nearest(winner, [trial for trial in selection.trials if _teacher_of(trial)])
    teacher = next((trial for trial in selection.trials if student and trial.recipe == _teacher_of(student)), None)
    trials = [trial for trial in selection.trials if not _teacher_of(trial)]
    untaught = teacher if teacher and winner is student else winner
    for switch in (*_augmentations(trials), *SWITCHES):
        chosen = base if switch.of_probes else untaught
        comparable = [trial for trial in trials if trial.few is not None or not chosen.recipe.is_trained]
        if switch.of_probes:  # the same on smaller pictures would gain by these, too
            seen_by = base.recipe.members[0].backbone
            comparable = [trial for trial in comparable if trial.recipe.members[0].backbone == seen_by]
        with_it = _nearest(chosen, [trial for trial in comparable if switch.is_on(trial.recipe)])
        without = _nearest(chosen, [trial for trial in comparable if switch.is_off(trial.recipe)])
        if with_it and without:
            yield switch.name, with_it is chosen, with_it, without
    if student and teacher:
        yield Distillation.technique, winner is student, student, teacher


def _teacher_of(trial: Trial) -> Teacher | None:
    """What taught it, if it was distilled."""
    technique = trial.recipe.members[0].adapt
    return technique.teacher if isinstance(technique, Distillation) else None


def _nearest(chosen: Trial, trials: list[Trial]) -> Trial | None:
    """The trial that shares most settings with the chosen one, and of those the one that usually does best."""
    wanted = _settings(chosen.recipe)

    def in_common(trial: Trial) -> tuple[bool, int, float]:
        return trial is chosen, -len(wanted ^ _settings(trial.recipe)), trial.prior

    return max(trials, key=in_common, default=None)


def _settings(recipe: Recipe | Ensemble) -> set[tuple[str, ...]]:
    """Everything that it is made of, and what that started from; penalties are found on the data, and say nothing."""
    found: set[tuple[str, ...]] = set()
    for member in recipe.members:
        found |= {("backbone", member.backbone), ("augment", str(member.augment))}
        started = getattr(member.adapt, "start", None)
        for technique in (member.adapt, *([started] if started else [])):
            settings = asdict(technique).items()
            found |= {(technique.technique, name, str(value)) for name, value in settings if name not in SILENT}
    return found


def _differences(with_it: Trial, without: Trial, folds: Folds, targets: Ints, metric: Metric) -> Floats:
    """Score with minus score without in every fold, shape (n_repeats, n_folds)."""
    on_few = with_it.recipe.is_trained or without.recipe.is_trained
    found = [trial.contributions(metric, targets, on_few) for trial in (with_it, without)]
    n_repeats = min(map(len, found))
    return fold_means(found[0][:n_repeats] - found[1][:n_repeats], folds.of(on_few)[:n_repeats])
