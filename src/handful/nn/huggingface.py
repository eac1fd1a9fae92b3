"""An image model in a local Hugging Face folder as a backbone: no network, no code from the folder, no pickles."""

from __future__ import annotations

import hashlib
import json
import math
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx

from handful.core.errors import ModelError
from handful.nn.backbone import Backbone, InputSpec, Layer
from handful.nn.graph_cache import cached_graph

if TYPE_CHECKING:
    import torch

CONFIG, PREPARATION, WEIGHTS = "config.json", "preprocessor_config.json", "model.safetensors"
MOST_BYTES = {CONFIG: 4 * 2**20, PREPARATION: 2**20, WEIGHTS: 2**31 - 2**24}  # one ONNX file holds less than 2 GiB
SIZES = range(16, 1025)  # of the side of an image; outside it is a mistake
ANOTHER = "choose another model"
GRAPH_VERSION = 1  # raise it when the pooled layers or the export change: cached graphs and features are then left

LAYERS = "handful.layers"  # the graph's property that names its layers, so that a cached graph is all that is needed
POOLED = "pooled"  # the last layer: what the network itself hands to its head


class HuggingFaceBackbone(Backbone):
    """Any image model that `transformers.AutoModel` knows, with its last hidden state of each resolution, pooled.

    The network is exported to ONNX once and cached; after that nothing here imports torch or transformers.

    Args:
        folder: With `config.json`, `preprocessor_config.json` and `model.safetensors`.
    Raises:
        ModelError: when a file is missing, too large or makes no sense.
    """

    last = (POOLED,)

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        for file, most_bytes in MOST_BYTES.items():
            _check_file(self.folder / file, most_bytes)
        self.name = str(folder)
        self.licence = f"see the model card of {self.folder.name}"
        if not isinstance(_read_object(self.folder / CONFIG).get("model_type"), str):
            raise ModelError(f"{CONFIG} names no model_type", str(self.folder), "give the folder of an image model")
        self.spec = input_spec(self.folder / PREPARATION)

    @cached_property
    def fingerprint(self) -> str:  # type: ignore[override]  # computed when first asked for: it reads all the weights
        """Of the three files and of how they are turned into a graph."""
        digests = []
        for file in MOST_BYTES:
            with (self.folder / file).open("rb") as content:
                digests.append(hashlib.file_digest(content, "sha256").hexdigest())
        together = hashlib.sha256("".join(digests).encode()).hexdigest()
        return f"huggingface-{together[:16]}-v{GRAPH_VERSION}"

    @cached_property
    def graph_bytes(self) -> bytes:
        """The serialized graph, from the cache when it is there and whole."""
        return cached_graph(self.fingerprint, self._export)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:  # type: ignore[override]  # known once the network has run
        """The pooled layers, as the graph itself names them."""
        properties = onnx.load_model_from_string(self.graph_bytes).metadata_props
        (named,) = (json.loads(entry.value) for entry in properties if entry.key == LAYERS)
        return tuple(Layer(name, dim) for name, dim in named.items())

    def _export(self) -> bytes:
        from handful.nn.huggingface_torch import export, pooled_layers

        network = pooled_layers(self.folder, self.spec.size)
        return export(network, self.spec, {LAYERS: json.dumps(network.layer_dims)}, about=self.fingerprint)

    def module(self) -> torch.nn.Module:
        from handful.nn.huggingface_torch import pooled_layers

        return pooled_layers(self.folder, self.spec.size)


def input_spec(path: Path) -> InputSpec:
    """What `preprocessor_config.json` asks for, as one subtraction and one division of 0..255.

        ((pixel * rescale) - mean) / std  =  (pixel - mean / rescale) / (std / rescale)

    Differs: pictures are squashed to the size of the crop, as everywhere in handful, and not cropped.
    """
    saved = _read_object(path)
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


def _check_file(path: Path, most_bytes: int) -> None:
    if not path.is_file():
        remedy = f"give a folder with {', '.join(MOST_BYTES)}"
        raise ModelError(f"the backbone's folder has no {path.name}", str(path.parent), remedy)
    if (size := path.stat().st_size) > most_bytes:
        raise ModelError(f"{path.name} has {size} bytes, at most {most_bytes} are read", str(path), ANOTHER)


def _read_object(path: Path) -> dict[str, Any]:
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as damage:
        raise ModelError(f"{path.name} is damaged ({damage})", str(path), "download the model again") from damage
    if not isinstance(saved, dict):
        raise ModelError(f"{path.name} is not a JSON object", str(path), "download the model again")
    return saved
