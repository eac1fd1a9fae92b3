"""Folders of images, in an order that does not depend on the file system."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from handful.core.errors import DataError
from handful.data.listing import Listing, Part, Records, part_named
from handful.data.origins import all_origins, without_copies

_IGNORED = (".*", "readme*", "license*", "licence*", "thumbs.db", "desktop.ini", "__macosx")
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif")
_TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
_BOXES = ({"images", "labels"}, {"images", "annotations"}, {"jpegimages", "annotations"})  # YOLO, COCO, VOC


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sorts `img2` before `img10`, and always in the same way.

    Example:
        >>> sorted(["img10", "img2", "Img1"], key=natural_key)
        ['Img1', 'img2', 'img10']
    """
    pieces = re.split(r"(\d+)", name.casefold())
    return [int(piece) if place % 2 else piece for place, piece in enumerate(pieces)], name


def files_below(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Every file in a folder and its folders, in natural order.

    Links are followed, but never back into a folder that they lie in.
    """
    here = folder.resolve()
    if here in above:
        return
    for entry in _visible(folder):
        if entry.is_dir():
            yield from files_below(entry, (*above, here))
        else:
            yield entry


def read_folder(folder: Path) -> Listing:
    """List `class/...`, or `train/class/...`, with `test/`, `val/` and `unlabelled/` beside it.

    Raises:
        DataError: when the folder is empty, forbidden, or laid out in another way.
    """
    places = _places(folder)
    top = places.get("train", folder)
    _refuse_boxes(folder)
    classes = [entry for entry in _folders(top) if entry not in places.values()]
    parts: dict[Part, Records] = {"train": _by_class(top, classes)}
    for part in places.keys() - {"train", "unlabelled"}:
        parts[part] = _by_class(places[part], _folders(places[part]))
    n_listed = sum(len(records.inputs) for records in parts.values())
    if origins := all_origins((folder, *places.values())):
        parts = {part: without_copies(records, origins) for part, records in parts.items()}
    n_copies = n_listed - sum(len(records.inputs) for records in parts.values())
    if "unlabelled" in places:
        parts["unlabelled"] = Records(list(files_below(places["unlabelled"])))
    beside = [] if top == folder else [entry for entry in _folders(folder) if entry not in places.values()]
    loose = [entry for entry in _files(top) if entry.suffix.lower() in IMAGES]
    notes = [f"left out: the folder {entry}, which is no part of the data" for entry in beside]
    notes += [f"left out: {len(loose)} images beside the class folders in {top}"] if loose else []
    notes += [f"{n_copies} augmented copies are left aside: they are no new examples"] if n_copies else []
    return Listing(parts, places, tuple(notes))


def _visible(folder: Path) -> list[Path]:
    try:
        entries = list(folder.iterdir())
    except PermissionError as failure:
        raise DataError("no permission to read the folder", str(folder), "change its permissions") from failure
    kept = [entry for entry in entries if not any(fnmatch(entry.name.lower(), pattern) for pattern in _IGNORED)]
    return sorted(kept, key=lambda entry: natural_key(entry.name))


def _folders(folder: Path) -> list[Path]:
    return [entry for entry in _visible(folder) if entry.is_dir()]


def _files(folder: Path) -> list[Path]:
    return [entry for entry in _visible(folder) if not entry.is_dir()]


def _places(folder: Path) -> dict[Part, Path]:
    """The folders of the parts. One that holds no folders is a class: photos of cars, ships and trains."""
    places: dict[Part, Path] = {}
    for entry in _folders(folder):
        part = part_named(entry.name)
        if part is None or (part != "unlabelled" and not _folders(entry)):
            continue
        if part in places:
            raise DataError(f"two folders for {part}: {places[part].name} and {entry.name}", str(folder), "keep one")
        places[part] = entry
    return places


def _by_class(top: Path, classes: list[Path]) -> Records:
    if not classes or all(part_named(entry.name) for entry in classes):
        raise _no_classes(classes[0] if classes else top)
    files = {entry: list(files_below(entry)) for entry in classes}
    if empty := [entry.name for entry in classes if not files[entry]]:
        raise DataError(
            f"a class folder without files: {', '.join(empty)}", str(top), "add images or remove the folder"
        )
    inputs = [file for entry in classes for file in files[entry]]
    return Records(inputs, [entry.name for entry in classes for _ in files[entry]])


def _no_classes(folder: Path) -> DataError:
    files = _files(folder)
    images = [file for file in files if file.suffix.lower() in IMAGES]
    if not images:
        return DataError("the folder has no images", str(folder), f"put them into {folder}/CLASS/, a folder per class")
    described = {file.stem for file in files if file.suffix.lower() in (".txt", ".xml")}
    if any(image.stem in described for image in images):
        return _boxes(folder)
    tables = [file for file in files if file.suffix.lower() in _TABLES]
    remedy = (
        f"name the table {tables[0]} instead" if tables else f"put each class into a folder of its own: {folder}/cat"
    )
    return DataError(f"{len(images)} images lie flat, without class folders", str(folder), remedy)


def _refuse_boxes(folder: Path) -> None:
    from handful.data.coco import is_coco  # here: predicting lists folders too, and never needs it

    for place in (folder, *(entry for entry in _folders(folder) if part_named(entry.name))):
        names = {entry.name.lower() for entry in _visible(place)}
        coco = any(fnmatch(name, pattern) for name in names for pattern in ("*coco*.json", "instances*.json"))
        if coco or is_coco(place) or any(layout <= names for layout in _BOXES):
            raise _boxes(place)


def _boxes(folder: Path) -> DataError:
    remedy = "supported is one class label per image; augment and check read boxes too, from COCO's train.json"
    return DataError("object detection is not supported yet", str(folder), remedy)
