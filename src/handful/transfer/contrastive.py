"""Contrastive fine-tuning of the sentence encoder: texts of a class are drawn together, those of others apart.

Then the exact probe is fitted on what the tuned encoder makes of the texts. A step embeds a batch of texts once and
learns from all of its pairs, where SetFit embeds both texts of each pair: for 48 texts that is 48 embeddings for 1,128
pairs instead of for 24.

Source: Tunstall et al. 2022, arXiv:2209.11055 (SetFit). Differs: all pairs of a batch; word vectors stay as they are;
an exact ridge regression takes the place of a logistic one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from handful.augment.policy import Policy
from handful.nn.minilm import N_LAYERS
from handful.transfer.probe import Probe
from handful.transfer.trained_on_texts import TrainedOnTexts, Work


@dataclass(frozen=True)
class Contrastive(TrainedOnTexts):
    """What is trained, and how.

    Args:
        start: The probe that is fitted afterwards. It is the last layer that is drawn together and apart, whatever it
            reads.
        n_layers: How many of the last layers are trained.
        steps_per_example: Steps for each training example, within `least_steps` and `most_steps`.
        least_steps: At least so many.
        most_steps: At most so many.
        batch_size: Texts in a step that bring another one of their class along.
        learning_rate: Of the topmost layer, at its highest.
        decay: Times that, for every layer further down.
        weight_decay: Of matrices.
    """

    technique: ClassVar[str] = "contrastive"
    seconds_a_step: ClassVar[float] = 0.5

    start: Probe
    n_layers: int = N_LAYERS
    steps_per_example: float = 0.5
    least_steps: int = 8
    most_steps: int = 60
    batch_size: int = 32
    learning_rate: float = 2e-4
    decay: float = 0.9
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        self.check_layers()

    def _work(self) -> Work:
        from handful.transfer.contrastive_torch import left_out_scores, tuned_probe

        return left_out_scores, tuned_probe

    def describe(self, backbone: str, policy: Policy) -> str:  # noqa: ARG002
        """One sentence in words."""
        return f"contrastive fine-tuning of {self.which_layers} layers of {Path(backbone).name}, then the exact probe"

    def brief(self, backbone: str, policy: Policy) -> str:  # noqa: ARG002
        """A few words, for tables and charts."""
        return f"contrastive: {self.n_layers} layers"
