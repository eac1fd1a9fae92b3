"""The small network as a torch module, with the layers and padding of its ONNX graph."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from handful.nn.small_network import NORM_EPSILON, STAGE_DIMS, STEM_DIM


class _Convolution(nn.Module):
    """A 3x3 convolution, batch normalisation and ReLU."""

    def __init__(self, n_in: int, n_out: int, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(n_out, eps=NORM_EPSILON)

    def forward(self, flow: Tensor) -> Tensor:
        return functional.relu(self.norm(self.convolution(flow)))


class _Stage(nn.Module):
    """Half the resolution, (n, n_in, h, w) to (n, n_out, h / 2, w / 2), and a residual convolution."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.halve, self.keep = _Convolution(n_in, n_out, stride=2), _Convolution(n_out, n_out)

    def forward(self, flow: Tensor) -> Tensor:
        halved: Tensor = self.halve(flow)
        kept: Tensor = self.keep(halved)
        return halved + kept


class SmallNetwork(nn.Module):
    """Normalised images (n, 3, s, s) to pooled features (n, sum of layer dims), each 0 or more."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Convolution(3, STEM_DIM)
        self.stages = nn.ModuleList(_Stage(*dims) for dims in pairwise((STEM_DIM, *STAGE_DIMS)))

    def maps(self, images: Tensor) -> Tensor:
        """The last feature maps, (n, STAGE_DIMS[-1], s / 8, s / 8)."""
        return self._states(images)[-1]

    def forward(self, images: Tensor) -> Tensor:
        states = self._states(images)
        return torch.cat([*(state.mean((2, 3)) for state in states), states[-1].amax((2, 3))], dim=1)

    def _states(self, images: Tensor) -> list[Tensor]:
        """What each stage gives."""
        flow, states = self.stem(images.contiguous(memory_format=torch.channels_last)), []
        for stage in self.stages:
            flow = stage(flow)
            states.append(flow)
        return states
