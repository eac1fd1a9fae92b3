"""The same draws on a batch of tensors, on whatever device it lies.

On a GPU it is one resampling and one product for the whole batch, or for all images that are reduced alike; elastic
fields and effects are done for each image. On a CPU a few images at a time go through everything; uint8 images, which
have no gradients, go through OpenCV there, and the bytes are those of `Draw.chw`.

    draws = [policy.draw(rng, width, height, out=(224, 224)) for _ in images]
    inputs = augmented_batch(images, draws, mean, std)

Float images are not rounded on the way, and gradients flow back to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from handful.augment.batched_effects import affected
from handful.augment.draw import Draw
from handful.augment.matrices import IDENTITY, Matrix, scaling, shifting
from handful.augment.recolour import Curve, Recolour
from handful.augment.warp import Border, Warp
from handful.core.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

PADDING = {"reflect": "reflection", "replicate": "border", "constant": "zeros"}
CACHED = 2**17  # numbers of a batch that go through together on a CPU
LEVELS = 256  # of the tables of curves, which are straight between levels

NO_COLOUR = np.eye(4)

Curved = list[tuple[Matrix, Curve]]  # curves, each with what is linear before it
Row = npt.NDArray[np.float64]


def augmented_batch(
    images: Tensor,
    draws: Sequence[Draw],
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    full: float = 1.0,
) -> Tensor:
    """All images of a batch augmented, each as its own draw says: `Draw.chw` on tensors.

    Args:
        images: RGB, shape (n, 3, height, width), uint8 or float; untouched.
        draws: One for each image, for images of this size; all of one target size.
        mean, std: Of each channel, in the pixels' own units: 0 to 255 for uint8, 0 to `full` for float. Without them
            pixels come out in these units.
        full: White in float images. What leaves 0 to `full` is clipped, as pixels would be.
    Returns:
        Shape (n, 3, target height, target width), float32, or float64 where the images are. Differentiable by float
        images; the tables of curves, histograms of `equalize` among them, count as constants.
    Raises:
        DataError: when the draws are not for these images, or do not agree about the target size.
        UsageError: when a gradient is asked for through an effect that has none (`jpeg`).
    """
    import torch

    _check(images, draws, full)
    full = float(full) if images.is_floating_point() else 255.0
    middle, unit = np.zeros(3) if mean is None else np.array(mean), np.ones(3) if std is None else np.array(std)
    if images.dtype == torch.uint8 and images.device.type == "cpu":
        return _by_opencv(images, draws, middle, unit)
    at_once = len(images)
    if images.device.type == "cpu":  # what fits a cache is faster
        at_once = max(torch.get_num_threads(), CACHED // images[0].numel())
    with torch.autocast(images.device.type, enabled=False):  # half precision is coarser than a level of a pixel
        done = [
            _augmented(images[at : at + at_once], draws[at : at + at_once], full, middle, unit)
            for at in range(0, len(images), at_once)
        ]
    return done[0] if len(done) == 1 else torch.cat(done)


def _by_opencv(images: Tensor, draws: Sequence[Draw], mean: Row, std: Row) -> Tensor:
    import torch

    def one(image: Tensor, draw: Draw) -> Tensor:
        return torch.from_numpy(draw.chw(cv2.merge(list(image.numpy())), mean.tolist(), std.tolist()))

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        return torch.stack(list(pool.map(one, images, draws)))


def _augmented(images: Tensor, draws: Sequence[Draw], full: float, mean: Row, std: Row) -> Tensor:
    import torch

    curves, last = zip(*[_curves_and_last(draw.recolour) for draw in draws], strict=True)
    pixels = _curved(_warped(images, [draw.warp for draw in draws]), curves, full)
    pixels = _mixed(pixels, np.stack(last), full)
    if any(draw.effects for draw in draws):
        pixels = torch.stack([affected(one, draw.effects, full) for one, draw in zip(pixels, draws, strict=True)])
    factor = _tensor(1 / std[:, None, None], pixels)
    return pixels.mul_(factor).sub_(_tensor(mean[:, None, None], pixels) * factor)


def _check(images: Tensor, draws: Sequence[Draw], full: float) -> None:
    import torch

    if images.ndim != 4 or images.shape[1] != 3 or not (images.is_floating_point() or images.dtype == torch.uint8):
        found = f"{str(images.dtype).removeprefix('torch.')} of shape {tuple(images.shape)}"
        raise DataError(f"a batch is uint8 or float of shape (n, 3, height, width), got {found}", "augmented_batch")
    if not len(images) == len(draws) > 0:
        raise DataError(f"{len(images)} images and {len(draws)} draws, expected one for each", "augmented_batch")
    size = (images.shape[3], images.shape[2])
    other = next((draw.warp.source for draw in draws if draw.warp.source != size), size)
    if other != size:
        what = f"a draw is for {other[0]} x {other[1]} pixels, the batch has {size[0]} x {size[1]}"
        raise DataError(what, "augmented_batch")
    if images.is_floating_point() and images.numel() and float(images.detach()[..., ::16, ::16].max()) > 2 * full:
        what = f"float images reach {float(images.detach().max()):g}, and white is {full:g}"
        raise DataError(what, "augmented_batch", "give full=255, or divide the images by 255")
    targets = sorted({draw.warp.target for draw in draws})
    if len(targets) > 1:
        some = " and ".join(f"{width} x {height}" for width, height in targets[:2])
        raise DataError(f"the draws have targets of {some}", "augmented_batch", "give Policy.draw one size as out")


def _index(rows: list[int], like: Tensor) -> Tensor:
    import torch

    return torch.tensor(rows, device=like.device)


def _floats(images: Tensor, copy: bool = False) -> Tensor:
    import torch

    return images.to(torch.float64 if images.dtype == torch.float64 else torch.float32, copy=copy)


def _tensor(array: npt.NDArray[np.floating], like: Tensor) -> Tensor:
    import torch

    return torch.as_tensor(array, dtype=like.dtype, device=like.device)


# Geometry


def _warped(images: Tensor, warps: list[Warp]) -> Tensor:
    """The batch resampled once, as floats: together whatever is reduced by the same blocks and has the same border."""
    if all(warp.is_identity for warp in warps):
        return _floats(images)
    alike: dict[tuple[tuple[int, int], Border], list[int]] = {}
    for row, warp in enumerate(warps):
        alike.setdefault((warp.block, warp.border), []).append(row)
    if len(alike) == 1:
        return _resampled(images, warps, *alike.popitem()[0])
    width, height = warps[0].target
    done = _floats(images[:0]).new_empty((len(warps), 3, height, width))
    for (blocks, border), rows in alike.items():
        some = _resampled(images[rows], [warps[row] for row in rows], blocks, border)
        done = done.index_copy(0, _index(rows, images), some)
    return done


def _resampled(images: Tensor, warps: list[Warp], block: tuple[int, int], border: Border) -> Tensor:
    """Images that are reduced by the same blocks and have the same border."""
    from torch.nn import functional

    images, matrices = _seen(images, warps)
    if block == (1, 1):
        reduced = _floats(images, copy=True)  # what has just been read in order is near when it is read askew
    else:
        across, down = min(block[0], images.shape[3]), min(block[1], images.shape[2])
        reduced, matrices = _block_means(images, across, down, border), matrices @ scaling(across, down)
    mirrored = border == "reflect"  # about the centres of the outermost pixels
    to_grid = _to_grid(reduced.shape[3], reduced.shape[2], mirrored)
    grid = _grid(_tensor(to_grid @ np.linalg.inv(matrices), reduced), warps)
    return functional.grid_sample(reduced, grid, "bilinear", PADDING[border], align_corners=mirrored)


def _seen(images: Tensor, warps: list[Warp]) -> tuple[Tensor, Matrix]:
    """The part that any of the images is seen of, without a copy, and the matrices from there."""
    spans, matrices = np.array([warp.seen for warp in warps]), np.stack([warp.matrix for warp in warps])
    (left, top), (right, bottom) = spans[..., 0].min(axis=0), spans[..., 1].max(axis=0)
    return images[..., top:bottom, left:right], matrices @ shifting(left, top)


def _block_means(images: Tensor, across: int, down: int, border: Border) -> Tensor:
    """Means of whole blocks, the last ones filled up as in `Warp.image`."""
    from torch.nn import functional

    whole, (height, width) = _floats(images), images.shape[2:]
    if width % across or height % down:
        way = "constant" if border == "constant" else "replicate"
        whole = functional.pad(whole, (0, -width % across, 0, -height % down), way)
    columns = sum((whole[..., at::across] for at in range(1, across)), whole[..., ::across])  # faster than avg_pool2d
    return sum((columns[:, :, at::down] for at in range(1, down)), columns[:, :, ::down]) / (across * down)


def _to_grid(width: int, height: int, mirrored: bool) -> Matrix:
    """From pixels to -1 to 1: between the centres of the outermost pixels if mirrored there, else between the edges."""
    if mirrored:
        across, down = 2 / max(width - 1, 1), 2 / max(height - 1, 1)  # all that is mirrored in one pixel is that pixel
        return shifting(-1, -1) @ scaling(across, down) @ shifting(-0.5, -0.5)
    return shifting(-1, -1) @ scaling(2 / width, 2 / height)


def _grid(backward: Tensor, warps: list[Warp]) -> Tensor:
    """Where every pixel of the target comes from, shape (n, height, width, 2), by matrices of shape (n, 3, 3).

    In memory x and y are planes: the sum of a line and a column is then a sum of whole lines.
    """
    import torch

    width, height = warps[0].target
    x = torch.arange(width, dtype=backward.dtype, device=backward.device) + 0.5
    y = torch.arange(height, dtype=backward.dtype, device=backward.device)[:, None] + 0.5
    flat = all(np.array_equal(warp.matrix[2], IDENTITY[2]) for warp in warps)
    rows = backward[:, : 2 if flat else 3, :, None, None]
    grid = (rows[:, :, 0] * x + rows[:, :, 2]) + rows[:, :, 1] * y
    if any(warp.field is not None for warp in warps):
        grid = grid + (rows[:, :, :2, 0, 0] @ _displacements(warps, x, y).flatten(2)).reshape(grid.shape)
    return (grid if flat else grid[:, :2] / grid[:, 2:]).permute(0, 2, 3, 1)


def _displacements(warps: list[Warp], x: Tensor, y: Tensor) -> Tensor:
    """The elastic fields at the pixels of the target, shape (n, 2, height, width), in pixels."""
    import torch
    from torch.nn import functional

    width, height = warps[0].target
    points = torch.stack([x.expand(height, -1) / width, y.expand(-1, width) / height], dim=-1) * 2 - 1
    size = _tensor(np.array([[[width]], [[height]]], dtype=np.float64), x)
    found = x.new_zeros((len(warps), 2, height, width))
    for row, warp in enumerate(warps):
        if warp.field is not None:
            nodes = _tensor(warp.field.transpose(2, 0, 1)[None], x)
            found[row] = functional.grid_sample(nodes, points[None], align_corners=True)[0] * size
    return found


# Colour


def _curves_and_last(recolour: Recolour) -> tuple[Curved, Matrix]:
    """The curves, each with the matrix before it, and the matrix after them."""
    curves: Curved = []
    matrix: Matrix = NO_COLOUR
    for stage in recolour.stages:
        if isinstance(stage, np.ndarray):
            matrix = stage @ matrix
        else:
            curves.append((matrix, stage))
            matrix = NO_COLOUR
    return curves, matrix


def _curved(pixels: Tensor, curves: Sequence[Curved], full: float) -> Tensor:
    """Every image after its last curve: the first ones of all images together, then the second ones."""
    for turn in range(max(map(len, curves))):
        rows = [row for row, some in enumerate(curves) if len(some) > turn]
        before, after = zip(*[curves[row][turn] for row in rows], strict=True)
        looked_up = _looked_up(_mixed(pixels[rows], np.stack(before), full), after, full)
        pixels = pixels.index_copy(0, _index(rows, pixels), looked_up)
    return pixels


def _looked_up(pixels: Tensor, curves: Sequence[Curve], full: float) -> Tensor:
    """Each image, shape (3, height, width), through its curve; between two levels the curve is straight."""
    import torch

    levels = pixels.flatten(2) * ((LEVELS - 1) / full)
    tables = np.stack([
        np.broadcast_to(curve.tables(LEVELS, _histograms(each) if curve.looks else None), (3, LEVELS))
        for curve, each in zip(curves, levels.detach(), strict=True)
    ])  # fmt: skip
    table = _tensor(tables * full, pixels)
    below = levels.detach().clamp(0, LEVELS - 2).to(torch.int64)
    low, high = table.gather(2, below), table.gather(2, below + 1)
    return (low + (high - low) * (levels - below)).reshape(pixels.shape)


def _histograms(levels: Tensor) -> npt.NDArray[np.int64]:
    """Of the channels of one image, shape (3, n_pixels), in levels; shape (3, 256)."""
    nearest = levels.round().long()
    return np.stack([channel.bincount(minlength=LEVELS).cpu().numpy() for channel in nearest])


def _mixed(pixels: Tensor, matrices: Matrix, full: float) -> Tensor:
    """Each image times its matrix, of shape (n, 4, 4), clipped."""
    offsets = _tensor(full * matrices[:, :3, 3:], pixels)
    mixed = _tensor(matrices[:, :3, :3], pixels).bmm(pixels.flatten(2))  # baddbmm copies its offsets to every pixel
    return mixed.add_(offsets).clamp_(0, full).reshape(pixels.shape)
