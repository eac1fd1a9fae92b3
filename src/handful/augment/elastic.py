"""Elastic deformation: the one piece of geometry that is no matrix, applied in the same single resampling."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from handful.augment.draw import Draw
from handful.augment.operation import from_nothing, operation

NODES = 5  # of the random grid, each way: waves of about half a picture
FINE_NODES = 33  # of the grid that the warp reads, smoothly interpolated from the random one


@operation("elastic", usual=0.03, reach=from_nothing, limits=(0, 0.04), unit=" of a side", widest=(0, 0.04))
def elastic(so_far: Draw, strength: float, rng: np.random.Generator) -> Draw:
    """Push points about by a smooth random field, by up to `strength` times the side; up to the limit it never folds.

    Whatever its place in a policy, it bends the picture that comes out; two of them bend it by their mean.

    Source: Simard et al. 2003, doi:10.1109/ICDAR.2003.1227801. Differs: the field is drawn on a coarse grid and
    interpolated, not smoothed from noise at every pixel.
    """
    nodes = rng.uniform(-strength, strength, (NODES, NODES, 2)).astype(np.float32)
    at = np.linspace(0, NODES - 1, FINE_NODES, dtype=np.float32)
    x, y = np.meshgrid(at, at)
    field = cv2.remap(nodes, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    if so_far.warp.field is not None:
        field = ((so_far.warp.field + field) / 2).astype(np.float32)
    return replace(so_far, warp=replace(so_far.warp, field=field))
