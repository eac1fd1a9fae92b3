"""A sheet of a few originals, each beside its first augmented copies: what a policy does, at one glance."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from handful.core.errors import DataError, ImageError, UsageError
from handful.core.files import replaced_file
from handful.core.progress import SILENT, Progress
from handful.core.rng import stream
from handful.core.words import count
from handful.data.objects import Objects
from handful.data.pixels import Pixels
from handful.tasks.augmenting.copier import Copier
from handful.tasks.augmenting.drawn_objects import colour_of, draw_objects
from handful.tasks.augmenting.how import Wish, copier_for
from handful.tasks.augmenting.lettering import BLACK, GREY, Colour, shortened, width_of, wrapped, write
from handful.tasks.augmenting.source import Example, Source, pixels_of

N_ROWS, N_COPIES = 8, 5
WIDTH, MARGIN, GAP = 1560, 24, 8  # pixels
TITLE, TEXT, SMALL = 20, 16, 13  # heights of letters, pixels
STEP = 25  # from line to line
MOST_NAMES = 160  # pixels for the names of classes beside the rows


@dataclass(frozen=True, eq=False)
class Tile:
    """One picture of the sheet with what is on it."""

    pixels: Pixels
    objects: Objects


@dataclass(frozen=True, eq=False)
class Row:
    """One example: the original and its copies."""

    example: Example
    tiles: tuple[Tile, ...]


def augment_sheet(source: Source, path: Path, wish: Wish, progress: Progress = SILENT) -> dict[str, Any]:
    """Draw the sheet; its copies are those that `augment_data` writes for the same wish.

    Args:
        source: Where the originals come from, spread over the classes.
        path: A PNG file; what stands there is replaced.
        wish: How to augment; its seed chooses the originals too.
        progress: Told of every row.
    Returns:
        What was done, as `handful augment --json` prints it.
    Raises:
        UsageError: when the path is no PNG file, or lies in the data.
        DataError: when no image can be read.
        JobError: when the file cannot be written.
    """
    start = time.monotonic()
    _check(path, source.folder)
    copier, unsafe = copier_for(source, wish, progress)
    rows, problems = _rows(source, copier, progress)
    picture = sheet_of(rows, source.classes, _caption(copier, boxes=bool(source.splits)))
    with replaced_file(path) as file:
        file.buffer.write(cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))[1].tobytes())
    unreadable = [f"left out: {problem['input']} ({problem['reason']})" for problem in problems]
    return {
        "task": source.task,
        "policy": copier.name,
        "operations": str(copier.policy),
        "seed": wish.seed,
        "n": len(rows),
        "copies": N_COPIES,
        "sheet": str(path),
        "problems": problems,
        "notes": [*source.notes, *unsafe, *unreadable],
        "seconds": round(time.monotonic() - start, 2),
    }


def sheet_of(rows: Sequence[Row], classes: Sequence[str], caption: Sequence[str]) -> Pixels:
    """The picture, shape (height, `WIDTH`, 3).

    Args:
        rows: From the top.
        classes: Names; their colours are explained where there are boxes.
        caption: A title, and lines below it.
    """
    boxes = any(row.example.coco for row in rows)
    names = 0 if boxes else min(MOST_NAMES, max(width_of(row.example.label, TEXT) for row in rows)) + 2 * GAP
    cell = (WIDTH - 2 * MARGIN - names - N_COPIES * GAP) // (N_COPIES + 1)
    head = _head(caption, classes if boxes else (), MARGIN + names, cell)
    bands = [_band(row, classes, names, cell) for row in rows]
    return np.concatenate([head, *bands, _blank(MARGIN - GAP)])


def chosen(source: Source, seed: int) -> Iterator[Example]:
    """The examples in the order in which a sheet takes them: one of each class, then a second of each, and so on."""
    order = stream(seed, "sheet").permutation(len(source.examples))
    shuffled = [source.examples[at] for at in order]
    waiting = [[example for example in shuffled if name in _names(source, example)] for name in source.classes]
    queues = [waiting[at] for at in stream(seed, "sheet classes").permutation(len(waiting))]
    done: set[str] = set()
    while any(queues):
        for queue in queues:
            example = next((each for each in queue if each.place not in done), None)
            queue[:] = [] if example is None else queue[queue.index(example) + 1 :]
            if example is not None:
                done.add(example.place)
                yield example
    yield from (example for example in shuffled if example.place not in done)


def _names(source: Source, example: Example) -> set[str]:
    """The classes of an example."""
    if not example.coco:
        return {example.label}
    return {source.classes[label] for label in example.objects.labels}


def _rows(source: Source, copier: Copier, progress: Progress) -> tuple[list[Row], list[dict[str, str]]]:
    """The rows in the order of the classes, and what could not be read on the way."""
    rows: list[Row] = []
    problems: list[dict[str, str]] = []
    with progress.track("drawing", min(N_ROWS, len(source.examples))) as advance:
        for example in chosen(source, copier.seed):
            try:
                rows.append(_row(example, copier))
            except ImageError as failure:
                problems.append({"input": str(example.path), "reason": failure.what})
                continue
            advance(1)
            if len(rows) == N_ROWS:
                break
    if not rows:
        what = f"none of the {len(problems)} images can be read" if problems else "there are no images to show"
        raise DataError(what, str(source.folder), "check that these are image files")
    places = {example.place: at for at, example in enumerate(source.examples)}
    return sorted(rows, key=lambda row: places[row.example.place]), problems


def _row(example: Example, copier: Copier) -> Row:
    pixels = pixels_of(example)
    tiles = [Tile(pixels, example.objects)]
    for number in range(1, N_COPIES + 1):
        copy = copier.copy(example, number, pixels)
        tiles.append(Tile(pixels if copy.pixels is None else copy.pixels, copy.objects))
    return Row(example, tuple(tiles))


def _check(path: Path, data: Path) -> None:
    if path.suffix.lower() != ".png":
        raise UsageError("a sheet is a PNG file", str(path), "name it sheet.png, say")
    if path.is_dir():
        raise UsageError("a folder stands where the sheet should go", str(path), "name a file in it")
    if path.resolve().is_relative_to(data.resolve()):
        raise UsageError("the sheet would lie among the photos", str(path), "choose a --sheet elsewhere")


def _caption(copier: Copier, *, boxes: bool) -> list[str]:
    title = "policy" if "=" in copier.name else f"policy {copier.name}"
    what = "what it does to images and boxes" if boxes else "what it does to images"
    more = f"; {count(copier.implanting.count, 'object')} implanted on each copy" if copier.implanting else ""
    return [
        f"{title}: {what}; seed {copier.seed}{more}",
        *wrapped(str(copier.policy) or "nothing happens", TEXT, WIDTH - 2 * MARGIN),
    ]


def _blank(height: int) -> Pixels:
    return np.full((height, WIDTH, 3), 255, np.uint8)


def _head(caption: Sequence[str], classes: Sequence[str], left: int, cell: int) -> Pixels:
    """The caption, the colours of the classes, and what the columns are."""
    lines = len(caption) + (1 if classes else 0)
    picture = _blank(MARGIN + TITLE + (lines - 1) * STEP + 2 * STEP)
    base = MARGIN + TITLE
    write(picture, caption[0], MARGIN, base, TITLE, bold=True)
    for line in caption[1:]:
        base += STEP
        write(picture, line, MARGIN, base, TEXT, GREY)
    if classes:
        base += STEP
        _legend(picture, classes, base)
    base = picture.shape[0] - GAP
    for column in range(N_COPIES + 1):
        name = f"copy {column}" if column else "original"
        write(picture, name, left + column * (cell + GAP), base, SMALL, BLACK if column == 0 else GREY)
    return picture


def _legend(picture: Pixels, classes: Sequence[str], base: int) -> None:
    left = MARGIN
    for label, name in enumerate(classes):
        width = TEXT + GAP // 2 + width_of(name, TEXT)
        if left + width > WIDTH - 2 * MARGIN - 2 * GAP and label < len(classes) - 1:
            write(picture, "...", left, base, TEXT, GREY)
            return
        _square(picture, left, base, colour_of(label))
        write(picture, shortened(name, TEXT, WIDTH // 2), left + TEXT + GAP // 2, base, TEXT)
        left += width + 3 * GAP


def _square(picture: Pixels, left: int, base: int, colour: Colour) -> None:
    picture[base - TEXT + 3 : base + 1, left : left + TEXT - 2] = colour


def _band(row: Row, classes: Sequence[str], names: int, cell: int) -> Pixels:
    """One row of the sheet: its name, and its tiles side by side."""
    tiles = [_fitted(tile, classes, cell) for tile in row.tiles]
    above = SMALL + GAP if row.example.coco else 0
    picture = _blank(above + max(len(tile) for tile in tiles) + GAP)
    if row.example.coco:
        write(picture, shortened(row.example.place, SMALL, WIDTH - 2 * MARGIN), MARGIN, SMALL + 2, SMALL, GREY)
    else:
        write(picture, shortened(row.example.label, TEXT, names - GAP), MARGIN, picture.shape[0] // 2, TEXT)
    for column, tile in enumerate(tiles):
        left = MARGIN + names + column * (cell + GAP)
        picture[above : above + len(tile), left : left + tile.shape[1]] = tile
    return picture


def _fitted(tile: Tile, classes: Sequence[str], cell: int) -> Pixels:
    """The picture of a tile, as large as a square cell allows, with its objects drawn."""
    height, width = tile.pixels.shape[:2]
    enlarge = cell / max(height, width)
    size = (max(1, round(enlarge * width)), max(1, round(enlarge * height)))
    how = cv2.INTER_AREA if enlarge < 1 else cv2.INTER_CUBIC
    picture = np.ascontiguousarray(cv2.resize(tile.pixels, size, interpolation=how), np.uint8)
    draw_objects(picture, tile.objects, classes, (size[0] / width, size[1] / height))
    return picture
