"""EfficientNet-Lite0 as a torch module, with the same weights, padding and pooled layers as the ONNX graph."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from handful.core.errors import UsageError
from handful.nn.efficientnet_lite import (
    BLOCKS,
    HEAD_DIM,
    NORM_EPSILON,
    POOLED_BLOCKS,
    POOLED_BY_MAX,
    Block,
    layer_dims,
    same_padding,
)


class _Convolution(nn.Module):
    """Convolution, batch normalisation and, if asked, ReLU6; zeros padded as TensorFlow's SAME."""

    def __init__(
        self, n_in: int, n_out: int, kernel: int = 1, stride: int = 1, groups: int = 1, rectify: bool = True
    ) -> None:
        super().__init__()
        before, after = same_padding(kernel, stride)
        within = before if before == after else 0  # a convolution pads evenly for nothing; to pad apart is a copy
        self.convolution = nn.Conv2d(n_in, n_out, kernel, stride, within, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(n_out, eps=NORM_EPSILON)
        self.padding = (before - within, after - within) * 2
        self.rectify = rectify

    def forward(self, images: Tensor) -> Tensor:
        padded = functional.pad(images, self.padding) if any(self.padding) else images
        flow = self.norm(self.convolution(padded))
        return functional.relu6(flow) if self.rectify else flow


class _InvertedResidual(nn.Module):
    def __init__(self, block: Block) -> None:
        super().__init__()
        hidden = block.n_hidden
        self.expand = _Convolution(block.n_in, hidden) if block.expansion > 1 else nn.Identity()
        self.filter = _Convolution(hidden, hidden, block.kernel, block.stride, groups=hidden)
        self.project = _Convolution(hidden, block.n_out, rectify=False)
        self.is_residual = block.is_residual

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Returns what goes on to the next block, and the filtered channels that are pooled as features."""
        filtered = self.filter(self.expand(images))
        flow = self.project(filtered)
        return (flow + images if self.is_residual else flow), filtered


class Lower(nn.Module):
    """Normalised images (n, 3, h, w) to what the next block sees, (n, c, h', w'), and the layers pooled on the way."""

    def __init__(self, stem: _Convolution, blocks: list[nn.Module]) -> None:
        super().__init__()
        self.stem = stem
        self.blocks = nn.ModuleList(blocks)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        flow, pooled = _through(self.blocks, 0, self.stem(images))
        return flow, _side_by_side(pooled) if pooled else flow.new_empty((len(flow), 0))


class Upper(nn.Module):
    """The last blocks and the head: what `Lower` gives to pooled features (n, sum of layer dims)."""

    def __init__(self, blocks: list[nn.Module], head: _Convolution) -> None:
        super().__init__()
        self.first = len(BLOCKS) - len(blocks)
        self.blocks = nn.ModuleList(blocks)
        self.head = head

    def forward(self, flow: Tensor, below: Tensor) -> Tensor:
        flow, pooled = _through(self.blocks, self.first, flow)
        pooled["head.mean"] = self.head(flow).mean((2, 3))
        missing = {name: dim for name, dim in layer_dims().items() if name not in pooled}
        parts: tuple[Tensor, ...] = torch.split(below, list(missing.values()), dim=1)
        return _side_by_side(pooled | dict(zip(missing, parts, strict=True)))


def _through(blocks: nn.ModuleList, first: int, flow: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Blocks from number `first` on; also the layers that are pooled in them, each (n, dim)."""
    pooled: dict[str, Tensor] = {}
    for i, block in enumerate(blocks, first):
        flow, filtered = block(flow)
        if i in POOLED_BLOCKS:
            pooled[f"block{i}.mean"] = filtered.mean((2, 3))
        if i in POOLED_BY_MAX:
            pooled[f"block{i}.max"] = filtered.amax((2, 3))
    return flow, pooled


def _side_by_side(pooled: dict[str, Tensor]) -> Tensor:
    return torch.cat([pooled[name] for name in layer_dims() if name in pooled], dim=1)


@dataclass(frozen=True)
class Boundary:
    """What crosses the network between two blocks.

    Args:
        shape: Channels, height and width of one image's flow.
        below: The layers that are pooled before it, in the order of the feature matrix.
        nodes: Names of the flow and of these layers in the graph that `efficientnet_lite.write_features` writes.
    """

    shape: tuple[int, int, int]
    below: dict[str, int]
    nodes: tuple[str, ...]


def boundary(n_frozen: int, size: int) -> Boundary:
    """The boundary after the stem and `n_frozen` blocks, for square images of `size` pixels."""
    channels, side, flow = BLOCKS[0].n_in, size // 2, "stem.relu6"
    for i, block in enumerate(BLOCKS[:n_frozen]):
        channels, side, flow = (
            block.n_out,
            side // block.stride,
            f"block{i}.{'sum' if block.is_residual else 'project'}",
        )
    before = {f"block{i}.{way}" for i in range(n_frozen) for way in ("mean", "max")}
    below = {name: dim for name, dim in layer_dims().items() if name in before}
    return Boundary((channels, side, side), below, (flow, *below))


class EfficientNetLite0(nn.Module):
    """Normalised images (n, 3, h, w) to pooled features (n, sum of layer dims)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Convolution(3, BLOCKS[0].n_in, kernel=3, stride=2)
        self.blocks = nn.ModuleList(_InvertedResidual(block) for block in BLOCKS)
        self.head = _Convolution(BLOCKS[-1].n_out, HEAD_DIM)

    def forward(self, images: Tensor) -> Tensor:
        flow, pooled = _through(self.blocks, 0, self.stem(images))
        return _side_by_side(pooled | {"head.mean": self.head(flow).mean((2, 3))})

    def split(self, n_frozen: int) -> tuple[Lower, Upper]:
        """The network in two, sharing its weights: the stem with the first `n_frozen` blocks, and the rest.

        `upper(*lower(images))` is the network itself.

        Raises:
            UsageError: when there are not so many blocks.
        """
        if not 0 <= n_frozen <= len(self.blocks):
            what = f"the network has {len(self.blocks)} blocks, of which {n_frozen} cannot be frozen"
            raise UsageError(what, "n_frozen", f"choose 0 to {len(self.blocks)}")
        blocks = list(self.blocks)
        return Lower(self.stem, blocks[:n_frozen]), Upper(blocks[n_frozen:], self.head)

    def load_published(self, weights: dict[str, Tensor]) -> None:
        """Load a state dict that uses the names of the published file."""
        self.load_state_dict({published_to_ours(name): value for name, value in weights.items() if "_fc" not in name})


def published_to_ours(name: str) -> str:
    *path, part, leaf = name.split(".")
    if path:  # _blocks.3._expand_conv.weight
        i = int(path[1])
        first = 0 if BLOCKS[i].expansion > 1 else 1
        stages = {"_expand_conv": "expand", "_depthwise_conv": "filter", "_project_conv": "project"}
        norms = {"_bn0": "expand" if first == 0 else "filter", "_bn1": "filter", "_bn2": "project"}
        return f"blocks.{i}." + _conv_or_norm(stages, norms, part, leaf)
    return _conv_or_norm({"_conv_stem": "stem", "_conv_head": "head"}, {"_bn0": "stem", "_bn1": "head"}, part, leaf)


def _conv_or_norm(convolutions: dict[str, str], norms: dict[str, str], part: str, leaf: str) -> str:
    return f"{convolutions[part]}.convolution.{leaf}" if part in convolutions else f"{norms[part]}.norm.{leaf}"
