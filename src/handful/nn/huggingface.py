"""An image model in Hugging Face form as a backbone: no network, no code from the folder, no pickles."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handful.core.errors import ModelError
from handful.nn.backbone import ImageBackbone, InputSpec, Layer
from handful.nn.exported import layers_of
from handful.nn.graph_cache import cached_graph
from handful.nn.huggingface_files import ANOTHER, IMAGE_FILES, PREPARATION, check_folder, digest_of, read_object

if TYPE_CHECKING:
    import torch

SIZES = range(16, 1025)  # of the side of an image; outside it is a mistake
GRAPH_VERSION = 1  # raise it when the pooled layers or the export change: cached graphs and features are then left
POOLED = "pooled"  # the last layer: what the network itself hands to its head


class HuggingFaceBackbone(ImageBackbone):
    """Any image model that `transformers.AutoModel` knows, with its last hidden state of each resolution, pooled.

    The network is exported to ONNX once and cached; after that nothing here imports torch or transformers.

    Args:
        folder: With `config.json`, `preprocessor_config.json` and `model.safetensors`.
        name: What to call it; the folder when None.
    Raises:
        ModelError: when a file is missing, too large or makes no sense, or the folder holds a text model.
    """

    last = (POOLED,)

    def __init__(self, folder: str | Path, name: str | None = None) -> None:
        self.folder = Path(folder)
        self.name = name or str(folder)
        self.licence = f"see the model card of {name or self.folder.name}"
        check_folder(self.folder, IMAGE_FILES)
        self.spec = input_spec(self.folder / PREPARATION)

    @cached_property
    def fingerprint(self) -> str:  # type: ignore[override]  # computed when first asked for: it reads all the weights
        """Of the three files and of how they are turned into a graph."""
        return f"huggingface-{digest_of(self.folder, IMAGE_FILES)}-v{GRAPH_VERSION}"

    @cached_property
    def graph_bytes(self) -> bytes:
        """The serialized graph, from the cache when it is there and whole."""
        return cached_graph(self.fingerprint, self._export)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:  # type: ignore[override]  # known once the network has run
        """The pooled layers, as the graph itself names them."""
        return layers_of(self.graph_bytes)

    def _export(self) -> bytes:
        from handful.nn.exporting_torch import export_images
        from handful.nn.huggingface_torch import pooled_layers

        network = pooled_layers(self.folder, self.spec.size)
        return export_images(network, self.spec, about=self.fingerprint, where=self.name)

    def module(self) -> torch.nn.Module:
        from handful.nn.huggingface_torch import pooled_layers

        return pooled_layers(self.folder, self.spec.size)


def input_spec(path: Path) -> InputSpec:
    """What `preprocessor_config.json` asks for, as one subtraction and one division of 0..255.

        ((pixel * rescale) - mean) / std  =  (pixel - mean / rescale) / (std / rescale)

    Differs: pictures are squashed to the size of the crop, as everywhere in handful, and not cropped.
    """
    saved = read_object(path)
    for unusual in ("do_flip_channel_order", "rescale_offset"):
        if saved.get(unusual):
            raise ModelError(f"{path.name} asks for {unusual}, which is not supported", str(path), ANOTHER)
    rescale = saved.get("rescale_factor", 1 / 255) if saved.get("do_rescale", True) else 1.0
    normalised = saved.get("do_normalize", True)
    mean = _numbers(saved.get("image_mean") if normalised else [0.0] * 3, 3)
    std = _numbers(saved.get("image_std") if normalised else [1.0] * 3, 3)
    if not (mean and std and _numbers([rescale], 1) and min(rescale, *std) > 0):
        raise ModelError(f"{path.name} names no usable mean, std or rescale factor", str(path), ANOTHER)
    size = _side(saved.get("crop_size")) if saved.get("do_center_crop") else None
    size = size or _side(saved.get("size"))
    if size is None or size not in SIZES:
        raise ModelError(f"{path.name} names no image size of {SIZES[0]} to {SIZES[-1]} pixels", str(path), ANOTHER)
    return InputSpec(size, tuple(value / rescale for value in mean), tuple(value / rescale for value in std))


def _side(saved: Any) -> int | None:
    """The side of a square: a number, or the first of what a dictionary may call it."""
    found = [saved[key] for key in ("height", "shortest_edge") if key in saved] if isinstance(saved, dict) else [saved]
    return found[0] if found and isinstance(found[0], int) and not isinstance(found[0], bool) else None


def _numbers(saved: Any, n: int) -> list[float]:
    """The list of `n` finite numbers that was expected, or an empty one."""
    fits = isinstance(saved, list) and len(saved) == n
    return saved if fits and all(isinstance(x, int | float) and math.isfinite(x) for x in saved) else []
