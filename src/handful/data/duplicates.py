"""Images that are one photograph: identical, re-encoded, rescaled, or a little brighter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

_SIDE = 16  # of the thumbnail: finer detail is lost by rescaling, coarser is shared by different photos
_BLUR = 3.0  # thumbnail pixels: what is smoother is lighting and background
_FLAT = 1.0  # grey levels: a thumbnail with less contrast shows nothing to compare
_BLOCK = 512  # images compared at a time
_MOST = 10  # near pairs kept per image: a film of one scene is still joined, and does not fill the memory
_SAMPLE = 512  # images that tell how alike different photos of a set are

_Pixels: TypeAlias = npt.NDArray[np.uint8]
_Thumbnails: TypeAlias = npt.NDArray[np.float32]


class Pair(NamedTuple):
    """Two rows that are one photograph, and the correlation of their thumbnails: 1 when identical."""

    first: int
    second: int
    similarity: float


@dataclass(frozen=True)
class Duplicates:
    """What was found among n images.

    Args:
        exact: Identical pixels; each repeat is paired with the first of its kind.
        near: Alike but not identical, at most ten pairs per image; only the first of identical images takes part.
        units: Equal numbers, one photograph: the connected components of all pairs, shape (n,).
    """

    exact: tuple[Pair, ...]
    near: tuple[Pair, ...]
    units: npt.NDArray[np.int64]


def different_images(pixels: _Pixels) -> npt.NDArray[np.int64]:
    """The rows of images that are not exact copies of an earlier one, ascending."""
    return np.unique(np.asarray(_first_of_each(pixels), np.int64))


def near_duplicates(pixels: _Pixels, threshold: float | None = None) -> Duplicates:
    """Find the images of a set that are one photograph, so that they are never parted into training and test.

    Two images are compared by the correlation of their colour thumbnails after local means were removed: it does not
    change with brightness and contrast. Different X-rays are more alike than different holiday photos, so the
    threshold is fitted to the set. Crops of more than a few pixels are different images to this measure.

    Args:
        pixels: RGB, shape (n, s, s, 3).
        threshold: Correlation from which two images are one photograph; None fits it to the set, 0.90 to 0.98.
    """
    first = _first_of_each(pixels)
    exact = tuple(Pair(i, row, 1.0) for row, i in enumerate(first) if i != row)
    rows = np.unique(np.asarray(first, np.int64))
    thumbnails = _thumbnails(pixels, rows)
    threshold = _fitted_threshold(thumbnails) if threshold is None else threshold
    alike = _alike(thumbnails, thumbnails, threshold, earlier_only=True)
    near = tuple(Pair(int(rows[i]), int(rows[j]), similarity) for i, j, similarity in alike)
    return Duplicates(exact, near, components(len(pixels), (*exact, *near)))


def across(pixels_a: _Pixels, pixels_b: _Pixels, threshold: float | None = None) -> tuple[Pair, ...]:
    """Find the images of one set that are also in another, such as test images that were trained on.

    Args:
        pixels_a: RGB, shape (n, s, s, 3).
        pixels_b: RGB, shape (m, s, s, 3).
        threshold: As for `near_duplicates`; None fits it to `pixels_a`.
    Returns:
        Pairs (row of a, row of b): the identical image of a where there is one, else at most ten that are alike.
    """
    seen = {digest: row for row, digest in reversed(list(enumerate(map(_digest, pixels_a))))}
    twins = [seen.get(_digest(image)) for image in pixels_b]
    rows = np.flatnonzero([twin is None for twin in twins])
    a, b = _thumbnails(pixels_a, np.arange(len(pixels_a))), _thumbnails(pixels_b, rows)
    threshold = _fitted_threshold(a) if threshold is None else threshold
    exact = [Pair(twin, row, 1.0) for row, twin in enumerate(twins) if twin is not None]
    near = [Pair(i, int(rows[j]), similarity) for i, j, similarity in _alike(a, b, threshold)]
    return tuple(sorted(exact + near, key=lambda pair: (pair.second, pair.first)))


def components(n: int, pairs: Iterable[tuple[Any, ...]]) -> npt.NDArray[np.int64]:
    """Number the connected components of a graph in the order of their first members (union-find).

    Args:
        n: How many nodes.
        pairs: Edges; the first two entries of each are nodes.
    Returns:
        Component of each node, shape (n,).
    Example:
        >>> components(4, [(1, 3)])
        array([0, 1, 2, 1])
    """
    parent = list(range(n))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = node = parent[parent[node]]
        return node

    for first, second, *_ in pairs:
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    _, numbers = np.unique([root(node) for node in range(n)], return_inverse=True)
    return numbers.astype(np.int64)


def join_units(units: npt.NDArray[Any], groups: npt.NDArray[Any] | None) -> npt.NDArray[np.int64]:
    """Merge two ways of belonging together: two examples that share a unit or a group end up in one unit.

    Args:
        units: Shape (n,).
        groups: Shape (n,), of any type; None when there are none.
    Example:
        >>> join_units(np.array([0, 1, 1, 2]), np.array(["ann", "ann", "bob", "eve"]))
        array([0, 0, 0, 1])
    """
    n = len(units)
    labels = [units] if groups is None else [units, groups]
    pairs: list[tuple[int, int]] = []
    for label in labels:
        _, first, numbers = np.unique(label, return_index=True, return_inverse=True)
        pairs.extend(zip(first[numbers].tolist(), range(n), strict=True))
    return components(n, pairs)


def _digest(image: _Pixels) -> bytes:
    return blake2b(image.tobytes(), digest_size=16).digest()


def _first_of_each(pixels: _Pixels) -> list[int]:
    """For each image, the row of the first one with the same pixels: its own, mostly."""
    seen: dict[bytes, int] = {}
    return [seen.setdefault(_digest(image), row) for row, image in enumerate(pixels)]


def _thumbnails(pixels: _Pixels, rows: npt.NDArray[np.int64]) -> _Thumbnails:
    """Shape (len(rows), 16 * 16 * 3): small, without local means, of length 1, or 0 where there is nothing to see."""
    flat = np.zeros((len(rows), _SIDE * _SIDE * 3), np.float32)
    for place, row in enumerate(rows):
        small = cv2.resize(pixels[row], (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
        detail = small - cv2.GaussianBlur(small, (0, 0), _BLUR, borderType=cv2.BORDER_REFLECT)
        detail -= detail.mean(axis=(0, 1))
        length = np.linalg.norm(detail)
        if length > _FLAT * np.sqrt(detail.size):
            flat[place] = (detail / length).ravel()
    return flat


def _fitted_threshold(thumbnails: _Thumbnails) -> float:
    """Strict where even different images are much alike.

    Fitted by eye and by count on photos of objects, hands, cells, clothes and lungs: the likeness that 5 % of all
    pairs exceed says what different images of this set look like, and is hardly moved by a few duplicates.
    """
    sample = thumbnails[:: -(-len(thumbnails) // _SAMPLE) or 1]
    different = (sample @ sample.T)[np.triu_indices(len(sample), 1)]
    usual = float(np.quantile(different, 0.95)) if len(different) else 1.0
    return float(np.clip(0.86 + 0.18 * usual, 0.90, 0.98))


def _alike(
    a: _Thumbnails, b: _Thumbnails, threshold: float, *, earlier_only: bool = False
) -> Iterator[tuple[int, int, float]]:
    """Yield (row of a, row of b, correlation), block by block; for each row of b the first few rows of a."""
    for start in range(0, len(b), _BLOCK):
        block = b[start : start + _BLOCK]
        others = a[: start + len(block)] if earlier_only else a
        likeness = block @ others.T
        if earlier_only:
            likeness[:, start:][np.triu_indices(len(block))] = -1.0
        j, i = np.nonzero(likeness >= threshold)
        few = np.arange(len(j)) - np.searchsorted(j, j) < _MOST
        for row_b, row_a in zip(j[few].tolist(), i[few].tolist(), strict=True):
            yield row_a, start + row_b, float(min(likeness[row_b, row_a], 1.0))
