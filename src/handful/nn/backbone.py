"""What a backbone is: an example in, pooled features of several depths out, and the same network as a module to train.

`ImageBackbone` (here) and `TextBackbone` (`text_backbone.py`) say what goes in.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class InputSpec:
    """What a network expects to see: `(pixel - mean) / std` on RGB, at `size` x `size`.

    Args:
        size: Height and width in pixels.
        mean: Subtracted from 0..255, per channel or one for all.
        std: Divided by, likewise.
    """

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Layer:
    """One depth of the network, pooled over the example: `dim` columns of the feature matrix."""

    name: str
    dim: int


class Backbone(ABC):
    """A frozen network with a name and pooled layers.

    `graph_bytes` is an ONNX model from a raw example to one matrix `features` (n, sum of layer dims), the layers side
    by side in the order of `layers`. Everything that predicts is spliced onto this graph, so what was measured is what
    ships.
    """

    name: str  # what the user calls it
    licence: str
    spec: Any  # what goes in: an InputSpec or a TextSpec, as the kind of backbone says
    layers: tuple[Layer, ...]
    last: tuple[str, ...]  # the layers that a plain linear probe would use
    fingerprint: str  # changes when weights, architecture or pooling change
    weights: Mapping[str, npt.NDArray[np.floating]] | None = None  # of its own, where it was fine-tuned

    @property
    @abstractmethod
    def graph_bytes(self) -> bytes:
        """Examples to features as a serialized ONNX model."""

    @abstractmethod
    def module(self) -> torch.nn.Module:
        """The same network, trainable: prepared examples to features."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def columns(self, names: tuple[str, ...]) -> list[slice]:
        """Where each named layer stands in the feature matrix."""
        starts = np.cumsum([0, *(layer.dim for layer in self.layers)])
        where = {layer.name: slice(int(a), int(a) + layer.dim) for layer, a in zip(self.layers, starts, strict=False)}
        return [where[name] for name in names]


class ImageBackbone(Backbone):
    """A backbone for pictures: the graph takes uint8 `pixels` (n, size, size, 3), RGB, and prepares them itself.

    The module takes what `spec` makes of them: normalised float CHW pixels.
    """

    spec: InputSpec


def weights_digest(weights: Mapping[str, npt.NDArray[np.floating]]) -> str:
    """Twelve letters that tell weights of a fine-tuned network from all others."""
    found = hashlib.sha256()
    for name, value in sorted(weights.items()):
        found.update(name.encode() + np.ascontiguousarray(value).tobytes())
    return found.hexdigest()[:12]


def norm_shapes(name: str, dim: int) -> dict[str, tuple[int, ...]]:
    """The entries of a BatchNorm in a state dict, and their shapes."""
    parts = ("weight", "bias", "running_mean", "running_var")
    return {**{f"{name}.{part}": (dim,) for part in parts}, f"{name}.num_batches_tracked": ()}


FeatureMatrix = npt.NDArray[np.float16]  # (n, n_views, sum of layer dims)
