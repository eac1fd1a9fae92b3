"""Batches of augmented views of unlabelled pictures, for `training.loop.train`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from handful.augment.batched import augmented_batch
from handful.augment.policy import Policy
from handful.unsupervised.image_pool import ImagePool, Rows

# As in SimCLR for small pictures: a crop of a fifth of the picture or more, mirrored, recoloured, at times grey.
POLICY = "resized_crop=0.2,flip_h=0.5,brightness=0.4@0.8,contrast=0.4@0.8,saturation=0.4@0.8,hue=36@0.8,grey=0.2"
RESTORED_POLICY = "resized_crop=0.5,flip_h=0.5"  # colours are to be restored as they are


@dataclass(frozen=True)
class TwoViews:
    """First views of the pictures, then second views, (2n, 3, s, s).

    Args:
        pool: The pictures.
        policy: Draws the views.
        mean, std: Of each channel, in 0..255: what the network expects.
        device: Where views are made: on a CPU picture by picture, on a GPU the whole batch at once.
    """

    pool: ImagePool
    policy: Policy
    mean: tuple[float, ...]
    std: tuple[float, ...]
    device: str = "cpu"

    def __call__(self, rows: Rows, rng: np.random.Generator) -> Tensor:
        """Two views of some pictures, each with a draw of its own."""
        planes = self.pool.pixels(rows).transpose(0, 3, 1, 2)
        images = torch.from_numpy(np.concatenate([planes, planes])).to(self.device)
        return _drawn(images, self.policy, self.mean, self.std, rng)


@dataclass(frozen=True)
class OneView:
    """Pairs of what is shown of a picture and what is wanted, both (n, 3, s, s): one view, spoilt by noise or not.

    Args:
        pool: The pictures.
        mean, std: Of each channel, in 0..255.
        noise: Standard deviation of what is added to the normalised pixels shown.
        device: Where views are made.
    """

    pool: ImagePool
    mean: tuple[float, ...]
    std: tuple[float, ...]
    noise: float = 0.0
    device: str = "cpu"

    def __call__(self, rows: Rows, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """What is shown and what is wanted of some pictures."""
        planes = np.ascontiguousarray(self.pool.pixels(rows).transpose(0, 3, 1, 2))
        images = torch.from_numpy(planes).to(self.device)
        wanted = _drawn(images, Policy.parse(RESTORED_POLICY), self.mean, self.std, rng)
        if not self.noise:
            return wanted, wanted
        noise = torch.from_numpy(rng.standard_normal(tuple(wanted.shape), np.float32)).to(self.device)
        return wanted + self.noise * noise, wanted


def _drawn(
    images: Tensor, policy: Policy, mean: tuple[float, ...], std: tuple[float, ...], rng: np.random.Generator
) -> Tensor:
    height, width = images.shape[2:]
    draws = [policy.draw(rng, width, height, out=(width, height)) for _ in images]
    mean, std = (each if len(each) == 3 else each * 3 for each in (mean, std))
    return augmented_batch(images, draws, mean, std)
