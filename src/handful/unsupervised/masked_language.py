"""Masked language modelling: the sentence encoder reads on in texts of the user's own field, guessing hidden words.

Source: Devlin et al. 2019, arXiv:1810.04805, section 3.1 (of the words to guess 80 % are hidden, 10 % exchanged and
10 % left); Gururangan et al. 2020, arXiv:2004.10964 (reading on in the user's field before the task). Differs: the
encoder was trained on sentences and has lost its head for words, so a new one starts from the word vectors; these stay
as they are; it is guessed among the words of these texts alone, which takes a fraction of the time; few and small
steps, lest what it knows of sentences be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from handful.core.errors import UsageError
from handful.core.progress import SILENT, Progress
from handful.nn.text_backbone import TextBackbone
from handful.nn.tuned_encoder import TunedSentenceEncoder

if TYPE_CHECKING:
    from handful.training.checkpoint import Checkpoint, Run


@dataclass(frozen=True)
class MaskedLanguage:
    """How the encoder reads on.

    Args:
        share: Of the words of a text that are to be guessed.
        steps: Batches.
        batch_size: Passages in a step.
        learning_rate: Of the topmost layer, at its highest.
        head_factor: Times that, for the new head.
        decay: Times that, for every layer further down.
        weight_decay: Of matrices.
    """

    share: float = 0.15
    steps: int = 200
    batch_size: int = 32
    learning_rate: float = 5e-5
    head_factor: float = 20.0
    decay: float = 0.8
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise UsageError(f"share={self.share} is not between 0 and 1", "MaskedLanguage")

    def read_on(
        self,
        texts: Sequence[str],
        encoder: TextBackbone,
        seed: int,
        checkpoint: Checkpoint | None = None,
        progress: Progress = SILENT,
        watch: Callable[[Run], None] | None = None,
    ) -> TunedSentenceEncoder:
        """The encoder after it has read some texts; it is the same kind of backbone as before.

        Args:
            texts: At least two different ones; long ones are cut into passages.
            encoder: all-MiniLM-L6-v2, published or tuned.
            seed: Of order and hidden words.
            checkpoint: Where a training that was killed goes on.
            progress: Shows the loss.
            watch: Called after every step; it may raise `TimeIsUp`, and what was learned until then is kept.
        Raises:
            UsageError: when the encoder is another network.
            DataError: when there is nothing to read.
            JobError: when the loss is no longer a number.
        """
        from handful.unsupervised.masked_language_torch import read_on

        return read_on(self, texts, encoder, seed, checkpoint, progress, watch)
