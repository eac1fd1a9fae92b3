"""What a GAN learns from: images or rows of numbers, checked, as its networks take and give them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from handful.augment.policy import Policy
from handful.core.errors import DataError
from handful.unsupervised.normal_scores import NormalScores, checked_rows

if TYPE_CHECKING:
    from torch import Tensor

    from handful.unsupervised.gan_torch import Alter, Players

FEWEST = 20  # different examples
SMALLEST, LARGEST = 8, 64  # pixels
NOISE = 0.1  # standard deviations, on rows of a table
INSTEAD = "make more of the ones you have with handful augment"

Array = npt.NDArray[Any]


class Kind(ABC):
    """What a GAN learns: how a batch is made for its networks, and samples are made of what they give."""

    @abstractmethod
    def players(self, n_classes: int, width: int, latent_dim: int) -> Players:
        """New networks."""

    @abstractmethod
    def alter(self, policy: Policy) -> Alter:
        """What happens to examples before the critic sees them."""

    @abstractmethod
    def batch(self, rows: npt.NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        """Examples as the generator makes them."""

    @abstractmethod
    def restored(self, made: npt.NDArray[np.float32]) -> Array:
        """What the generator made, as an example looked."""


class Images(Kind):
    """Images; grey ones in one channel, whatever number they came with."""

    def __init__(self, images: Array) -> None:
        _check_images(images)
        self.shape = images.shape[1:]
        channels = images.reshape(*images.shape[:3], -1)
        grey = bool((channels == channels[..., :1]).all())
        self.pixels = np.ascontiguousarray((channels[..., :1] if grey else channels).transpose(0, 3, 1, 2))

    def players(self, n_classes: int, width: int, latent_dim: int) -> Players:
        from handful.unsupervised.gan_torch import image_players

        height, across, channels = (self.pixels.shape[at] for at in (2, 3, 1))
        return image_players((height, across, channels), n_classes, width, latent_dim)

    def alter(self, policy: Policy) -> Alter:
        from handful.unsupervised.gan_torch import by_policy

        return by_policy(policy)

    def batch(self, rows: npt.NDArray[np.int64], rng: np.random.Generator) -> Tensor:  # noqa: ARG002
        import torch

        return torch.from_numpy(self.pixels[rows]).float() / 255

    def restored(self, made: npt.NDArray[np.float32]) -> Array:
        pixels = np.rint(made.transpose(0, 2, 3, 1) * 255).astype(np.uint8)
        whole = np.broadcast_to(pixels, (*pixels.shape[:3], (*self.shape, 1)[2]))
        return np.ascontiguousarray(whole.reshape(-1, *self.shape))


class Table(Kind):
    """Rows of numbers as normal scores."""

    def __init__(self, rows: Array) -> None:
        self.rows = checked_rows(rows)
        _check_number(self.rows, "rows")
        self.scores = NormalScores().fit(self.rows)

    def players(self, n_classes: int, width: int, latent_dim: int) -> Players:
        from handful.unsupervised.gan_torch import table_players

        return table_players(self.rows.shape[1], n_classes, width, latent_dim)

    def alter(self, policy: Policy) -> Alter:
        from handful.unsupervised.gan_torch import by_noise

        return by_noise(NOISE if policy.operations else 0.0)

    def batch(self, rows: npt.NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        import torch

        return torch.from_numpy(self.scores.transform(self.rows[rows], rng).astype(np.float32))

    def restored(self, made: npt.NDArray[np.float32]) -> Array:
        return self.scores.inverse_transform(made)


def _check_images(images: Array) -> None:
    if images.dtype != np.uint8 or images.shape[3:] not in ((), (1,), (3,)) or 0 in images.shape:
        found = f"{images.dtype} of shape {images.shape}"
        raise DataError(f"images are uint8 of shape (n, h, w), (n, h, w, 1) or (n, h, w, 3), got {found}", "X")
    height, width = images.shape[1:3]
    if min(height, width) < SMALLEST:
        what = f"images of {width} x {height} pixels, expected {SMALLEST} or more each way"
        raise DataError(what, "X", "enlarge them")
    if max(height, width) > LARGEST:
        what = f"images of {width} x {height} pixels; what a GAN this small paints well has up to {LARGEST}"
        raise DataError(what, "X", f"shrink them to {LARGEST} or less, or {INSTEAD}")
    _check_number(images, "images")


def _check_number(examples: Array, called: str) -> None:
    n = len({each.tobytes() for each in examples})
    if n < FEWEST:
        of = f"; the other {len(examples) - n} repeat them" if n < len(examples) else ""
        what = f"{n} different {called}{of}: from fewer than {FEWEST} a GAN learns nothing but to copy them"
        raise DataError(what, "X", f"add {called}" + (f", or {INSTEAD}" if called == "images" else ""))
