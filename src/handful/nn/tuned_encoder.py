"""The sentence encoder with weights of its own, after it was tuned: a backbone like the published one."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from handful.nn.backbone import weights_digest
from handful.nn.minilm import Weights
from handful.nn.sentence_encoder import SentenceEncoder, write_graph
from handful.nn.text_backbone import TextBackbone

if TYPE_CHECKING:
    import torch


class TunedSentenceEncoder(TextBackbone):
    """all-MiniLM-L6-v2 after tuning; texts, windows and pooled layers are those of `SentenceEncoder`.

    Args:
        weights: Under their published names, as `MiniLM.as_published` gives them.
    """

    licence = SentenceEncoder.licence
    spec = SentenceEncoder.spec
    layers = SentenceEncoder.layers
    last = SentenceEncoder.last

    weights: Weights

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        digest = weights_digest(weights)
        self.name, self.fingerprint = f"{SentenceEncoder.name}+{digest}", f"{SentenceEncoder.fingerprint}+{digest}"

    @cached_property
    def graph_bytes(self) -> bytes:
        """The serialized graph; it is not kept in a cache, as it goes into a model folder or is forgotten."""
        return write_graph(self.weights, self.fingerprint)

    @cached_property
    def tokenizer_bytes(self) -> bytes:
        """That of the published encoder."""
        return SentenceEncoder().tokenizer_bytes

    def module(self) -> torch.nn.Module:
        """The same network in torch, trainable: `ids` and `mask`, int64 (n, length), to the features (n, dim)."""
        from handful.nn.minilm_torch import MiniLM

        network = MiniLM()
        network.load_published(self.weights)
        return network.eval()
