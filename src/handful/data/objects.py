"""What is to be seen on one image: boxes, outlines, keypoints, one row for each object."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.floating]
Outline = tuple[Points, ...]  # the polygons of one object, each of shape (n_points, 2); () where it has none


@dataclass(frozen=True)
class Objects:
    """Labelled objects on one image, in pixels: x to the right, y down, (0, 0) the upper left corner of the first one.

    Args:
        boxes: xyxy, shape (n, 4).
        labels: Class indices, shape (n,).
        outlines: The polygons of each object, n of them; () stands for none at all.
        keypoints: x, y and visibility (0 not labelled, 1 hidden, 2 visible) as COCO has them, shape (n, k, 3).
    """

    boxes: Points = field(default_factory=lambda: np.zeros((0, 4)))
    labels: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    outlines: tuple[Outline, ...] = ()
    keypoints: Points | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    def take(self, rows: npt.ArrayLike) -> Objects:
        """Only these objects, in this order."""
        index = np.asarray(rows, dtype=np.int64)
        return replace(
            self,
            boxes=self.boxes[index],
            labels=self.labels[index],
            outlines=tuple(self.outlines[i] for i in index) if self.outlines else (),
            keypoints=None if self.keypoints is None else self.keypoints[index],
        )
