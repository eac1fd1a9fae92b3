"""What there is to augment: the training images of an image folder or of a COCO folder, and what lies beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from handful.core.errors import DataError, ImageError
from handful.data.coco import CocoImage, CocoSplit, is_coco, read_coco
from handful.data.folders import files_below, read_folder
from handful.data.labels import class_order
from handful.data.listing import Part, part_named
from handful.data.objects import Objects
from handful.data.origins import all_origins
from handful.data.pixels import Pixels, from_file

WHOLE = 2**16  # a side that no image reaches, so that JPEGs are read at their full size
PAPERS = ("readme*", "license*", "licence*")  # go along with every copy of the data


@dataclass(frozen=True)
class Example:
    """One training image.

    Args:
        path: Where the file is.
        place: The same below the folder of the data, with slashes: it names the example in streams of randomness.
        label: Its class, where an image has one class.
        coco: What is on it, where it has boxes.
    """

    path: Path
    place: str
    label: str = ""
    coco: CocoImage | None = None

    @property
    def objects(self) -> Objects:
        """None of them where an image has one class."""
        return self.coco.objects if self.coco else Objects()


@dataclass(frozen=True)
class Source:
    """A data set as augmentation sees it.

    Args:
        folder: Where it is.
        classes: Names of all classes, in their order.
        examples: The training images.
        beside: The files of all other parts.
        papers: What explains and licenses the data.
        splits: Of a COCO folder, the training one first; () for an image folder.
        notes: What the reader did that the user should know.
    """

    folder: Path
    classes: tuple[str, ...]
    examples: tuple[Example, ...]
    beside: tuple[Path, ...] = ()
    papers: tuple[Path, ...] = ()
    splits: tuple[CocoSplit, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def task(self) -> str:
        """What a model would learn from it."""
        return "object detection" if self.splits else "image classification"

    @property
    def keypoint_pairs(self) -> tuple[tuple[int, int], ...] | None:
        """Which keypoints are left and right of each other; None if there are some and that is not known."""
        return self.splits[0].keypoint_pairs if self.splits else ()


def read_source(folder: Path) -> Source:
    """Read an image folder (`class/...`, or `train/class/...` with others beside it) or a COCO folder.

    Raises:
        DataError: when it is neither, or has no part to learn from.
    """
    if not folder.exists():
        raise DataError("no such folder", str(folder), "check the path")
    if not folder.is_dir():
        raise DataError("not a folder", str(folder), "supported are image folders and COCO folders")
    return _from_coco(folder) if is_coco(folder) else _from_classes(folder)


def pixels_of(example: Example) -> Pixels:
    """The whole image, RGB, upright, shape (height, width, 3).

    Raises:
        ImageError: when it cannot be read, or has another size than its annotations say.
    """
    pixels = from_file(example.path, WHOLE)
    height, width = pixels.shape[:2]
    known = example.coco
    if known and (known.width, known.height) != (width, height):
        what = f"the image has {width} x {height} pixels, its annotation {known.width} x {known.height}"
        raise ImageError(what, str(example.path), "correct the annotation, or turn the image upright")
    return pixels


def example_of(image: CocoImage, folder: Path) -> Example:
    """An image of a COCO folder as an example."""
    return Example(image.path, image.path.relative_to(folder).as_posix(), coco=image)


def part_of(split: str) -> Part | None:
    """The part that the name of a COCO file means.

    Example:
        >>> part_of("annotations/instances_train2017.json"), part_of("valid/_annotations.coco.json"), part_of("x.json")
        ('train', 'val', None)
    """
    path = PurePosixPath(split)
    words = [*re.split(r"[_.\-\d]+", path.stem), *path.parts[:-1]]
    return next((part for part in map(part_named, words) if part), None)


def _from_classes(folder: Path) -> Source:
    listing = read_folder(folder)
    records = listing.parts["train"]
    labels = records.labels or []
    examples = tuple(
        Example(path, path.relative_to(folder).as_posix(), label)
        for path, label in zip(records.inputs, labels, strict=True)
    )
    others = [path for part, place in listing.places.items() if part != "train" for path in files_below(place)]
    return Source(folder, class_order(labels), examples, tuple(others), _papers(folder), notes=listing.notes)


def _from_coco(folder: Path) -> Source:
    splits = read_coco(folder)
    train = [split for split in splits if part_of(split.name) == "train"] or (splits if len(splits) == 1 else [])
    if len(train) != 1:
        found = ", ".join(split.name for split in splits)
        raise DataError(f"{len(train)} files to learn from among {found}", str(folder), "name one of them train.json")
    rest = tuple(split for split in splits if split is not train[0])
    originals = _without_copies(train[0].images, folder)
    n_copies = len(train[0].images) - len(originals)
    first = replace(train[0], images=originals)
    examples = tuple(example_of(image, folder) for image in originals)
    others = [path for split in rest for path in (folder / split.name, *(image.path for image in split.images))]
    beside = tuple(dict.fromkeys(others))
    notes = tuple(note for split in splits for note in split.notes)
    notes += (f"{n_copies} augmented copies are left aside: they are no new examples",) if n_copies else ()
    return Source(folder, first.classes, examples, beside, _papers(folder), (first, *rest), notes)


def _without_copies(images: tuple[CocoImage, ...], folder: Path) -> tuple[CocoImage, ...]:
    """Without the copies whose original is among them."""
    origins, there = all_origins((folder,)), {image.path for image in images}
    return tuple(image for image in images if origins.get(image.path) not in there)


def _papers(folder: Path) -> tuple[Path, ...]:
    files = (path for path in sorted(folder.iterdir()) if path.is_file())
    return tuple(path for path in files if any(fnmatch(path.name.lower(), pattern) for pattern in PAPERS))
