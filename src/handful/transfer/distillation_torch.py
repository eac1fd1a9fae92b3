"""What `distillation.py` describes, in torch: the views that are taught, the teacher's answers, the training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from handful.augment.policy import Policy
from handful.augment.views import ORIGINAL, views_of
from handful.core.errors import UsageError
from handful.evaluate.arrays import Floats, Ints
from handful.nn.backbone import Backbone
from handful.nn.features import Pixels, frozen_features
from handful.training.objective import Distillation as Answering
from handful.transfer.activations_torch import Activations, Halves, cached_activations
from handful.transfer.distillation import Distillation
from handful.transfer.fine_tuning_torch import Material, as_probe, cached_scores, starting_head, tune_cached
from handful.transfer.probe import FittedProbe
from handful.transfer.probe_head_torch import Tuned, one_thread
from handful.transfer.technique import Examples, Fitted, Problem

Answers = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Lessons:
    """What a student sees of what it is taught.

    Args:
        material: Of the labelled examples, for its probe.
        activations: At its boundary: all views of the labelled examples, then of the unlabelled ones; the first view is
            the example itself.
    """

    material: Material
    activations: Activations


def lessons_of(
    settings: Distillation, problem: Problem, backbone: Backbone, policy: Policy, unlabelled: Examples | None
) -> tuple[Examples, Lessons]:
    """Every view as a picture of its own, shape (n_all * n_views, size, size, 3), for teachers; and for students.

    Views are drawn at full size, so that teachers of any size are shown the same; that takes memory for all of them.
    They are computed once for a problem: every fold and the final fit see the same.

    Raises:
        UsageError: when examples are no pictures.
    """
    student, start = settings.student, settings.student.start

    def make() -> tuple[Examples, Lessons]:
        pools = [problem.examples] if unlabelled is None else [problem.examples, unlabelled]
        drawn = views_of(policy, settings.n_views_worth(sum(map(len, pools))))
        views = Examples(
            np.stack([view(picture) for pool in pools for picture in _pictures(pool) for view in drawn]),
            frozen_features,
        )
        every = cached_activations(
            backbone, views.seen_by(backbone), (ORIGINAL,), settings.n_frozen, progress=problem.progress
        )
        activations = Activations(*(_by_example(part, len(drawn)) for part in (every.flow, every.below)))
        features = problem.examples.features(backbone, views_of(policy)[: max(start.views) + 1])
        pixels = problem.examples.seen_by(backbone)
        material = Material(features, problem.targets, problem.n_classes, problem.units, pixels, policy, None)
        return views, Lessons(material, activations)

    shared = (backbone.name, policy, settings.n_frozen, student.n_views, start.views, start.test_views, unlabelled)
    return problem.remember(("distillation", *shared), make)


def answers_of(teacher: Fitted, views: Examples, lessons: Lessons) -> Answers:
    """The teacher's scores of every view, shape (n_all, n_views, n_classes)."""
    scores = teacher.scores(views).astype(np.float32)
    return scores.reshape(*lessons.activations.flow.shape[:2], scores.shape[1])


def left_out_scores(
    settings: Distillation,
    backbone: Backbone,
    lessons: Lessons,
    answers: Mapping[int, Answers],
    folds: Ints,
    left_out: Ints,
    seed: int,
) -> Floats:
    """Scores of a fold by a student whose teacher did not see it either, shape (n_left_out, n_classes)."""
    kept = np.setdiff1d(np.arange(len(lessons.material.targets)), left_out)
    with one_thread():
        tuned = taught(settings, backbone, lessons, answers[int(folds[left_out[0]])], kept, seed)
        at_test = settings.student.start.test_views
        return cached_scores(tuned, lessons.activations, settings.n_frozen, left_out, at_test)


def student_probe(
    settings: Distillation, backbone: Backbone, lessons: Lessons, answers: Answers, policy: Policy, seed: int
) -> FittedProbe:
    """Taught on all examples, as a probe on a network of its own."""
    with one_thread():
        tuned = taught(settings, backbone, lessons, answers, np.arange(len(lessons.material.targets)), seed)
    return as_probe(tuned, settings.student.start, backbone, policy)


def taught(
    settings: Distillation, backbone: Backbone, lessons: Lessons, answers: Answers, kept: Ints, seed: int
) -> Tuned:
    """A student of some labelled examples, and of all unlabelled ones, from the exact probe of the former."""
    n_labelled, n_all = len(lessons.material.targets), len(answers)
    head = starting_head(settings.student, backbone, lessons.material, kept)
    rows = np.concatenate([kept, np.arange(n_labelled, n_all)])
    some = Activations(lessons.activations.flow[rows], lessons.activations.below[rows])
    wanted = np.float32(1 if settings.scale is None else settings.scale) * answers[rows]
    objective = Answering(settings.temperature)
    return tune_cached(settings.student, backbone, head, some, wanted, seed, objective=objective)[0]


def _by_example(kept: Halves, n_views: int) -> Halves:
    """From one view of every view to all views of every example."""
    return kept.reshape(-1, n_views, *kept.shape[2:])


def _pictures(examples: Examples) -> Pixels:
    if not isinstance(examples.raw, np.ndarray):
        raise UsageError("only pictures can be taught here", "Distillation", "choose another technique for texts")
    return examples.raw
