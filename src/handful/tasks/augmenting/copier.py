"""One augmented copy of one training image: its pixels, what becomes of its boxes, the bytes of its file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import cv2
import numpy as np
import numpy.typing as npt

from handful.augment.implanting.cutouts import Cutout
from handful.augment.implanting.implant import Implanting
from handful.augment.policy import Policy
from handful.augment.scene import LEAST_VISIBLE, Scene, moved_objects
from handful.core.errors import JobError
from handful.core.rng import stream
from handful.data.coco import CocoImage
from handful.data.objects import Objects
from handful.data.pixels import Pixels
from handful.tasks.augmenting.source import Example

HAIR = 0.01  # of its area: a box that loses less does not count as clipped
QUALITY = {
    ".jpg": (cv2.IMWRITE_JPEG_QUALITY, 95),
    ".jpeg": (cv2.IMWRITE_JPEG_QUALITY, 95),
    ".webp": (cv2.IMWRITE_WEBP_QUALITY, 95),
    ".png": (),
    ".bmp": (),
    ".tif": (),
    ".tiff": (),
}


@dataclass(frozen=True, eq=False)
class Copy:
    """One copy, or only what is on it.

    Args:
        pixels: RGB, shape (height, width, 3); None where only the objects were asked for.
        width, height: In pixels.
        objects: What is left of the example's objects, and what was implanted; m of them.
        rows: Which of the example's n objects they are, -1 for what was implanted, shape (m,).
        visible: The share of each of the n objects' area that is still in the picture, shape (n,).
    """

    pixels: Pixels | None
    width: int
    height: int
    objects: Objects
    rows: npt.NDArray[np.int64]
    visible: npt.NDArray[np.floating]

    @property
    def lost(self) -> npt.NDArray[np.bool_]:
        """Which of the example's objects have no box any more, shape (n,)."""
        return np.asarray(~np.isin(np.arange(len(self.visible)), self.rows), np.bool_)

    @property
    def clipped(self) -> npt.NDArray[np.bool_]:
        """Which of them are kept and have lost part of their area, shape (n,)."""
        return np.asarray((self.visible < 1 - HAIR) & ~self.lost, np.bool_)


@dataclass(frozen=True)
class Copier:
    """Makes copies; what is drawn depends on the seed, the example's place and the copy's number alone.

    Args:
        policy: What may happen.
        seed: Of all draws.
        keypoint_pairs: Left and right ones; None when that is not known.
        implanting: How cut-outs are put on the image before that; None for not at all.
        cutouts: To be implanted.
        outlines: Whether copies keep outlines; not where only implants have some, since whoever reads the data takes
            outlines of a few objects for outlines of all.
        name: What people call the policy.
    """

    policy: Policy
    seed: int = 0
    keypoint_pairs: tuple[tuple[int, int], ...] | None = ()
    implanting: Implanting | None = None
    cutouts: tuple[Cutout, ...] = ()
    outlines: bool = True
    name: str = ""

    def copy(self, example: Example, number: int, pixels: Pixels) -> Copy:
        """Copy `number`, counted from 1, of an example whose image is `pixels`, shape (height, width, 3)."""
        height, width = pixels.shape[:2]
        return self._made(example, number, width, height, pixels)

    def objects(self, example: Example, number: int, width: int, height: int) -> Copy:
        """The same without its pixels, of an image of this size."""
        return self._made(example, number, width, height, None)

    def _made(self, example: Example, number: int, width: int, height: int, pixels: Pixels | None) -> Copy:
        before, pixels = self._implanted(example, number, width, height, pixels)
        draw = self.policy.draw(self._stream("augment", example, number), width, height)
        after, shares = moved_objects(before, draw.warp, LEAST_VISIBLE, self.keypoint_pairs)
        image = None if pixels is None else draw.image(pixels)
        visible = _shares_of(example.objects, before, shares)
        return Copy(image, draw.width, draw.height, self._relabelled(example.objects, after), _rows(after), visible)

    def _relabelled(self, originals: Objects, after: Objects) -> Objects:
        """With the labels of the originals in place of -1, -2, ..."""
        labels, rows = after.labels.copy(), _rows(after)
        labels[rows >= 0] = originals.labels[rows[rows >= 0]]
        return replace(after, labels=labels, outlines=after.outlines if self.outlines else ())

    def _implanted(
        self, example: Example, number: int, width: int, height: int, pixels: Pixels | None
    ) -> tuple[Objects, Pixels | None]:
        """The example's objects, labelled -1, -2, ... so as to be known again, and what is implanted."""
        known = replace(example.objects, labels=-1 - np.arange(len(example.objects)))
        if self.implanting is None:
            return known, pixels
        implants = self.implanting.draw(self.cutouts, width, height, self._stream("implant", example, number))
        canvas = np.zeros((height, width), np.uint8) if pixels is None else pixels
        scene = implants(Scene(canvas, known))
        return scene.objects, None if pixels is None else scene.image

    def _stream(self, purpose: str, example: Example, number: int) -> np.random.Generator:
        name = example.place.encode(errors="backslashreplace").decode()  # names of files may be no text
        return stream(self.seed, purpose, name, number)


def record_of(image: CocoImage, place: str, copy: Copy) -> CocoImage:
    """What a COCO file says about a copy that lies beside its original.

    Args:
        image: The original.
        place: Of the copy; only its last part is used.
        copy: What is on it.
    """
    name = PurePosixPath(place).name
    return replace(
        image,
        path=image.path.with_name(name),
        file_name=image.file_name.removesuffix(image.path.name) + name,
        width=copy.width,
        height=copy.height,
        objects=copy.objects,
        kept=tuple(image.kept[row] if row >= 0 and image.kept else {} for row in copy.rows),
    )


def place_of_copy(place: str, dashes: str, number: int) -> str:
    """Where copy `number` of an example goes: beside it; formats that cannot be written well become PNG.

    Example:
        >>> place_of_copy("train/cat/tom.jpg", "-", 2), place_of_copy("tom.gif", "--", 1)
        ('train/cat/tom-2.jpg', 'tom--1.png')
    """
    path = PurePosixPath(place)
    suffix = path.suffix if path.suffix.lower() in QUALITY else ".png"
    return path.with_name(f"{path.stem}{dashes}{number}{suffix}").as_posix()


def encoded(pixels: Pixels, suffix: str) -> bytes:
    """The bytes of an image file; what is grey is written grey.

    Args:
        pixels: RGB, shape (height, width, 3).
        suffix: Of the file, one of `QUALITY`.
    """
    grey = np.ptp(pixels, axis=2).max() <= 1  # recolouring grey rounds each channel for itself
    bgr = np.ascontiguousarray(pixels[..., 1] if grey else pixels[..., ::-1])
    done, content = cv2.imencode(suffix.lower(), bgr, QUALITY[suffix.lower()])
    if not done:
        raise JobError(f"OpenCV cannot write {suffix} files", suffix, "convert the images to PNG")
    return content.tobytes()


def _shares_of(originals: Objects, before: Objects, shares: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Shares of what was there before the warp, by original; 0 for what an implant had covered."""
    own, visible = _rows(before) >= 0, np.zeros(len(originals))
    visible[_rows(before)[own]] = shares[own]
    return visible


def _rows(objects: Objects) -> npt.NDArray[np.int64]:
    """Rows of the example behind labels -1, -2, ...; -1 for what was implanted."""
    return np.maximum(-1 - objects.labels, -1)
