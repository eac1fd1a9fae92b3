"""What techniques that are trained step by step have in common: how long, how fast, and from which probe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from handful.transfer.probe import Probe
from handful.transfer.technique import Technique

if TYPE_CHECKING:
    from handful.training.settings import Training


class Trained(Technique):
    """A technique with steps; the settings named here are fields of the dataclass that it is.

    Its steps grow with the examples, within `least_steps` and `most_steps`.
    """

    seconds_a_step: ClassVar[float]  # on one slow core

    start: Probe
    steps_per_example: float
    least_steps: int
    most_steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float

    def n_steps(self, n_examples: int) -> int:
        """Of a training on so many examples."""
        return int(np.clip(self.steps_per_example * n_examples, self.least_steps, self.most_steps))

    def seconds(self, n_examples: int) -> float:
        """What one training takes on a slow core."""
        return self.seconds_a_step * self.n_steps(n_examples)

    def training(self, n_examples: int, mixed_precision: bool | None = None) -> Training:
        """For the loop."""
        from handful.training.settings import Training

        return Training(
            steps=self.n_steps(n_examples),
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            mixed_precision=mixed_precision,
        )

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Self:
        """The settings that `to_json` described."""
        return super().from_json({**saved, "start": Probe.from_json(saved.get("start", {}))})
