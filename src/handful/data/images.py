"""Images decoded: one, a whole data set, or a stream of batches. Square, RGB, in parallel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from handful.core.errors import DataError, ImageError
from handful.core.progress import SILENT, Progress
from handful.data.dataset import Dataset
from handful.data.pixels import Pixels, from_array, from_file, from_pillow, squash


@dataclass(frozen=True)
class Problem:
    """One example that could not be read: its row, what to call it, and why."""

    row: int
    name: str
    reason: str


@dataclass(frozen=True)
class Decoded:
    """The readable examples as pixels, and what became of the others.

    Args:
        pixels: RGB, shape (m, size, size, 3).
        rows: Which rows of the data they are, ascending, shape (m,).
        problems: The rows that could not be read, in order.
    """

    pixels: Pixels
    rows: npt.NDArray[np.int64]
    problems: tuple[Problem, ...]


def decode(source: str | Path | npt.NDArray[Any] | Image.Image, size: int) -> Pixels:
    """Read one image and squash it to a square.

    Alpha is laid over white, EXIF orientation is applied, and 16-bit levels are scaled by the bits they really use.

    Args:
        source: A PNG, JPEG, BMP, TIFF, WebP or GIF file (its first picture), a Pillow image, or an array of shape
            (h, w), (h, w, 1), (h, w, 3) or (h, w, 4): uint8, uint16, or floating in [0, 1].
        size: Side of the square in pixels.
    Returns:
        RGB, shape (size, size, 3).
    Raises:
        ImageError: when it cannot be read; the message names the file and the reason.
    """
    if isinstance(source, np.ndarray):
        return squash(from_array(source, "an array"), size)
    if isinstance(source, Image.Image):
        return squash(from_pillow(source, "a Pillow image"), size)
    if isinstance(source, str | Path):
        return squash(from_file(Path(source), size), size)
    raise ImageError(f"expected a path, an array or a Pillow image, found {type(source).__name__}")


def decode_all(
    data: Dataset, size: int, *, jobs: int | None = None, progress: Progress = SILENT, strict: bool = False
) -> Decoded:
    """Read every image of a data set into one array.

    Args:
        data: Its inputs are whatever `decode` takes.
        size: Side of the square in pixels.
        jobs: Threads; None chooses by the number of cores.
        progress: Told of every image.
        strict: Raise the first problem rather than leave that image out.
    Raises:
        ImageError: when `strict` and an image cannot be read.
        DataError: when no image at all can be read.
    """
    with _threads(jobs) as pool, progress.track("reading images", len(data)) as advance:
        batch = _Batch(pool, data, range(len(data)), size)
        problems = []
        for problem in batch.outcomes:
            if problem and strict:
                raise ImageError(problem.reason, problem.name, "replace or remove it")
            problems.append(problem)
            advance(1)
    decoded = batch.result(problems)
    if len(data) and not len(decoded.rows):
        few = ", ".join(f"{problem.name}: {problem.reason}" for problem in decoded.problems[:3])
        raise DataError(f"none of the {len(data)} images can be read", few, "check that these are image files")
    return decoded


def decode_stream(inputs: Sequence[Any], size: int, batch_size: int, jobs: int | None = None) -> Iterator[Decoded]:
    """Read images batch by batch; the next batch is decoded while the caller works on this one.

    Args:
        inputs: Whatever `decode` takes.
        size: Side of the square in pixels.
        batch_size: Images per batch; two batches are held at a time.
        jobs: Threads; None chooses by the number of cores.
    Yields:
        One `Decoded` per batch, its rows counted from the start of `inputs`; empty when none of them can be read.
    """
    data = Dataset(inputs)
    with _threads(jobs) as pool:
        ready: _Batch | None = None
        for start in range(0, len(inputs), batch_size):
            ahead = _Batch(pool, data, range(start, min(start + batch_size, len(inputs))), size)
            if ready:
                yield ready.result(ready.outcomes)
            ready = ahead
        if ready:
            yield ready.result(ready.outcomes)


class _Batch:
    """Rows being decoded in the background, each straight into its place."""

    def __init__(self, pool: ThreadPoolExecutor, data: Dataset, rows: range, size: int) -> None:
        self.data, self.rows, self.size = data, rows, size
        self.pixels: Pixels = np.empty((len(rows), size, size, 3), np.uint8)
        self.outcomes = pool.map(self._decode, range(len(rows)))  # in order, each as soon as it is known

    def _decode(self, place: int) -> Problem | None:
        row = self.rows[place]
        try:
            self.pixels[place] = decode(self.data.inputs[row], self.size)
        except ImageError as error:
            return Problem(row, self.data.name(row), error.what)
        return None

    def result(self, outcomes: Iterable[Problem | None]) -> Decoded:
        """The batch as a whole, once all outcomes are known."""
        problems = tuple(problem for problem in outcomes if problem)
        rows = np.asarray(self.rows, dtype=np.int64)
        if not problems:
            return Decoded(self.pixels, rows, ())
        readable = ~np.isin(rows, [problem.row for problem in problems])
        return Decoded(self.pixels[readable], rows[readable], problems)


@contextmanager
def _threads(jobs: int | None) -> Iterator[ThreadPoolExecutor]:
    """A pool that drops what it has not begun when its user leaves early, by Ctrl-C for one."""
    pool = ThreadPoolExecutor(jobs)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
