"""What techniques that train the last layers of the sentence encoder have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Self

from handful.augment.policy import Policy
from handful.core.errors import UsageError
from handful.evaluate.arrays import Floats, Ints
from handful.nn.backbone import Backbone
from handful.nn.minilm import N_LAYERS
from handful.transfer.probe import FittedProbe
from handful.transfer.technique import Problem, left_out_in_folds
from handful.transfer.trained import Trained

Work = tuple[Callable[..., Floats], Callable[..., FittedProbe]]


class TrainedOnTexts(Trained):
    """Texts have no views: their windows are cut once, for every fold and the last fit."""

    n_layers: int

    @abstractmethod
    def _work(self) -> Work:
        """Scores of what is left out by a training on the rest, and the training on all; both need torch."""

    @property
    def n_frozen(self) -> int:
        """Layers below those that are trained."""
        return N_LAYERS - self.n_layers

    @property
    def which_layers(self) -> str:
        """In words."""
        return "all" if self.n_layers == N_LAYERS else f"the last {self.n_layers}"

    def check_layers(self) -> None:
        """Refuse a number of layers that there are not."""
        if not 1 <= self.n_layers <= N_LAYERS:
            raise UsageError(f"n_layers={self.n_layers} is not 1 to {N_LAYERS}", type(self).__name__)

    def out_of_fold(
        self,
        problem: Problem,
        backbone: Backbone,
        policy: Policy,  # noqa: ARG002
        folds: Ints,
    ) -> tuple[Self, Floats]:
        """One training for each fold of the first repeat, several side by side; shape (1, n, n_classes)."""
        given, label = (self, backbone, self._material(problem, backbone)), f"{self.technique} ({backbone.name})"
        return self, left_out_in_folds(problem, folds, self._work()[0], given, label)

    def fit(self, problem: Problem, backbone: Backbone, policy: Policy) -> FittedProbe:
        """One training on all examples: a probe again, on an encoder of its own."""
        return self._work()[1](self, backbone, self._material(problem, backbone), problem, policy)

    def _material(self, problem: Problem, backbone: Backbone) -> Any:
        from handful.transfer.text_material_torch import text_material

        return text_material(problem, backbone)
