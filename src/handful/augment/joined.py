"""Objects of several origins as those of one image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from handful.core.errors import DataError
from handful.data.objects import Objects, Points


def joined(parts: Sequence[Objects]) -> Objects:
    """All of them, in their order; those without keypoints get unlabelled ones where others have some.

    Raises:
        DataError: when they have different numbers of keypoints.
    """
    counts = {part.keypoints.shape[1] for part in parts if part.keypoints is not None}
    if len(counts) > 1:
        few, many = min(counts), max(counts)
        raise DataError(f"some objects have {few} keypoints, others {many}", "join", "use scenes of one kind")
    return Objects(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.labels for part in parts]),
        _outlines(parts),
        np.concatenate([_keypoints(part, max(counts)) for part in parts]) if counts else None,
    )


def _outlines(parts: Sequence[Objects]) -> tuple[tuple[Points, ...], ...]:
    if not any(part.outlines for part in parts):
        return ()
    return tuple(outline for part in parts for outline in part.outlines or ((),) * len(part))


def _keypoints(part: Objects, count: int) -> Points:
    return np.zeros((len(part), count, 3)) if part.keypoints is None else part.keypoints
