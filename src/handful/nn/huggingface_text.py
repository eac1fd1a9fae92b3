"""A text encoder in Hugging Face form as a backbone: no network, no code from the folder, no pickles."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from handful.core.errors import HandfulError, ModelError
from handful.nn.backbone import Layer
from handful.nn.exported import layers_of
from handful.nn.graph_cache import cached_graph
from handful.nn.huggingface_files import (
    AGAIN,
    ANOTHER,
    CONFIG,
    TEXT_FILES,
    TOKENIZER,
    check_folder,
    digest_of,
    read_object,
)
from handful.nn.text_backbone import TextBackbone
from handful.nn.text_windows import ROUNDED_TO, TextSpec

if TYPE_CHECKING:
    import torch

LONGEST = 512  # tokens of a window; longer ones cost the square, and few encoders were trained on them
SHORTEST = 16
GRAPH_VERSION = 1  # raise it when the pooled layers or the export change: cached graphs and features are then left


class HuggingFaceTextBackbone(TextBackbone):
    """Any encoder of texts that `transformers.AutoModel` knows, with four of its depths, averaged over the tokens.

    The network is exported to ONNX once and cached; after that nothing here imports torch or transformers.

    Args:
        folder: With `config.json`, `tokenizer.json` and `model.safetensors`.
        name: What to call it; the folder when None.
        max_length: Tokens of a window at most, 512 when None; never more than the configuration allows.
    Raises:
        ModelError: when a file is missing, too large or makes no sense, or the folder holds an image model or no
            encoder.
        MissingPackage: without the extra `text`.

    Source: Reimers and Gurevych 2019, arXiv:1908.10084 (the mean over tokens as a sentence's embedding). Differs:
    several depths are pooled, and the pooling that a folder may ask for itself is not followed.
    """

    def __init__(self, folder: str | Path, name: str | None = None, max_length: int | None = None) -> None:
        self.folder = Path(folder)
        self.name = name or str(folder)
        self.licence = f"see the model card of {name or self.folder.name}"
        check_folder(self.folder, TEXT_FILES)
        config = read_object(self.folder / CONFIG)
        if config.get("is_encoder_decoder"):
            what = f"the folder holds an encoder and a decoder ({config['model_type']}), an encoder alone was expected"
            raise ModelError(what, str(self.folder), "choose one of the kinds of BERT, RoBERTa or MPNet")
        self.spec = TextSpec(window_length(config.get("max_position_embeddings"), max_length or LONGEST))
        self._check_words(config.get("vocab_size"))

    @cached_property
    def fingerprint(self) -> str:  # type: ignore[override]  # computed when first asked for: it reads all the weights
        """Of the three files, of the window, and of how they are turned into a graph."""
        return f"huggingface-{digest_of(self.folder, TEXT_FILES)}-{self.spec.max_length}-v{GRAPH_VERSION}"

    @cached_property
    def graph_bytes(self) -> bytes:
        """The serialized graph, from the cache when it is there and whole."""
        return cached_graph(self.fingerprint, self._export)

    @cached_property
    def tokenizer_bytes(self) -> bytes:
        """The `tokenizer.json` of the folder."""
        return (self.folder / TOKENIZER).read_bytes()

    @cached_property
    def layers(self) -> tuple[Layer, ...]:  # type: ignore[override]  # known once the network has run
        """The pooled layers, as the graph itself names them."""
        return layers_of(self.graph_bytes)

    @property
    def last(self) -> tuple[str, ...]:  # type: ignore[override]  # named by its depth
        """The deepest layer."""
        return (self.layers[-1].name,)

    def module(self) -> torch.nn.Module:
        """The same network in torch, trainable: `ids` and `mask`, int64 (n, length), to the features (n, dim)."""
        from handful.nn.huggingface_text_torch import pooled_texts

        return pooled_texts(self.folder, self.spec.max_length)

    def _export(self) -> bytes:
        from handful.nn.exporting_torch import export_texts
        from handful.nn.huggingface_text_torch import pooled_texts

        network = pooled_texts(self.folder, self.spec.max_length)
        return export_texts(network, network.n_words, self.spec.max_length, about=self.fingerprint, where=self.name)

    def _check_words(self, n_words: object) -> None:
        """That the tokenizer can be read, and gives no id that the network has no embedding for."""
        where = str(self.folder / TOKENIZER)
        try:
            n_ids = self.windows.tokenizer.get_vocab_size()
        except HandfulError:
            raise
        except Exception as damage:  # tokenizers raises plain ones
            raise ModelError(f"{TOKENIZER} is damaged ({str(damage)[:200]})", where, AGAIN) from damage
        if isinstance(n_words, int) and n_ids > n_words:
            what = f"{TOKENIZER} has {n_ids} words, but the network has {n_words}"
            raise ModelError(what, where, "give the tokenizer and the weights of one model")


def window_length(n_positions: object, most: int = LONGEST) -> int:
    """Tokens of a window, from the `max_position_embeddings` of a configuration, which some networks do not have.

    RoBERTa and its kin count two positions more than they can use; windows are padded to multiples of 8.

    Example:
        >>> window_length(514), window_length(130), window_length(8192), window_length(512, most=100)
        (512, 128, 512, 96)
    """
    usable = min(n_positions, most) if isinstance(n_positions, int) else most
    if usable < SHORTEST:
        what = f"windows of {usable} tokens are too short, at least {SHORTEST} were expected"
        raise ModelError(what, f"max_position_embeddings of {CONFIG}, or max_length", ANOTHER)
    return usable // ROUNDED_TO * ROUNDED_TO
