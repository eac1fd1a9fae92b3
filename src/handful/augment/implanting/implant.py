"""Implanting: cut-outs of other objects at random places of a scene, which knows about them afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from handful.augment.implanting.blending import BLENDS, Blend, blended
from handful.augment.implanting.cutouts import Cutout
from handful.augment.implanting.occlusion import implanted_object, objects_left
from handful.augment.implanting.placement import HALF, Alpha, Layer, Placement, stacked
from handful.augment.joined import joined
from handful.augment.scene import LEAST_VISIBLE, Scene
from handful.core.errors import DataError, UsageError

Array = npt.NDArray[Any]
Size = Literal["itself", "image"]


@dataclass(frozen=True)
class Implanting:
    """How cut-outs are implanted.

    Args:
        count: How many, each drawn anew from all.
        scale: Range of the factor, drawn evenly on a logarithmic scale.
        relative_to: Whether 1 is the cut-out's own size, or makes its longer side the image's shorter one.
        rotate: Up to so many degrees, both ways; 180 for what has no up, such as cells.
        may_mirror: Every second one is, left for right.
        outside: Share of its width and of its height that may lie outside the image, 0 to 1.
        blend: How it is joined to the image, see `handful.augment.implanting.blending`.
        least_visible: Objects of which less than this share is left uncovered and inside lose their box.
        mask_values: What stands in the mask for each class; () numbers every implant anew, for instances. Implants
            without a label are 0 there.
    Raises:
        UsageError: when a value is out of its range.
    """

    count: int = 1
    scale: tuple[float, float] = (0.5, 1.5)
    relative_to: Size = "itself"
    rotate: float = 15.0
    may_mirror: bool = False
    outside: float = 0.25
    blend: Blend = "alpha"
    least_visible: float = LEAST_VISIBLE
    mask_values: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        low, high = self.scale
        for right, what in (
            (self.count >= 0, f"count={self.count}, expected 0 or more"),
            (0 < low <= high < np.inf, f"scale={self.scale}, expected two numbers above 0, the lower one first"),
            (0 <= self.rotate <= 180, f"rotate={self.rotate}, expected 0 to 180 degrees"),
            (0 <= self.outside < 1, f"outside={self.outside}, expected 0 to below 1"),
            (0 <= self.least_visible <= 1, f"least_visible={self.least_visible}, expected 0 to 1"),
            (self.relative_to in get_args(Size), f"relative_to={self.relative_to}, expected itself or image"),
            (self.blend in BLENDS, f"blend={self.blend}, expected {', '.join(BLENDS)}"),
        ):
            if not right:
                raise UsageError(what, "implant")

    def draw(self, cutouts: Sequence[Cutout], width: int, height: int, rng: np.random.Generator) -> Implants:
        """Decide which ones go where on an image of this size.

        One that would not fit into the image, turned as it is, is made smaller until it does.

        Raises:
            UsageError: when there is no cut-out.
        """
        if not cutouts:
            raise UsageError("there is no cut-out to implant", "implant", "cut some out, or read them from a folder")
        placements = tuple(self._placement(cutouts, width, height, rng) for _ in range(self.count))
        return Implants((width, height), placements, self.blend, self.least_visible, self.mask_values)

    def _placement(self, cutouts: Sequence[Cutout], width: int, height: int, rng: np.random.Generator) -> Placement:
        cutout = cutouts[int(rng.integers(len(cutouts)))]
        factor = float(np.exp(rng.uniform(*np.log(self.scale))))
        degrees = float(rng.uniform(-self.rotate, self.rotate))
        mirrored = bool(rng.random() < 0.5) and self.may_mirror
        at = rng.random(2)
        if self.relative_to == "image":
            factor *= min(width, height) / max(cutout.image.shape[:2])
        extent = np.ptp(Placement(cutout, 0, 0, 1, degrees, mirrored).corners, axis=0)
        factor = min(factor, *(np.array([width, height]) / extent))
        margin = factor * extent * (0.5 - self.outside)  # from the image's edge to the nearest place of the centre
        x, y = margin + at * np.maximum((width, height) - 2 * margin, 0)
        return Placement(cutout, float(x), float(y), float(factor), degrees, mirrored)


@dataclass(frozen=True, eq=False)
class Implants:
    """Everything that was drawn for one image; the same call gives the same bytes.

    Args:
        size: Width and height of the image that it is for.
        placements: From the lowest to the one on top.
        blend, least_visible, mask_values: See `Implanting`.
    """

    size: tuple[int, int]
    placements: tuple[Placement, ...]
    blend: Blend = "alpha"
    least_visible: float = LEAST_VISIBLE
    mask_values: tuple[int, ...] = ()

    def __call__(self, scene: Scene) -> Scene:
        """The scene with the implants on it; the input is untouched.

        New objects follow the old ones: the box is tight around the pixels at least half opaque, which are also those
        that the mask shows. An old object that is partly covered keeps its box if it has no outline, as in COCO; with
        one, both outline and box shrink to what is left of it. Its covered keypoints become hidden ones.

        Raises:
            DataError: when the image has another size, or a number does not fit into the mask.
        """
        image, uncovered, layers = self._laid(scene.image)
        kept = objects_left(scene.objects, uncovered, self.least_visible)
        new = [implanted_object(layer, self.size, self.least_visible) for layer in layers]
        objects = joined([kept, *(each for each in new if each is not None)])
        return Scene(image, objects, None if scene.mask is None else self._masked(scene.mask, layers))

    def image(self, pixels: Array) -> Array:
        """Only the image with the implants on it."""
        return self._laid(pixels)[0]

    def visible_areas(self) -> npt.NDArray[np.float64]:
        """Of each placement, in pixels of the image, without what is outside or covered by another; shape (n,)."""
        areas = {layer.order: layer.visible for layer in stacked(self.placements, *self.size)[0]}
        return np.array([areas.get(order, 0.0) for order in range(len(self.placements))])

    def _laid(self, pixels: Array) -> tuple[Array, Alpha, list[Layer]]:
        height, width = pixels.shape[:2]
        if (width, height) != self.size:
            expected = f"{self.size[0]} x {self.size[1]}"
            raise DataError(f"these implants are for {expected} pixels, got {width} x {height}", "implant")
        layers, uncovered = stacked(self.placements, width, height)
        image = pixels.copy()
        for layer in layers:
            image[layer.part] = blended(image[layer.part], layer.rgba, self.blend)
        return image, uncovered, layers

    def _masked(self, mask: Array, layers: Sequence[Layer]) -> Array:
        if mask.dtype.kind not in "iu":
            raise DataError(f"the mask is of type {mask.dtype}, expected whole numbers", "implant")
        masked, number = mask.copy(), int(mask.max())
        for layer in layers:
            value = 0
            if layer.placement.cutout.label is not None:
                number += 1
                value = self._value(layer.placement.cutout.label) if self.mask_values else number
            if value > np.iinfo(mask.dtype).max:
                what = f"an implant would be {value} in the mask, of type {mask.dtype}"
                raise DataError(what, "implant", "give a mask of a wider type")
            masked[layer.part][layer.rgba[..., 3] >= HALF] = value
        return masked

    def _value(self, label: int) -> int:
        if label >= len(self.mask_values):
            raise DataError(f"mask_values has no value for class {label}", "implant", "name one for each class")
        return self.mask_values[label]


def implant(scene: Scene, cutouts: Sequence[Cutout], rng: np.random.Generator, how: Implanting | None = None) -> Scene:
    """Place cut-outs at random on a scene.

    Args:
        scene: Untouched.
        cutouts: To draw from; those without a label only cover others and add no box.
        how: `Implanting()` when None.
    Raises:
        UsageError: when there is no cut-out.
    Source: Dwibedi et al. 2017, arXiv:1708.01642; Ghiasi et al. 2021, arXiv:2012.07177.
    """
    height, width = scene.image.shape[:2]
    return (how or Implanting()).draw(cutouts, width, height, rng)(scene)
