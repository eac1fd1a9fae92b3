"""What a backbone is: pixels in, pooled features of several depths out, and the same network as a module to train."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    """One depth of the network, pooled over the picture: `dim` columns of the feature matrix."""

    name: str
    dim: int


class Backbone(ABC):
    """A frozen network with a name, an input and pooled layers.

    `graph_bytes` is an ONNX model from uint8 pixels `pixels` (n, size, size, 3) to one matrix `features`
    (n, sum of layer dims), the layers side by side in the order of `layers`. Everything that predicts is spliced onto
    this graph, so what was measured is what ships.
    """

    name: str  # what the user calls it
    licence: str
    spec: InputSpec
    layers: tuple[Layer, ...]
    last: tuple[str, ...]  # the layers that a plain linear probe would use
    fingerprint: str  # changes when weights, architecture or pooling change

    @property
    @abstractmethod
    def graph_bytes(self) -> bytes:
        """Pixels to features as a serialized ONNX model."""

    @abstractmethod
    def module(self) -> torch.nn.Module:
        """The same network, trainable: normalised float CHW pixels to features."""

    def columns(self, names: tuple[str, ...]) -> list[slice]:
        """Where each named layer stands in the feature matrix."""
        starts = np.cumsum([0, *(layer.dim for layer in self.layers)])
        where = {layer.name: slice(int(a), int(a) + layer.dim) for layer, a in zip(self.layers, starts, strict=False)}
        return [where[name] for name in names]


FeatureMatrix = npt.NDArray[np.float16]  # (n, n_views, sum of layer dims)
