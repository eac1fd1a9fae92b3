"""EfficientNet-Lite0 as a torch module, with the same weights, padding and pooled layers as the ONNX graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

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
        self.convolution = nn.Conv2d(n_in, n_out, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(n_out, eps=NORM_EPSILON)
        self.padding = same_padding(kernel, stride) * 2
        self.rectify = rectify

    def forward(self, images: Tensor) -> Tensor:
        flow = self.norm(self.convolution(functional.pad(images, self.padding)))
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


class EfficientNetLite0(nn.Module):
    """Normalised images (n, 3, h, w) to pooled features (n, sum of layer dims)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Convolution(3, BLOCKS[0].n_in, kernel=3, stride=2)
        self.blocks = nn.ModuleList(_InvertedResidual(block) for block in BLOCKS)
        self.head = _Convolution(BLOCKS[-1].n_out, HEAD_DIM)

    def forward(self, images: Tensor) -> Tensor:
        pooled: dict[str, Tensor] = {}
        flow = self.stem(images)
        for i, block in enumerate(self.blocks):
            flow, filtered = block(flow)
            if i in POOLED_BLOCKS:
                pooled[f"block{i}.mean"] = filtered.mean((2, 3))
            if i in POOLED_BY_MAX:
                pooled[f"block{i}.max"] = filtered.amax((2, 3))
        pooled["head.mean"] = self.head(flow).mean((2, 3))
        return torch.cat([pooled[name] for name in layer_dims()], dim=1)

    def load_published(self, weights: dict[str, Tensor]) -> None:
        """Load a state dict that uses the names of the published file."""
        self.load_state_dict({_published_to_ours(name): value for name, value in weights.items() if "_fc" not in name})


def _published_to_ours(name: str) -> str:
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
