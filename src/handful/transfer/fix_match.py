"""FixMatch: fine-tuning that learns from unlabelled pictures too, where it is sure of them.

Every unlabelled picture is shown twice, as it is and strongly altered. Where the network is sure of the first, the
second shall get the same answer.

Source: Sohn et al. 2020, arXiv:2001.07685, eq. 3 and 4; Berthelot et al. 2021 (AdaMatch), arXiv:2106.04732, eq. 3, for
a threshold relative to how sure the network is of labelled examples. Differs: it starts from the exact probe; what is
altered is drawn from a few fixed views, so that the frozen part of the network is run once; plain views are not even
mirrored; the pool counts 0.3, not 1, with one picture for each labelled one, not seven: with so few steps more of it
did harm (docs/unsupervised.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from handful.augment.policy import Policy
from handful.core.errors import UsageError
from handful.evaluate.arrays import Floats, Ints
from handful.nn.backbone import Backbone
from handful.nn.features import SECONDS_A_VIEW
from handful.transfer.fine_tuning import FineTuning
from handful.transfer.probe import FittedProbe
from handful.transfer.technique import Problem, Technique, left_out_in_folds

MOST_OF_POOL = 400  # unlabelled pictures


@dataclass(frozen=True)
class FixMatch(Technique):
    """What is trained, and what of the pool counts.

    Args:
        student: How the network is trained: blocks, views, steps, rates; some blocks must be frozen.
        strong: The policy that alters unlabelled pictures, as text.
        threshold: An unlabelled picture counts where the network is at least so sure of it, as a share of how sure it
            is of the labelled ones in the batch.
        weight: Of the unlabelled pictures' loss.
        pool_share: Unlabelled pictures in a step for each labelled one.
        n_altered: Altered views of each unlabelled picture that are drawn from.
    """

    technique: ClassVar[str] = "fix-match"

    student: FineTuning
    strong: str
    threshold: float = 0.9
    weight: float = 0.3
    pool_share: int = 1
    n_altered: int = 6

    def __post_init__(self) -> None:
        if self.student.n_frozen is None:
            what = "a network that is trained from end to end cannot learn from kept activations"
            raise UsageError(what, "FixMatch", "choose n_blocks from 0 to 16")
        if not 0 < self.threshold <= 1 or self.weight < 0 or min(self.pool_share, self.n_altered) < 1:
            what = "threshold is not above 0 and at most 1, weight below 0, or pool_share or n_altered below 1"
            raise UsageError(what, "FixMatch")
        Policy.parse(self.strong)

    @property
    def n_frozen(self) -> int:
        """How many of the student's blocks are frozen."""
        return self.student.n_frozen or 0

    def seconds(self, n_examples: int) -> float:
        """Of the labelled pictures forwards and backwards, and of the pool that way and once more forwards."""
        views = SECONDS_A_VIEW * MOST_OF_POOL * (1 + self.n_altered)
        return self.student.seconds(n_examples) * (1 + 4 / 3 * self.pool_share) + views

    def out_of_fold(self, problem: Problem, backbone: Backbone, policy: Policy, folds: Ints) -> tuple[FixMatch, Floats]:
        """One training for each fold of the first repeat, several side by side; shape (1, n, n_classes)."""
        from handful.transfer.activations_torch import in_reach
        from handful.transfer.fine_tuning_torch import material_of
        from handful.transfer.fix_match_torch import left_out_scores, pool_of

        material, pool = material_of(self.student, problem, backbone, policy), pool_of(self, problem, backbone)
        given, label = (self, backbone, material, pool), f"FixMatch ({backbone.name})"
        return self, left_out_in_folds(
            in_reach(problem, material.activations, pool), folds, left_out_scores, given, label
        )

    def fit(self, problem: Problem, backbone: Backbone, policy: Policy) -> FittedProbe:
        """One training on all examples: a probe again, on a network of its own."""
        from handful.transfer.fine_tuning_torch import material_of
        from handful.transfer.fix_match_torch import matched_probe, pool_of

        material, pool = material_of(self.student, problem, backbone, policy), pool_of(self, problem, backbone)
        return matched_probe(self, backbone, material, pool, policy, problem.seed)

    def describe(self, backbone: str, policy: Policy) -> str:
        """One sentence in words."""
        return f"{self.student.describe(backbone, policy)}, on unlabelled pictures too (FixMatch)"

    def brief(self, backbone: str, policy: Policy) -> str:
        """A few words, for tables and charts."""
        return self.student.brief(backbone, policy).replace("fine-tuned", "FixMatch", 1)

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Self:
        """The settings that `to_json` described."""
        return super().from_json({**saved, "student": FineTuning.from_json(saved.get("student", {}))})
