"""A backbone in a folder, as `handful pretrain` writes it: what it is in JSON, its weights as safetensors, no code.

Everything is judged before memory is taken: there are two architectures, so the name, the shape and with them the bytes
of every tensor are known beforehand.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from handful.core.errors import ModelError, UsageError
from handful.nn import efficientnet_lite, embedded, minilm, small_network
from handful.nn.backbone import Backbone, ImageBackbone
from handful.nn.embedded import EfficientNetLite0Backbone
from handful.nn.huggingface_files import read_object
from handful.nn.sentence_encoder import SentenceEncoder
from handful.nn.small_network import SmallNetworkBackbone
from handful.nn.tuned_encoder import TunedSentenceEncoder

CONFIG, WEIGHTS, README = "config.json", "model.safetensors", "README.md"
FILES = {CONFIG, WEIGHTS, README}
KEY = "handful_backbone"  # in the configuration: it is ours, and of this version
VERSION = 1
MOST_CONFIG = 2**20  # bytes
MOST_HEADER = 2**18  # bytes that a file of weights has beside them
AGAIN = "make it again with handful pretrain"
LIMITS = {"mean": (0.0, 255.0), "std": (1e-3, 1e4)}  # of each channel

Weights = Mapping[str, npt.NDArray[np.floating]]


@dataclass(frozen=True)
class _Architecture:
    """How a backbone of one architecture is made of what a folder holds."""

    shapes: Callable[[], dict[str, tuple[int, ...]]]
    make: Callable[[int, tuple[float, ...], tuple[float, ...], Weights, str], ImageBackbone]


def _efficientnet(
    size: int, mean: tuple[float, ...], std: tuple[float, ...], weights: Weights, licence: str
) -> ImageBackbone:
    made = EfficientNetLite0Backbone(size, weights)
    if (mean, std) != (made.spec.mean, made.spec.std):
        raise UsageError(f"{embedded.NAME} is shown pixels with mean {made.spec.mean} and std {made.spec.std}", "mean")
    made.licence = licence
    return made


ARCHITECTURES = {
    small_network.NAME: _Architecture(small_network.weight_shapes, SmallNetworkBackbone),
    embedded.NAME: _Architecture(efficientnet_lite.weight_shapes, _efficientnet),
}


def is_pretrained(folder: str | Path) -> bool:
    """Whether a folder says of itself that it is a backbone of handful's."""
    path = Path(folder) / CONFIG
    return path.is_file() and path.stat().st_size <= MOST_CONFIG and KEY in read_object(path)


def pretrained_backbone(folder: str | Path) -> ImageBackbone:
    """The backbone for images in a folder.

    Raises:
        ModelError: when a file is missing, damaged or too large, or holds something else than it says.
    """
    folder = Path(folder)
    name, config = _read(folder, tuple(ARCHITECTURES))
    size, licence = config.get("size"), config.get("licence")
    if not isinstance(size, int) or isinstance(size, bool) or not isinstance(licence, str):
        raise ModelError("size is no whole number, or licence no text", str(folder / CONFIG), AGAIN)
    mean, std = (_channels(config, part, folder) for part in ("mean", "std"))
    weights = _weights(folder / WEIGHTS, ARCHITECTURES[name].shapes())
    try:
        return ARCHITECTURES[name].make(size, mean, std, weights, licence)
    except UsageError as wrong:
        raise ModelError(wrong.what, str(folder / CONFIG), AGAIN) from wrong


def pretrained_text_backbone(folder: str | Path) -> TunedSentenceEncoder:
    """The backbone for texts in a folder.

    Raises:
        ModelError: as `pretrained_backbone`.
    """
    folder = Path(folder)
    _read(folder, (SentenceEncoder.name,))
    return TunedSentenceEncoder(_weights(folder / WEIGHTS, minilm.weight_shapes()))


def _read(folder: Path, architectures: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    """Which architecture a folder holds, and its configuration."""
    config = read_object(folder / CONFIG)
    if config.get(KEY) != VERSION:
        what = f"the backbone is of version {config.get(KEY)!r}, {VERSION} was expected"
        raise ModelError(what, str(folder), f"{AGAIN}, or install the handful that made it")
    name = config.get("architecture")
    if not isinstance(name, str) or name not in architectures:
        what = f"the backbone is of architecture {name!r}, expected {' or '.join(architectures)}"
        raise ModelError(what, str(folder / CONFIG), AGAIN)
    return name, config


def backbone_files(backbone: Backbone, weights: Weights, about: Mapping[str, Any], card: str) -> dict[str, bytes]:
    """The contents of a backbone's folder.

    Args:
        backbone: Of one of the architectures.
        weights: Its own.
        about: How it was made; goes into the configuration.
        card: `README.md`.
    """
    from safetensors.numpy import save

    config = {
        KEY: VERSION,
        "architecture": backbone.name.partition("+")[0].partition("@")[0],
        **asdict(backbone.spec),
        "licence": backbone.licence,
        **about,
    }
    whole = {name: np.array(value, order="C") for name, value in sorted(weights.items())}
    return {
        CONFIG: (json.dumps(config, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode(),
        WEIGHTS: save(whole),
        README: card.encode(),
    }


def _channels(config: Mapping[str, Any], part: str, folder: Path) -> tuple[float, ...]:
    """One number, or one a channel."""
    low, high = LIMITS[part]
    given = config.get(part)
    fits = isinstance(given, list) and len(given) in (1, 3)
    if not fits or not all(_is_number(each) and low <= each <= high for each in given or ()):
        what = f"{part} is not one number or three from {low:g} to {high:g}"
        raise ModelError(what, str(folder / CONFIG), AGAIN)
    return tuple(float(each) for each in given or ())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _weights(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, npt.NDArray[np.floating]]:
    """The tensors of a file, which must be those of the architecture and finite."""
    from safetensors import SafetensorError, safe_open

    n_bytes = sum(math.prod(shape) * np.dtype(_kind(name)).itemsize for name, shape in shapes.items())
    try:
        if (found := path.stat().st_size) > n_bytes + MOST_HEADER:
            raise ModelError(f"{path.name} has {found} bytes, about {n_bytes} were expected", str(path), AGAIN)
        with safe_open(path, "numpy") as file:
            if wrong := next(_differences(file, shapes), None):
                raise ModelError(f"the weights are not those of the architecture: {wrong}", str(path), AGAIN)
            weights = {name: file.get_tensor(name) for name in shapes}
    except (OSError, SafetensorError) as damage:
        raise ModelError(f"{path.name} is missing or damaged ({damage})", str(path), AGAIN) from damage
    for name, value in weights.items():
        if not np.isfinite(value).all() or (name.endswith("running_var") and value.min() < 0):
            raise ModelError(f"the weights hold what no training gives: {name}", str(path), AGAIN)
    return weights


def _differences(file: Any, shapes: Mapping[str, tuple[int, ...]]) -> Any:
    """What is missing, too much, of another shape or of another type."""
    named = set(file.keys())
    yield from (f"{name} is missing" for name in shapes if name not in named)
    yield from (f"{name} is too much" for name in sorted(named - shapes.keys()))
    for name, shape in shapes.items():
        stored = file.get_slice(name)
        if tuple(stored.get_shape()) != shape or stored.get_dtype() != ("I64" if _kind(name) == "int64" else "F32"):
            yield f"{name} is {stored.get_dtype()} of shape {tuple(stored.get_shape())}, not {_kind(name)} of {shape}"


def _kind(name: str) -> str:
    return "int64" if name.endswith("num_batches_tracked") else "float32"
