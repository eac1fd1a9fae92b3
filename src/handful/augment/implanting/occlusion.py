"""What implants do to the objects of a scene, and what is to be said about themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from handful.augment.implanting.coverage import bounds, covered_by_box, covered_by_outline
from handful.augment.implanting.placement import HALF, Alpha, Layer
from handful.augment.matrices import Points
from handful.data.objects import Objects
from handful.data.outlines import clip, traced


def implanted_object(layer: Layer, size: tuple[int, int], least_visible: float) -> Objects | None:
    """An implant as the one object that it is; None when it has no label or too little of it is seen."""
    cutout, alpha = layer.placement.cutout, layer.rgba[..., 3]
    whole = cutout.image[..., 3].sum(dtype=np.float64) / 255 * layer.placement.scale**2
    if cutout.label is None or layer.visible < least_visible * whole:
        return None
    covered = bool((layer.uncovered < 1)[alpha > 0].any())
    seen = alpha * layer.uncovered >= HALF if cutout.outline else alpha >= HALF  # without an outline the box stays
    box = bounds(seen)
    if box is None:
        return None
    corner = np.array([layer.part[1].start, layer.part[0].start])
    outline = layer.placement.outline()
    if covered and outline:
        outline = tuple(polygon + corner for polygon in traced(seen))
    else:
        outline = tuple(part for polygon in outline if len(part := clip(polygon, *size)) >= 3)
    boxes = (box + np.tile(corner, 2))[None]
    return Objects(boxes, np.array([cutout.label], np.int64), (outline,) if outline else ())


def objects_left(objects: Objects, uncovered: Alpha, least_visible: float) -> Objects:
    """Those of which enough is left; what has an outline shrinks to what is left."""
    height, width = uncovered.shape
    boxes, outlines, kept = objects.boxes.astype(np.float64), list(objects.outlines), []
    for row, box in enumerate(objects.boxes):
        outline = outlines[row] if outlines else ()
        points = np.concatenate([*outline, box.reshape(2, 2)])
        low = np.clip(np.floor(points.min(axis=0)), 0, (width, height)).astype(int)
        high = np.clip(np.ceil(points.max(axis=0)), 0, (width, height)).astype(int)
        part = uncovered[low[1] : high[1], low[0] : high[0]]
        if not (part < 1).any():
            kept.append(row)
            continue
        own, (wide, tall) = tuple(polygon - low for polygon in outline), high - low
        whole = covered_by_outline(own, wide, tall) if own else covered_by_box(box - np.tile(low, 2), wide, tall)
        seen = whole * part
        if seen.sum() < least_visible * whole.sum() or not seen.any():
            continue
        kept.append(row)
        if outline and seen.sum() < whole.sum():
            around = bounds(seen >= HALF)
            if around is None:
                kept.pop()
                continue
            boxes[row] = around + np.tile(low, 2)
            outlines[row] = tuple(polygon + low for polygon in traced(seen >= HALF))
    changed = replace(objects, boxes=boxes, outlines=tuple(outlines), keypoints=_hidden(objects.keypoints, uncovered))
    return changed.take(kept)


def _hidden(keypoints: Points | None, uncovered: Alpha) -> Points | None:
    if keypoints is None:
        return None
    height, width = uncovered.shape
    x, y = np.floor(keypoints[..., 0]).astype(int), np.floor(keypoints[..., 1]).astype(int)
    there = uncovered[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    hidden = keypoints.copy()
    hidden[..., 2][(hidden[..., 2] == 2) & (there < HALF)] = 1
    return hidden
