"""Distillation: one network learns to answer as a better, larger model does.

The teacher is whatever makes a model of a problem: an ensemble, say, or a recipe on a larger backbone. The student is
the network of one backbone, from its own exact probe, its last blocks trained as in fine-tuning. Both are shown the
very same views, of the training examples and of unlabelled ones where there are any; labels play no part beyond the
teacher and the probe.

Source: Beyer et al. 2022, arXiv:2106.05237 (the same views for both; patience); Hinton et al. 2015, arXiv:1503.02531.
Differs: views are fixed, so that the teacher and the frozen blocks see each of them once; views are not mixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from handful.augment.policy import Policy
from handful.core.errors import ModelError, UsageError
from handful.evaluate.arrays import Floats, Ints
from handful.evaluate.calibration import fit_temperature
from handful.nn.backbone import Backbone
from handful.transfer.fine_tuning import FineTuning
from handful.transfer.probe import FittedProbe
from handful.transfer.technique import Examples, Fitted, Problem, Technique, left_out_in_folds

MOST_TAUGHT = 2400  # views of all examples together: teachers see them at full size
SECONDS_AN_ANSWER = 0.01  # of a teacher to one view, on a slow machine


class Teacher(Protocol):
    """What makes a model of a problem: a recipe, or several that vote."""

    def seconds(self, n_examples: int) -> float:
        """What one fit to so many examples takes; 0 for what is exact."""

    def fit(self, problem: Problem) -> Fitted:
        """The model of all examples of a problem."""

    def brief(self) -> str:
        """A few words, for tables and charts."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""


@dataclass(frozen=True)
class Distillation(Technique):
    """Who teaches whom, and how.

    Args:
        teacher: Fitted anew on the training part of every fold.
        student: How the network is trained: blocks, views, steps, rates. A step counts labelled and unlabelled examples
            alike. A patient student takes more steps than a fine-tuning.
        temperature: Of the answers, see `training.objective.Distillation`.
        scale: Times the teacher's scores, so that their softmax is a sound probability; found out of fold when None,
            and 1 where there are no folds.
    """

    technique: ClassVar[str] = "distillation"

    teacher: Teacher
    student: FineTuning
    temperature: float = 1.0
    scale: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise UsageError(f"temperature={self.temperature} is not above 0", "Distillation")
        if self.student.n_frozen is None:
            what = "a student whose whole network is trained cannot learn from kept activations"
            raise UsageError(what, "Distillation", "choose n_blocks from 0 to 16")

    @property
    def n_frozen(self) -> int:
        """How many of the student's blocks are frozen."""
        return self.student.n_frozen or 0

    def n_views_worth(self, n_examples: int) -> int:
        """Views of so many examples: fewer when examples are many, where they matter less and take much memory."""
        least = max(self.student.start.test_views) + 1
        return max(least, min(self.student.n_views, MOST_TAUGHT // n_examples))

    def seconds(self, n_examples: int) -> float:
        """Of the teacher, of its answers to all views, and of the student."""
        answering = SECONDS_AN_ANSWER * n_examples * self.n_views_worth(n_examples)
        return self.teacher.seconds(n_examples) + answering + self.student.seconds(n_examples)

    def out_of_fold(
        self, problem: Problem, backbone: Backbone, policy: Policy, folds: Ints, unlabelled: Examples | None = None
    ) -> tuple[Distillation, Floats]:
        """A teacher and a student for each fold of the first repeat, both without it; shape (1, n, n_classes).

        Teachers are fitted one after the other, then students are trained side by side.
        """
        from handful.transfer.activations_torch import in_reach
        from handful.transfer.distillation_torch import answers_of, left_out_scores, lessons_of

        views, lessons = lessons_of(self, problem, backbone, policy, unlabelled)
        numbers = [int(number) for number in np.unique(folds[0]) if number >= 0]
        answers = {
            number: answers_of(self.teacher.fit(problem.take(np.flatnonzero(folds[0] != number))), views, lessons)
            for number in numbers
        }
        settled = self if self.scale is not None else replace(self, scale=_scale(answers, problem.targets, folds[0]))
        given, problem = (settled, backbone, lessons, answers, folds[0]), in_reach(problem, lessons.activations)
        return settled, left_out_in_folds(problem, folds, left_out_scores, given, f"distilling ({backbone.name})")

    def fit(
        self, problem: Problem, backbone: Backbone, policy: Policy, unlabelled: Examples | None = None
    ) -> FittedProbe:
        """The teacher and then the student on all examples: a probe again, on a network of its own."""
        return self.distilled(self.teacher.fit(problem), problem, backbone, policy, unlabelled)

    def distilled(
        self,
        teacher: Fitted,
        problem: Problem,
        backbone: Backbone,
        policy: Policy,
        unlabelled: Examples | None = None,
    ) -> FittedProbe:
        """A student of a teacher that is already there."""
        from handful.transfer.distillation_torch import answers_of, lessons_of, student_probe

        views, lessons = lessons_of(self, problem, backbone, policy, unlabelled)
        return student_probe(self, backbone, lessons, answers_of(teacher, views, lessons), policy, problem.seed)

    def describe(self, backbone: str, policy: Policy) -> str:
        """One sentence in words."""
        return f"{self.student.describe(backbone, policy)}, taught by {self.teacher.brief()}"

    def brief(self, backbone: str, policy: Policy) -> str:
        """A few words, for tables and charts."""
        return f"distilled, {self.student.brief(backbone, policy)}"

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the name of the technique."""
        own = {"technique": self.technique, "temperature": self.temperature, "scale": self.scale}
        return {**own, "teacher": self.teacher.to_json(), "student": self.student.to_json()}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Distillation:
        """The settings that `to_json` described, with the teacher read already: recipes are another room's.

        Raises:
            ModelError: when the teacher is still plain values.
        """
        if isinstance(saved.get("teacher"), Mapping):
            raise ModelError("the teacher of a distillation has not been read", remedy="give it as a recipe")
        return super().from_json({**saved, "student": FineTuning.from_json(saved.get("student", {}))})


def _scale(answers: Mapping[int, npt.NDArray[np.floating]], targets: Ints, folds: Ints) -> float:
    """The best temperature's factor for what teachers say of plain views that they never learned from."""
    predicted = np.flatnonzero(folds >= 0)
    held_out = np.stack([answers[int(folds[row])][row, 0] for row in predicted])
    return fit_temperature(held_out.astype(np.float64), targets[predicted], with_bias=False).scale
