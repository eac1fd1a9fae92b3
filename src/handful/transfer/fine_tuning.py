"""Fine-tuning: the probe's head and the last blocks of the network, trained together on several views.

The frozen part is run once for every view; from then on an epoch costs the last blocks alone. With `n_blocks="all"`
the whole network is trained, on images that are augmented anew each time.

Source: Kumar et al. 2022, arXiv:2202.10054 (linear probe, then fine-tune); Howard and Ruder 2018, arXiv:1801.06146
(learning rates that fall with depth; gradual unfreezing); Frankle et al. 2021, arXiv:2003.00152 (what normalisation
alone can learn). Differs: the probe is exact; BatchNorm keeps the statistics of the pre-training; several blocks are
unfrozen at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from handful.augment.policy import Policy
from handful.core.errors import UsageError
from handful.evaluate.arrays import Floats, Ints
from handful.nn.backbone import Backbone
from handful.transfer.probe import FittedProbe, Probe
from handful.transfer.technique import Problem, left_out_in_folds
from handful.transfer.trained import Trained

N_BLOCKS = 16  # of the embedded network
MOST_KEPT = 8000  # views of all examples together
N_PHASES = 3  # of gradual unfreezing


@dataclass(frozen=True)
class FineTuning(Trained):
    """What is trained, and how.

    Args:
        start: The probe that the head starts from; its layers, power and views at test time stay.
        n_blocks: How many of the last blocks are trained, with the network's last convolution and the head; or "all",
            the stem too.
        n_views: Fixed views of each example that are drawn from, where something is frozen.
        steps_per_example: Steps for each training example, within `least_steps` and `most_steps`.
        least_steps: At least so many.
        most_steps: At most so many.
        learning_rate: Of the topmost part of the network, at its highest.
        head_factor: Times that, for the head.
        decay: Times that, for every block further down.
        batch_size: Examples in a step.
        weight_decay: Of kernels and matrices.
        label_smoothing: From 0 to below 1.
        trains: Everything in these blocks, or the scales and shifts of their normalisation alone (with the head).
        unfreezing: All blocks from the start, or from the top down in `N_PHASES` phases of as many steps, each with a
            schedule of its own.
    """

    technique: ClassVar[str] = "fine-tuning"
    seconds_a_step: ClassVar[float] = 0.3

    start: Probe
    n_blocks: int | Literal["all"] = 11
    n_views: int = 24
    steps_per_example: float = 1.5
    least_steps: int = 60
    most_steps: int = 300
    learning_rate: float = 1e-3
    head_factor: float = 0.3
    decay: float = 0.9
    batch_size: int = 16
    weight_decay: float = 0.01
    label_smoothing: float = 0.1
    trains: Literal["all", "norms"] = "all"
    unfreezing: Literal["at once", "gradual"] = "at once"

    def __post_init__(self) -> None:
        if self.n_blocks != "all" and not 0 <= self.n_blocks <= N_BLOCKS:
            raise UsageError(f"n_blocks={self.n_blocks} is not 0 to {N_BLOCKS}, nor 'all'", "FineTuning")
        if not 0 < self.head_factor < float("inf"):
            raise UsageError(f"head_factor={self.head_factor} is not above 0", "FineTuning")
        if self.trains not in ("all", "norms"):
            raise UsageError(f"trains={self.trains!r} is neither 'all' nor 'norms'", "FineTuning")
        if self.unfreezing not in ("at once", "gradual"):
            raise UsageError(f"unfreezing={self.unfreezing!r} is neither 'at once' nor 'gradual'", "FineTuning")
        if self.n_views <= max(self.start.test_views):
            n_needed = max(self.start.test_views) + 1
            what = f"n_views={self.n_views} is fewer than the {n_needed} views that a prediction is averaged over"
            raise UsageError(what, "FineTuning")

    @property
    def n_frozen(self) -> int | None:
        """How many blocks lie below those that are trained; None when nothing is frozen, not even the stem."""
        return None if self.n_blocks == "all" else N_BLOCKS - self.n_blocks

    def n_views_worth(self, n_examples: int) -> int:
        """Views of so many examples: fewer when examples are many, where they matter less and take much memory."""
        return max(max(self.start.test_views) + 1, min(self.n_views, MOST_KEPT // n_examples))

    def out_of_fold(
        self, problem: Problem, backbone: Backbone, policy: Policy, folds: Ints
    ) -> tuple[FineTuning, Floats]:
        """One training for each fold of the first repeat, several side by side; shape (1, n, n_classes)."""
        from handful.transfer.activations_torch import in_reach
        from handful.transfer.fine_tuning_torch import left_out_scores, material_of

        material = material_of(self, problem, backbone, policy)
        given, label = (self, backbone, material), f"fine-tuning ({backbone.name})"
        return self, left_out_in_folds(in_reach(problem, material.activations), folds, left_out_scores, given, label)

    def fit(self, problem: Problem, backbone: Backbone, policy: Policy) -> FittedProbe:
        """One training on all examples: a probe again, on a network of its own."""
        from handful.transfer.fine_tuning_torch import material_of, tuned_probe

        material = material_of(self, problem, backbone, policy)
        return tuned_probe(self, backbone, material, policy, problem.seed)

    def describe(self, backbone: str, policy: Policy) -> str:
        """One sentence in words."""
        what = "the whole network" if self.n_blocks == "all" else f"the last {self.n_blocks} blocks"
        what = f"the normalisation in {what}" if self.trains == "norms" else what
        order = ", unfrozen from the top down" if self.unfreezing == "gradual" else ""
        return f"fine-tuning of {what} of {Path(backbone).name}{order} from the exact probe (policy {policy.name})"

    def brief(self, backbone: str, policy: Policy) -> str:
        """A few words, for tables and charts."""
        _, at, size = backbone.partition("+")[0].partition("@")
        return f"fine-tuned: {self.n_blocks} blocks, {policy.name}" + (f", {size} px" if at else "")
