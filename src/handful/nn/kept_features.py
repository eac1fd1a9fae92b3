"""Feature vectors under keys: those in the cache are taken from there, the others computed and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from handful.core.progress import SILENT, Progress
from handful.data.cache import FeatureCache

Rows = npt.NDArray[np.int64]
Compute = Callable[[Rows], Iterable[tuple[Rows, npt.NDArray[np.floating]]]]


def kept_features(
    keys: Sequence[str],
    dim: int,
    compute: Compute,
    cache: FeatureCache | None,
    label: str,
    progress: Progress = SILENT,
) -> npt.NDArray[np.float16]:
    """One vector for each key.

    Args:
        keys: Hexadecimal, one an example; equal keys must mean equal vectors, and are computed once.
        dim: Length of a vector.
        compute: From the rows that are missing to (some of these rows, their vectors), piece by piece; what is computed
            is kept piece by piece, so a job that is killed goes on from there.
        cache: Where to look first and to keep what was computed; nowhere when None.
        label: What the progress bar says.
        progress: Told how many examples were computed, and once if they cannot be kept.
    Returns:
        Shape (len(keys), dim), float16: rounded once, so that a cached feature equals a fresh one.
    """
    found = np.empty((len(keys), dim), dtype=np.float16)
    _, first, same = np.unique(np.array(keys, dtype=np.str_), return_index=True, return_inverse=True)
    missing = [row for row in np.sort(first).tolist() if not _fill(found, row, cache, keys[row])]
    if missing:
        writable = cache
        with progress.track(label, len(missing)) as done:
            for rows, vectors in compute(np.array(missing)):
                found[rows] = vectors
                for row in rows.tolist():
                    if writable and not _keep(writable, keys[row], found[row], progress):
                        writable = None
                done(len(rows))
        if writable:
            writable.trim()
    return found[first[same]]


def _fill(found: npt.NDArray[np.float16], row: int, cache: FeatureCache | None, key: str) -> bool:
    kept = cache.get(key, found.shape[1]) if cache else None
    if kept is not None:
        found[row] = kept
    return kept is not None


def _keep(cache: FeatureCache, key: str, vector: npt.NDArray[np.float16], progress: Progress) -> bool:
    """Keep a vector; on a disk that is full or cannot be written say so, and return False."""
    try:
        cache.put(key, vector)
    except OSError as failure:
        reason = failure.strerror or str(failure)
        progress.note(f"features are not kept for the next run: cannot write to {cache.folder} ({reason})")
        return False
    return True
