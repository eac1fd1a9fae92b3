"""What stands on a backbone while it learns without labels, and is thrown away afterwards."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import cast

from torch import Tensor, nn


class Projected(nn.Module):
    """Normalised images (n, 3, s, s) to projections (n, dim): the encoder's last layer through a perceptron.

    What the objective makes of two views is forgotten at the end of the perceptron, not in the features below it (Chen
    et al. 2020, arXiv:2002.05709, section 4.2).

    Args:
        encoder: Images to features.
        column: Which features are the last layer, from and to.
        dims: Of the perceptron's layers, the projection's at last.
        frozen_statistics: BatchNorm keeps the encoder's statistics; the perceptron, which has none, then does without.
    """

    def __init__(
        self, encoder: nn.Module, column: slice, dims: tuple[int, ...], frozen_statistics: bool = False
    ) -> None:
        super().__init__()
        self.encoder, self.column = encoder, column
        norm = nn.LayerNorm if frozen_statistics else nn.BatchNorm1d
        *hidden, last = pairwise((column.stop - column.start, *dims))
        layers = [part for n_in, n_out in hidden for part in _rectified(n_in, n_out, norm)]
        self.projector = nn.Sequential(*layers, nn.Linear(*last))

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.projector(self.encoder(images)[:, self.column]))


def _rectified(n_in: int, n_out: int, norm: Callable[[int], nn.Module]) -> tuple[nn.Module, ...]:
    return nn.Linear(n_in, n_out, bias=False), norm(n_out), nn.ReLU()
