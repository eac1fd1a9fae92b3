"""A recipe says everything that was decided: nothing else decides."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from handful.augment.policy import Policy
from handful.evaluate.arrays import Floats, Ints
from handful.transfer.technique import Fitted, Problem, Technique


@dataclass(frozen=True)
class Recipe:
    """Which backbone, how it is adapted, and what the views of an example are drawn from.

    It prints, saves (`to_json`), comes back equal (`recipe_of` in `saved.py`) and refits to the same model.

    Args:
        backbone: Name or folder of the backbone.
        adapt: The technique of transfer, with its settings.
        augment: The policy.
    """

    backbone: str
    adapt: Technique
    augment: Policy = field(default_factory=Policy)

    @property
    def members(self) -> tuple[Recipe, ...]:
        """Itself: an ensemble has several."""
        return (self,)

    @property
    def is_trained(self) -> bool:
        """Whether every fold costs a training."""
        return self.adapt.is_trained

    def seconds(self, n_examples: int) -> float:
        """What one training on so many examples takes on a slow core; 0 for what is exact."""
        return self.adapt.seconds(n_examples)

    def out_of_fold(self, problem: Problem, folds: Ints) -> tuple[Recipe, Floats]:
        """The recipe with every setting filled in, and scores by models that never saw the example's fold."""
        adapt, scores = self.adapt.out_of_fold(problem, problem.seen_through(self.backbone), self.augment, folds)
        return replace(self, adapt=adapt), scores

    def fit(self, problem: Problem) -> Fitted:
        """The model of all examples."""
        return self.adapt.fit(problem, problem.seen_through(self.backbone), self.augment)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"backbone": self.backbone, "adapt": self.adapt.to_json(), "augment": str(self.augment)}

    def describe(self) -> str:
        """One sentence in words."""
        return self.adapt.describe(self.backbone, self.augment)

    def brief(self) -> str:
        """A few words, for tables and charts."""
        return self.adapt.brief(self.backbone, self.augment)
