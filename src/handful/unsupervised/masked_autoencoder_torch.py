"""Learning by restoring: what a network makes of a picture with holes, or of a spoilt one, against the picture itself.

Source: He et al. 2022, arXiv:2111.06377, for what is hidden and what counts (patches at random, the error on the hidden
ones alone); Vincent et al. 2008, doi:10.1145/1390156.1390294, for spoilt examples. Differs: the network is
convolutional, so hidden patches are shown as the mean, as in Xie et al. 2022, arXiv:2111.09886, and not left out. A
transformer that sees only what is left learns little from some thousand pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from handful.core.errors import UsageError
from handful.training.objective import LossTerms, Objective

DECODER_DIM = 64


@dataclass(frozen=True)
class Reconstruction(Objective):
    """The mean squared error of what a module restores; a batch is (shown, wanted), of one shape.

    With `hidden`, patches of what is shown become 0, the mean of normalised pixels, and the error counts there alone.

    Args:
        hidden: Share of the patches of an image that are hidden, from 0 to below 1; with 0 all is shown, and counts.
        patch: Side of a patch in pixels; those at the right and lower edge may be cut.
    """

    hidden: float = 0.0
    patch: int = 4

    def __post_init__(self) -> None:
        if not 0 <= self.hidden < 1:
            raise UsageError(f"hidden={self.hidden} is not from 0 to below 1", "Reconstruction", "0.6 is usual")
        if self.patch < 1:
            raise UsageError(f"patch={self.patch} is not 1 or more", "Reconstruction", "4 is usual")

    def loss(self, module: nn.Module, batch: Any, rng: np.random.Generator) -> LossTerms:
        """Mean squared error of (shown, wanted), scalar; draws the patches."""
        shown, wanted = batch
        if not self.hidden:
            return LossTerms((module(shown).float() - wanted).square().mean())
        drawn = hidden_pixels(len(shown), shown.shape[2], shown.shape[3], self.patch, self.hidden, rng)
        holes = torch.from_numpy(drawn).to(shown.device)[:, None]
        errors = (module(shown.masked_fill(holes, 0)).float() - wanted).square() * holes
        return LossTerms(errors.sum() / (holes.sum() * shown.shape[1]))


def hidden_pixels(
    n: int, height: int, width: int, patch: int, share: float, rng: np.random.Generator
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which pixels are hidden: of every image as many patches, at least one and never all, shape (n, height, width).

    Example:
        >>> hidden_pixels(1, 4, 4, 2, 0.5, np.random.default_rng(0))[0].sum()
        np.int64(8)
    """
    down, across = -(-height // patch), -(-width // patch)
    n_hidden = min(max(round(share * down * across), 1), max(down * across - 1, 1))
    order = rng.random((n, down * across)).argsort(axis=1)
    holes = (order < n_hidden).reshape(n, down, across)
    return holes.repeat(patch, axis=1).repeat(patch, axis=2)[:, :height, :width]


class Restorer(nn.Module):
    """A network to be pre-trained, and the small decoder that is thrown away: images (n, 3, s, s) to images.

    The decoder sees a narrow version of the last maps and is shallow: what is to be learned should end up before it.

    Args:
        encoder: Its `maps` turn images (n, 3, s, s) into (n, dim, s / 8, s / 8).
        dim: Channels of these maps.
        narrow: Channels that the decoder sees. With 16 a picture has 12 times fewer numbers there than pixels, so that
            nothing can be learned by copying, even where nothing is hidden.
    """

    def __init__(self, encoder: nn.Module, dim: int, narrow: int = 16) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = nn.Sequential(
            nn.Conv2d(dim, narrow, 1),
            *_doubled(narrow, DECODER_DIM),
            *_doubled(DECODER_DIM, DECODER_DIM // 2),
            nn.Conv2d(DECODER_DIM // 2, 4 * 3, 3, padding=1),
            nn.PixelShuffle(2),
        )

    def forward(self, images: Tensor) -> Tensor:
        restored: Tensor = self.decoder(self.encoder.maps(images))  # type: ignore[operator]
        return restored


def _doubled(n_in: int, n_out: int) -> list[nn.Module]:
    """A convolution and ReLU to twice the resolution, (n, n_in, h, w) to (n, n_out, 2 h, 2 w)."""
    return [nn.Conv2d(n_in, 4 * n_out, 3, padding=1), nn.PixelShuffle(2), nn.ReLU()]
