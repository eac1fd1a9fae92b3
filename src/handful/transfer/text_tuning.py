"""Fine-tuning of the sentence encoder by cross entropy, from the exact probe as head; or of LoRA adapters alone.

Source: Kumar et al. 2022, arXiv:2202.10054 (linear probe, then fine-tune); Hu et al. 2021, arXiv:2106.09685 (LoRA).
Differs: the probe is exact; word vectors stay as they are; adapters are merged into the weights they stand beside, so
that what ships is the same graph whatever was trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from handful.augment.policy import Policy
from handful.core.errors import UsageError
from handful.evaluate.arrays import Floats, Ints
from handful.nn.backbone import Backbone
from handful.nn.minilm import N_LAYERS
from handful.transfer.probe import FittedProbe, Probe
from handful.transfer.technique import Problem, left_out_in_folds
from handful.transfer.trained import Trained


@dataclass(frozen=True)
class TextTuning(Trained):
    """What is trained, and how.

    Args:
        start: The probe that the head starts from.
        n_layers: How many of the last layers are trained, with the head.
        rank: Of the LoRA adapters beside the queries and values of these layers, which are then trained in their place;
            None trains the layers themselves.
        steps_per_example: Steps for each training example, within `least_steps` and `most_steps`.
        least_steps: At least so many.
        most_steps: At most so many.
        batch_size: Texts in a step.
        learning_rate: Of the topmost layer, at its highest.
        head_factor: Times that, for the head.
        decay: Times that, for every layer further down.
        weight_decay: Of matrices.
        label_smoothing: From 0 to below 1.
    """

    technique: ClassVar[str] = "text fine-tuning"

    start: Probe
    n_layers: int = N_LAYERS
    rank: int | None = None
    steps_per_example: float = 0.25
    least_steps: int = 20
    most_steps: int = 300
    batch_size: int = 32
    learning_rate: float = 1e-4
    head_factor: float = 0.3
    decay: float = 0.9
    weight_decay: float = 0.01
    label_smoothing: float = 0.1

    def __post_init__(self) -> None:
        if not 1 <= self.n_layers <= N_LAYERS:
            raise UsageError(f"n_layers={self.n_layers} is not 1 to {N_LAYERS}", "TextTuning")
        if self.rank is not None and self.rank < 1:
            raise UsageError(f"rank={self.rank} is not 1 or more", "TextTuning", "or None, for no adapters")

    @property
    def n_frozen(self) -> int:
        """Layers below those that are trained."""
        return N_LAYERS - self.n_layers

    def out_of_fold(
        self,
        problem: Problem,
        backbone: Backbone,
        policy: Policy,  # noqa: ARG002 - texts have no views
        folds: Ints,
    ) -> tuple[TextTuning, Floats]:
        """One training for each fold of the first repeat, several side by side; shape (1, n, n_classes)."""
        from handful.transfer.text_activations_torch import text_material
        from handful.transfer.text_tuning_torch import left_out_scores

        material = text_material(problem, backbone, self.n_frozen)
        given, label = (self, backbone, material), f"fine-tuning ({backbone.name})"
        return self, left_out_in_folds(problem, folds, left_out_scores, given, label)

    def fit(self, problem: Problem, backbone: Backbone, policy: Policy) -> FittedProbe:
        """One training on all examples: a probe again, on an encoder of its own."""
        from handful.transfer.text_activations_torch import text_material
        from handful.transfer.text_tuning_torch import tuned_probe

        return tuned_probe(self, backbone, text_material(problem, backbone, self.n_frozen), problem, policy)

    def describe(self, backbone: str, policy: Policy) -> str:  # noqa: ARG002
        """One sentence in words."""
        which = "all" if self.n_layers == N_LAYERS else f"the last {self.n_layers}"
        what = "fine-tuning" if self.rank is None else f"LoRA adapters of rank {self.rank} in"
        of = " of" if self.rank is None else ""
        return f"{what}{of} {which} layers of {Path(backbone).name} from the exact probe"

    def brief(self, backbone: str, policy: Policy) -> str:  # noqa: ARG002
        """A few words, for tables and charts."""
        return f"{'fine-tuned' if self.rank is None else f'LoRA {self.rank}'}: {self.n_layers} layers"
