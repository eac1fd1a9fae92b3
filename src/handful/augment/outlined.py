"""Outlines from a mask: what makes boxes tight after a turn, and cut-outs exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from handful.augment.scene import Scene
from handful.data.objects import Outline, Points
from handful.data.outlines import traced


def outlined(scene: Scene) -> Scene:
    """The scene with an outline for every object that has none and is in the mask.

    An object's pixels are those of the most frequent value other than 0 inside its box, be it a class or an instance.
    """
    objects = scene.objects
    if scene.mask is None or not len(objects):
        return scene
    known = objects.outlines or ((),) * len(objects)
    outlines = [given or _in_box(scene, box) for given, box in zip(known, objects.boxes, strict=True)]
    return Scene(scene.image, replace(objects, outlines=tuple(outlines)), scene.mask)


def _in_box(scene: Scene, box: Points) -> Outline:
    if scene.mask is None:
        return ()
    height, width = scene.mask.shape
    left, top = np.floor(box[:2]).astype(int).clip(0)
    right, bottom = np.minimum(np.ceil(box[2:]).astype(int), (width, height))
    part = scene.mask[top:bottom, left:right]
    values, counts = np.unique(part[part != 0], return_counts=True)
    if not len(values):
        return ()
    pixels = np.zeros((height, width), bool)
    pixels[top:bottom, left:right] = part == values[counts.argmax()]
    return traced(pixels)
