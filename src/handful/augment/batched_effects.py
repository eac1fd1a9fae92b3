"""Effects on tensors: the same fields and kernels as on arrays, nothing rounded.

What has no form of its own here (`jpeg`, and effects from elsewhere) is done on the CPU, on pixels rounded to uint8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from handful.augment.blur import Kernel
from handful.augment.draw import Effect
from handful.augment.erase import Erase
from handful.augment.noise import Noise, ShotNoise, standard_normal
from handful.core.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

DARKEST = 1e-6  # of the full range: below it shot noise has no gradient, since the root has none at 0


def affected(image: Tensor, effects: Sequence[Effect], full: float) -> Tensor:
    """One image after its effects, clipped after each.

    Args:
        image: Shape (3, height, width), from 0 to `full`; untouched.
        effects: In their order.
        full: White.
    Raises:
        UsageError: when the image needs a gradient and an effect has none.
    """
    for effect in effects:
        image = _affected(image, effect, full).clamp(0, full)
    return image


def _affected(image: Tensor, effect: Effect, full: float) -> Tensor:
    if isinstance(effect, Noise):
        return image + _normal(image, effect.seed) * (effect.deviation * full)
    if isinstance(effect, ShotNoise):
        root = (image / full).clamp(min=DARKEST).sqrt()
        return image + _normal(image, effect.seed) * root * (effect.deviation * full)
    if isinstance(effect, Kernel):
        return _blurred(image, effect)
    if isinstance(effect, Erase):
        return _erased(image, effect, full)
    return _by_pixels(image, effect, full)


def _normal(image: Tensor, seed: int) -> Tensor:
    """The noise of a seed, as arrays have it: drawn by rows, columns, channels."""
    channels, rows, columns = image.shape
    return _like(standard_normal((rows, columns, channels), seed).transpose(2, 0, 1), image)


def _blurred(image: Tensor, blur: Kernel) -> Tensor:
    from torch.nn import functional

    rows, columns = blur.kernel.shape
    across, down = (_mirrored(side, reach // 2) for side, reach in ((image.shape[2], columns), (image.shape[1], rows)))
    channels = image[:, down][:, :, across][:, None]
    factors = blur.factors()
    if factors is None:
        return functional.conv2d(channels, _like(blur.kernel, image)[None, None])[:, 0]
    column, row = (_like(each, image) for each in factors)
    return functional.conv2d(functional.conv2d(channels, row[None, None, None]), column[None, None, :, None])[:, 0]


def _mirrored(side: int, reach: int) -> list[int]:
    """Which pixels stand on a line of `side` pixels and `reach` more at both ends; however far it goes."""
    period = max(2 * (side - 1), 1)
    at = np.abs(np.arange(-reach, side + reach)) % period
    return [int(each) for each in np.minimum(at, period - at)]


def _erased(image: Tensor, erase: Erase, full: float) -> Tensor:
    """The effect itself draws its rectangle on black and on white: what is the same on both is erased."""
    import torch

    shape = (*image.shape[1:], 3)
    on_black, on_white = (erase(np.full(shape, level, dtype=np.uint8)) for level in (0, 255))
    kept = (on_black == 0).all(axis=2) & (on_white == 255).all(axis=2)
    filled = _like(on_black.transpose(2, 0, 1), image) * (full / 255)
    return torch.where(torch.as_tensor(kept, device=image.device), image, filled)


def _by_pixels(image: Tensor, effect: Effect, full: float) -> Tensor:
    if image.requires_grad:
        what = f"{type(effect).__name__.lower()} has no gradient, and the images need one"
        raise UsageError(what, "augmented_batch", "leave it out with Policy.without, or detach the images")
    pixels = (image * (255 / full)).round().byte().permute(1, 2, 0).contiguous().cpu().numpy()
    return _like(effect(pixels).transpose(2, 0, 1), image) * (full / 255)


def _like(array: npt.NDArray[np.generic], image: Tensor) -> Tensor:
    import torch

    return torch.as_tensor(np.ascontiguousarray(array), dtype=image.dtype, device=image.device)
