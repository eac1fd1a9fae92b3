"""A pool of unlabelled images that may be far larger than memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from handful.core.errors import DataError
from handful.core.progress import SILENT, Progress
from handful.core.rng import stream
from handful.data.dataset import Dataset
from handful.data.duplicates import different_images
from handful.data.images import decode_all
from handful.data.pixels import Pixels

MEMORY_LIMIT = 2**30  # bytes of decoded images; a larger pool is decoded as it is drawn
LEAST = 20  # different images: fewer have nothing to tell apart
N_SAMPLED = 1000  # images that stand for the pool

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ImagePool:
    """Different images, squashed to one size: decoded once where that fits into memory, else whenever they are drawn.

    Args:
        files: The images.
        size: Side of the square in pixels.
        kept: All of them decoded, shape (n, size, size, 3); None where they do not fit.
        mean, std: Of each channel over the pool, in 0..255.
        jobs: Threads that decode; None chooses by the number of cores.
        unreadable: Files that were found to be no images.
    """

    files: Sequence[Path]
    size: int
    kept: Pixels | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    jobs: int | None = None
    unreadable: set[str] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.files)

    def pixels(self, rows: Rows) -> Pixels:
        """Some images, shape (m, size, size, 3); those that cannot be read are left out, and noted.

        Raises:
            DataError: when none of them can be read.
        """
        if self.kept is not None:
            return np.asarray(self.kept[rows])
        decoded = decode_all(Dataset([self.files[row] for row in rows]), self.size, jobs=self.jobs)
        self.unreadable.update(problem.name for problem in decoded.problems)
        return decoded.pixels


def image_pool(
    files: Sequence[Path],
    size: int,
    where: str,
    *,
    jobs: int | None = None,
    memory_limit: int = MEMORY_LIMIT,
    progress: Progress = SILENT,
) -> ImagePool:
    """Read a pool, without its exact copies where it fits into memory.

    Args:
        files: In a fixed order.
        size: Side of the square in pixels.
        where: What to call the pool in an error.
        jobs: Threads; None chooses by the number of cores.
        memory_limit: Bytes of decoded images.
        progress: Told of every image that is read.
    Raises:
        DataError: when it is empty, cannot be read, or has not `LEAST` different images.
    """
    if not files:
        raise DataError("there are no images", where, "give a folder with PNG, JPEG or other image files")
    fits = len(files) * size * size * 3 <= memory_limit
    looked_at = np.arange(len(files)) if fits else _spread(len(files))
    decoded = decode_all(Dataset([files[row] for row in looked_at]), size, jobs=jobs, progress=progress)
    different = different_images(decoded.pixels)
    if len(different) < LEAST:
        n = f"{len(different)} different images" if len(different) > 1 else "one image, again and again"
        n = "one image" if len(looked_at) == 1 else n
        what = f"the pool holds {n}; at least {LEAST} different ones are needed"
        raise DataError(what, where, "give more unlabelled images")
    pixels, unreadable = decoded.pixels, {problem.name for problem in decoded.problems}
    if len(different) < len(pixels):
        pixels = pixels[different]
    mean, std = _statistics(pixels[_spread(len(pixels))])
    if not fits:
        return ImagePool(files, size, None, mean, std, jobs, unreadable)
    kept = [files[row] for row in decoded.rows[different]]
    return ImagePool(kept, size, pixels, mean, std, jobs, unreadable)


def _spread(n: int) -> Rows:
    """Some rows that stand for all."""
    if n <= N_SAMPLED:
        return np.arange(n)
    return np.sort(stream(0, "sampled images").choice(n, N_SAMPLED, replace=False))


def _statistics(pixels: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, to a tenth of a level; of a flat channel 1."""
    levels = pixels.reshape(-1, 3).astype(np.float64)
    mean, std = levels.mean(0).round(1).tolist(), levels.std(0).round(1).clip(1.0).tolist()
    return tuple(mean), tuple(std)
