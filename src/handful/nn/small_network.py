"""A small convolutional network for pictures of 24 to 96 pixels: to learn from scratch, on a CPU, in minutes.

A convolution at full resolution, then three stages that halve it and double the channels, each with one residual
convolution: `flow = halve(flow); flow = flow + keep(flow)`. Every convolution is 3x3 with BatchNorm and ReLU, so all
features are 0 or more. There is one graph of it, written by hand: no exporter is needed.

Source: the residual connection of He et al. 2016, arXiv:1512.03385. Differs: it spans one convolution, so that of the
few there are none is spent on depth alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from handful.core.errors import UsageError
from handful.nn.backbone import ImageBackbone, InputSpec, Layer, norm_shapes, weights_digest
from handful.nn.graph import GraphWriter, floats, pixels_input

if TYPE_CHECKING:
    import torch

Weights = Mapping[str, npt.NDArray[np.floating]]

NAME = "small-network"
SIZES = range(24, 97, 8)  # halved three times without a rest
STEM_DIM = 16
STAGE_DIMS = (32, 64, 128)
NORM_EPSILON = 1e-5
GRAPH_VERSION = 1  # raise it when the pooled layers or the graph change


def layer_dims() -> dict[str, int]:
    """Every pooled layer and its width, in the order of the feature matrix."""
    means = {f"stage{at}.mean": dim for at, dim in enumerate(STAGE_DIMS)}
    return {**means, f"stage{len(STAGE_DIMS) - 1}.max": STAGE_DIMS[-1]}


def weight_shapes() -> dict[str, tuple[int, ...]]:
    """Every entry of the module's state dict and its shape."""
    convolutions = {"stem": (3, STEM_DIM)}
    for at, (n_in, n_out) in enumerate(pairwise((STEM_DIM, *STAGE_DIMS))):
        convolutions |= {f"stages.{at}.halve": (n_in, n_out), f"stages.{at}.keep": (n_out, n_out)}
    shapes: dict[str, tuple[int, ...]] = {}
    for name, (n_in, n_out) in convolutions.items():
        shapes |= {f"{name}.convolution.weight": (n_out, n_in, 3, 3), **norm_shapes(f"{name}.norm", n_out)}
    return shapes


class SmallNetworkBackbone(ImageBackbone):
    """The small network with weights of its own; there are no published ones.

    Args:
        size: Of the pictures it is shown, one of `SIZES`.
        mean, std: Of each channel, in 0..255.
        weights: A state dict of its module.
        licence: Of the weights.
    """

    weights: Weights
    layers = tuple(Layer(name, dim) for name, dim in layer_dims().items())
    last = (f"stage{len(STAGE_DIMS) - 1}.mean",)

    def __init__(
        self,
        size: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        weights: Weights,
        licence: str = "as the images that its weights were learned from",
    ) -> None:
        if size not in SIZES:
            what = f"the small network takes no pictures of {size} pixels"
            raise UsageError(what, "size", f"use a multiple of {SIZES.step} from {SIZES[0]} to {SIZES[-1]}")
        self.spec, self.weights, self.licence = InputSpec(size, mean, std), weights, licence
        self.name = f"{NAME}@{size}+{weights_digest(weights)}"
        self.fingerprint = f"{self.name}-{mean}-{std}-v{GRAPH_VERSION}"

    @cached_property
    def graph_bytes(self) -> bytes:
        """The serialized graph, written in milliseconds."""
        writer = GraphWriter()
        image = writer.node("Transpose", ["pixels"], "planes", perm=[0, 3, 1, 2])
        image = writer.node("Cast", [image], "planes.float", to=1)
        mean, std = (np.float32(np.reshape(each, (1, -1, 1, 1))) for each in (self.spec.mean, self.spec.std))
        image = writer.node("Sub", [image, writer.weight("pixel.mean", mean)], "centred")
        image = writer.node("Mul", [image, writer.weight("pixel.scale", 1 / std)], "normalised")
        features = write_features(writer, image, self.weights)
        size, width = self.spec.size, sum(layer.dim for layer in self.layers)
        model = writer.model([pixels_input("pixels", size, size)], [floats(features, "n", width)], self.fingerprint)
        return bytes(model.SerializeToString())

    def module(self) -> torch.nn.Module:
        import torch

        from handful.nn.small_network_torch import SmallNetwork

        network = SmallNetwork()
        network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in self.weights.items()})
        return network.eval()


def write_features(writer: GraphWriter, image: str, weights: Weights) -> str:
    """Append the network to a graph: normalised float CHW `image` to the feature matrix; returns its name."""
    flow, pooled = _convolution(writer, image, "stem", weights), {}
    for at in range(len(STAGE_DIMS)):
        name = f"stages.{at}"
        flow = _convolution(writer, flow, f"{name}.halve", weights, stride=2)
        flow = writer.node("Add", [flow, _convolution(writer, flow, f"{name}.keep", weights)], f"{name}.sum")
        pooled[f"stage{at}.mean"] = writer.node("GlobalAveragePool", [flow], f"{name}.mean")
    pooled[f"stage{at}.max"] = writer.node("GlobalMaxPool", [flow], f"{name}.max")
    beside = writer.node("Concat", [pooled[name] for name in layer_dims()], "pooled", axis=1)
    return writer.node("Flatten", [beside], "features", axis=1)


def _convolution(writer: GraphWriter, flow: str, name: str, weights: Weights, stride: int = 1) -> str:
    """A convolution with its batch normalisation folded in, and ReLU after it."""
    scale = weights[f"{name}.norm.weight"] / np.sqrt(weights[f"{name}.norm.running_var"] + NORM_EPSILON)
    shift = weights[f"{name}.norm.bias"] - weights[f"{name}.norm.running_mean"] * scale
    filters = weights[f"{name}.convolution.weight"] * scale[:, None, None, None]
    given = [writer.weight(f"{name}.{part}", np.float32(each)) for part, each in (("weight", filters), ("bias", shift))]
    flow = writer.node(
        "Conv", [flow, *given], f"{name}.filtered", kernel_shape=[3, 3], strides=[stride] * 2, pads=[1] * 4
    )
    return writer.node("Relu", [flow], f"{name}.relu")
