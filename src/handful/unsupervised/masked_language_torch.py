"""What `masked_language.py` describes, in torch: which words are hidden, the head that guesses them, the training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from handful.core.budget import TimeIsUp
from handful.core.errors import DataError, UsageError
from handful.core.progress import Progress
from handful.nn.minilm import NORM_EPSILON, WIDTH
from handful.nn.minilm_torch import MiniLM
from handful.nn.text_backbone import TextBackbone
from handful.nn.text_windows import TextWindows
from handful.nn.tuned_encoder import TunedSentenceEncoder
from handful.training.checkpoint import Checkpoint, Run
from handful.training.loop import train
from handful.training.objective import LossTerms, Objective
from handful.training.parameters import layerwise
from handful.training.settings import Training
from handful.unsupervised.masked_language import MaskedLanguage

HIDDEN, EXCHANGED = 0.8, 0.1  # of the words to guess; the others are left as they are
FIRST_WORD = 999  # ids below are special or not in use
NOT_ASKED = -100  # the target of a word that is not to be guessed, as `cross_entropy` has it

Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class WithWords(nn.Module):
    """Token ids, mask and where to guess, all (n, length), to a score of every known word there, (n_asked, n_known).

    Args:
        network: Its word vectors are the last layer of the head, and no gradient reaches them.
        known: Ids of the words that may stand there, shape (n_known,).
    """

    def __init__(self, network: MiniLM, known: Ids) -> None:
        super().__init__()
        self.network = network
        self.turn, self.norm = nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH, NORM_EPSILON)
        self.vectors = network.words.weight.detach()[torch.from_numpy(known)]
        self.bias = nn.Parameter(torch.zeros(len(known)))
        nn.init.eye_(self.turn.weight)
        nn.init.zeros_(self.turn.bias)

    def forward(self, ids: Tensor, mask: Tensor, asked: Tensor) -> Tensor:
        states = self.network.states(ids, mask)[asked]
        return functional.linear(self.norm(self.turn(states)), self.vectors, self.bias)


@dataclass(frozen=True)
class HiddenWords(Objective):
    """Cross entropy of the words to guess; a batch is (ids, mask, targets), with `NOT_ASKED` where nothing is asked."""

    def loss(self, module: nn.Module, batch: Any, rng: np.random.Generator) -> LossTerms:  # noqa: ARG002
        """The mean over the words to guess, scalar; draws nothing."""
        ids, mask, targets = batch
        asked = targets != NOT_ASKED
        return LossTerms(functional.cross_entropy(module(ids, mask, asked).float(), targets[asked]))


def read_on(
    settings: MaskedLanguage,
    texts: Sequence[str],
    encoder: TextBackbone,
    seed: int,
    checkpoint: Checkpoint | None,
    progress: Progress,
    watch: Callable[[Run], None] | None,
) -> TunedSentenceEncoder:
    """See `MaskedLanguage.read_on`."""
    network = encoder.module()
    if not isinstance(network, MiniLM):
        raise UsageError("only the embedded sentence encoder can read on", encoder.name, "use all-minilm-l6-v2")
    passages = passages_of(texts, encoder.windows)
    known = np.unique(np.concatenate(passages))
    known = known[known >= FIRST_WORD]
    for frozen in (network.words, network.positions):
        frozen.requires_grad_(False)
    mask_id = encoder.windows.tokenizer.token_to_id("[MASK]")

    def fetch(rows: Ids, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        ids, mask = padded([passages[row] for row in rows])
        shown, asked = with_hidden(ids, settings.share, known, mask_id, rng)
        targets = np.where(asked, np.searchsorted(known, ids), NOT_ASKED)
        return torch.from_numpy(shown), torch.from_numpy(mask), torch.from_numpy(targets)

    below = layerwise(["network.norm", *(f"network.layers.{at}" for at in range(len(network.layers)))], settings.decay)
    how = Training(
        steps=settings.steps,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
    )
    with suppress(TimeIsUp):
        train(
            WithWords(network, known),
            HiddenWords(),
            fetch,
            len(passages),
            how,
            seed,
            rate_share=lambda name: below(name) if name.startswith("network.") else settings.head_factor,
            checkpoint=checkpoint,
            progress=progress,
            watch=watch,
        )
    return TunedSentenceEncoder(network.as_published())


def passages_of(texts: Sequence[str], windows: TextWindows) -> list[Ids]:
    """Token ids of every passage that has words, each once, in an order of their own.

    Raises:
        DataError: when fewer than two different ones are there.
    """
    found = [
        row[: int(mask.sum())]
        for batch in windows.batches(windows.tokens(texts))
        for row, mask in zip(batch.ids, batch.mask, strict=True)
    ]
    different = {ids.tobytes(): ids for ids in found if (ids >= FIRST_WORD).any()}
    if len(different) < 2:
        what = f"{len(texts)} texts hold {len(different)} different passages with words; at least two are needed"
        raise DataError(what, "masked language", "give a pool of texts of the field that the model is for")
    return list(different.values())


def padded(passages: Sequence[Ids]) -> tuple[Ids, Ids]:
    """Passages at the length of the longest, and their mask, both (n, length)."""
    ids, mask = np.zeros((2, len(passages), max(map(len, passages))), np.int64)
    for place, passage in enumerate(passages):
        ids[place, : len(passage)], mask[place, : len(passage)] = passage, 1
    return ids, mask


def with_hidden(ids: Ids, share: float, known: Ids, mask_id: int, rng: np.random.Generator) -> tuple[Ids, Mask]:
    """What is shown, and where something is to be guessed, both (n, length): in every row at least one word."""
    is_word = ids >= FIRST_WORD
    draws = np.where(is_word, rng.random(ids.shape), np.inf)
    asked = is_word & ((draws < share) | (draws == draws.min(axis=1, keepdims=True)))
    fate = rng.random(ids.shape)
    shown = np.where(asked & (fate < HIDDEN), mask_id, ids)
    exchanged = asked & (fate >= HIDDEN) & (fate < HIDDEN + EXCHANGED)
    return np.where(exchanged, rng.choice(known, ids.shape), shown), asked
