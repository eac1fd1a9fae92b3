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
from handful.nn.minilm import N_LAYERS
from handful.transfer.probe import Probe
from handful.transfer.trained_on_texts import TrainedOnTexts, Work


@dataclass(frozen=True)
class TextTuning(TrainedOnTexts):
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
        self.check_layers()
        if self.rank is not None and self.rank < 1:
            raise UsageError(f"rank={self.rank} is not 1 or more", "TextTuning", "or None, for no adapters")

    def _work(self) -> Work:
        from handful.transfer.text_tuning_torch import left_out_scores, tuned_probe

        return left_out_scores, tuned_probe

    def describe(self, backbone: str, policy: Policy) -> str:  # noqa: ARG002
        """One sentence in words."""
        what = "fine-tuning" if self.rank is None else f"LoRA adapters of rank {self.rank} in"
        of = " of" if self.rank is None else ""
        return f"{what}{of} {self.which_layers} layers of {Path(backbone).name} from the exact probe"

    def brief(self, backbone: str, policy: Policy) -> str:  # noqa: ARG002
        """A few words, for tables and charts."""
        return f"{'fine-tuned' if self.rank is None else f'LoRA {self.rank}'}: {self.n_layers} layers"
