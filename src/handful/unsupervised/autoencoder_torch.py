"""The networks of `autoencoder.py` and what they minimise, in torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from handful.training.objective import LossTerms, Objective

CONVOLUTION_DIMS = (32, 64, 128)  # after each halving of the image
SMALLEST_ERROR = 1e-6  # of standardised numbers: what is restored as well as that needs no more
LOG_VARIANCES = (-10.0, 10.0)


@dataclass(frozen=True)
class Design:
    """What a network is made of.

    Args:
        shape: Of an example, (columns,) or (channels, height, width).
        n_features: Length of a code.
        hidden_dims: Widths of the fully connected layers, from the examples to the code.
        convolutional: Whether images are read by convolutions.
        kind: Of the code: "sparse" and "variational" have layers of their own.
        n_active: Features of a sparse code that are not 0.
    """

    shape: tuple[int, ...]
    n_features: int
    hidden_dims: tuple[int, ...]
    convolutional: bool
    kind: str
    n_active: int


class Codec(nn.Module):
    """Examples to codes, (n, *shape) to (n, n_features), and back.

    Args:
        body: Examples to what the code is made of, (n, width).
        code: (n, width) to (n, n_features).
        decoder: (n, n_features) to (n, *shape).
    """

    def __init__(self, body: nn.Module, code: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.body, self.code, self.decoder = body, code, decoder

    def forward(self, examples: Tensor) -> Tensor:
        restored: Tensor = self.decoder(self.encode(examples))
        return restored

    def encode(self, examples: Tensor) -> Tensor:
        """The codes, (n, n_features)."""
        codes: Tensor = self.code(self.body(examples))
        return codes


class KSparse(nn.Module):
    """Of a linear code only the `active` largest numbers of each example are kept, the others become 0.

    Source: Makhzani & Frey 2013, arXiv:1312.5663, algorithm 1. Differs: as many are kept afterwards as in training.
    """

    def __init__(self, width: int, n_features: int, active: int) -> None:
        super().__init__()
        self.linear, self.active = nn.Linear(width, n_features), active

    def forward(self, flow: Tensor) -> Tensor:
        numbers: Tensor = self.linear(flow)
        kept = torch.zeros_like(numbers, dtype=torch.bool).scatter(1, numbers.topk(self.active).indices, True)
        return numbers * kept


class Gaussian(nn.Module):
    """A normal distribution over codes; as a code, its mean."""

    def __init__(self, width: int, n_features: int) -> None:
        super().__init__()
        self.mean, self.log_variance = nn.Linear(width, n_features), nn.Linear(width, n_features)

    def forward(self, flow: Tensor) -> Tensor:
        mean: Tensor = self.mean(flow)
        return mean

    def moments(self, flow: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of each feature, (n, n_features) each."""
        return self.mean(flow), self.log_variance(flow).clamp(*LOG_VARIANCES)


@dataclass(frozen=True)
class Variational(Objective):
    """The evidence lower bound, per number of an example; a batch is (shown, wanted).

        loss = log(error) / 2 + divergence / size,    error = mean (wanted - decoded)^2,
        divergence = mean_i sum_j (m_ij^2 + v_ij - log v_ij - 1) / 2

    Source: Kingma & Welling 2014, arXiv:1312.6114, appendix B. Differs: the variance of what is decoded is its mean
        squared error (Rybkin et al. 2021, arXiv:2006.13202), so nothing weighs the two terms by hand.
    """

    def loss(self, module: nn.Module, batch: Any, rng: np.random.Generator) -> LossTerms:  # noqa: ARG002
        """The bound with one draw of each code; the loop seeds it."""
        shown, wanted = batch
        mean, log_variance = module.code.moments(module.body(shown))  # type: ignore[operator, union-attr]
        code = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        error = (module.decoder(code) - wanted).square().mean()  # type: ignore[operator]
        divergence = (mean.square() + log_variance.exp() - log_variance - 1).sum(dim=1).mean() / 2
        total = error.clamp(min=SMALLEST_ERROR).log() / 2 + divergence / wanted[0].numel()
        return LossTerms(total, {"error": error, "divergence": divergence})


Body = tuple[nn.Module, int]  # examples to numbers, (n, *shape) to (n, width); and the width


def codec(design: Design) -> Codec:
    """The network, its weights drawn by torch's generator."""
    body, width = _convolutional(design.shape) if design.convolutional else _dense(design.shape, design.hidden_dims)
    return Codec(body, _code(design, width), _decoder(design))


def _code(design: Design, width: int) -> nn.Module:
    if design.kind == "sparse":
        return KSparse(width, design.n_features, design.n_active)
    if design.kind == "variational":
        return Gaussian(width, design.n_features)
    return nn.Linear(width, design.n_features)


def _dense(shape: Sequence[int], hidden: Sequence[int]) -> Body:
    """Fully connected layers."""
    layers: list[nn.Module] = [nn.Flatten()]
    for n_in, n_out in pairwise((prod(shape), *hidden)):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers), hidden[-1]


def _convolutional(shape: Sequence[int]) -> Body:
    """Convolutions that halve images (n, channels, h, w) three times."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise((shape[0], *CONVOLUTION_DIMS)):
        layers += [nn.Conv2d(n_in, n_out, 3, 2, 1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()]
    cells = [-(-side // 2 ** len(CONVOLUTION_DIMS)) for side in shape[1:]]
    return nn.Sequential(*layers, nn.Flatten()), CONVOLUTION_DIMS[-1] * prod(cells)


def _decoder(design: Design) -> nn.Module:
    """Fully connected, of convolutional networks too: in as much time it saw five times the images, and won."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise((design.n_features, *reversed(design.hidden_dims))):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(design.hidden_dims[0], prod(design.shape)), nn.Unflatten(1, design.shape))
