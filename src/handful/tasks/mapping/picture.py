"""A map as a picture to print: as wide as a sheet of A4 at 300 dots per inch, whatever it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from handful.core.words import count
from handful.data.images import decode
from handful.data.pixels import Pixels
from handful.tasks.augmenting.drawn_objects import COLOURS
from handful.tasks.augmenting.lettering import BLACK, GREY, WHITE, Colour, shortened, width_of, write
from handful.tasks.mapping.cells import Cell
from handful.tasks.mapping.examples import UNLABELLED, Examples
from handful.unsupervised.grid import ROW_PITCH, Grid

WIDTH, MARGIN, GAP = 3508, 80, 16  # pixels; A4 on its side
TITLE, TEXT, SMALL = 52, 38, 30  # heights of letters: 30 pixels are 2.5 mm
STEP = 60  # from line to line
BOX = {"rectangular": 0.84, "hexagonal": 0.72}  # of a cell's width that its content takes; around it the U-matrix shows
BAR = 0.09  # of a cell's width: the shares of its classes
ALIKE, UNLIKE = 245, 70  # grey of a cell that is like those around it, and of one that is not
CONFLICT: Colour = (200, 0, 0)
LONELY: Colour = (180, 0, 160)
NO_LABEL: Colour = (215, 215, 215)
SHADES = (1.0, 0.6, 1.5)  # of the ten colours, for more than ten classes
MOST_LONELY = 10
Heights = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Drawing:
    """What is drawn.

    Args:
        title: Above the map.
        grid: Of the map.
        cells: All of them, in order.
        heights: The U-matrix, shape (n_rows, n_columns).
        examples: What was mapped.
        lonely: Rows, the loneliest first.
        cell_of: The cell of each example, shape (n,).
    """

    title: str
    grid: Grid
    cells: Sequence[Cell]
    heights: Heights
    examples: Examples
    lonely: npt.NDArray[np.int64]
    cell_of: npt.NDArray[np.int64]

    @property
    def width(self) -> int:
        """Of a cell, in pixels."""
        across = self.grid.n_columns + (0.5 if self.grid.shape == "hexagonal" else 0)
        return int((WIDTH - 2 * MARGIN - SMALL) / across)


def picture_of(drawing: Drawing) -> Pixels:
    """The picture, RGB, shape (height, `WIDTH`, 3)."""
    return np.concatenate([_head(drawing), _sheet(drawing), _lonely_ones(drawing), _blank(MARGIN)])


def colour_of(label: int) -> Colour:
    """Of a class: ten colours in three shades; grey where there is no label."""
    if label == UNLABELLED:
        return NO_LABEL
    shade = SHADES[label // len(COLOURS) % len(SHADES)]
    red, green, blue = (min(255, int(level * shade)) for level in COLOURS[label % len(COLOURS)])
    return red, green, blue


def _blank(height: int) -> Pixels:
    return np.full((height, WIDTH, 3), 255, np.uint8)


def _head(drawing: Drawing) -> Pixels:
    """The title, what the greys and marks mean, and the colours of the classes."""
    legend = _class_lines(drawing)
    picture = _blank(MARGIN + TITLE + STEP * (1 + len(legend)) + 2 * GAP)
    base = MARGIN + TITLE
    write(picture, shortened(drawing.title, TITLE, WIDTH - 2 * MARGIN), MARGIN, base, TITLE, bold=True)
    base += STEP
    left = _greys(picture, MARGIN, base)
    if any(cell.conflicts for cell in drawing.cells):
        _badge(picture, left + TEXT // 2, base - TEXT // 3, "!", CONFLICT)
        left = _written(picture, "labels in conflict", left + TEXT + GAP, base)
    if len(drawing.lonely):
        _badge(picture, left + TEXT // 2, base - TEXT // 3, "1", LONELY)
        _written(picture, "lonely examples: like no others", left + TEXT + GAP, base)
    for line in legend:
        base, left = base + STEP, MARGIN
        for name, colour in line:
            picture[base - TEXT + 8 : base + 2, left : left + TEXT - 4] = colour
            left = _written(picture, name, left + TEXT + GAP // 2, base)
    return picture


def _greys(picture: Pixels, left: int, base: int) -> int:
    """The scale of the U-matrix; returns where it ends."""
    left = _written(picture, "frame: like its neighbours", left, base) - 2 * GAP
    scale = np.linspace(ALIKE, UNLIKE, 240).astype(np.uint8)[None, :, None]
    picture[base - TEXT + 8 : base + 2, left : left + 240] = scale
    return _written(picture, "unlike them", left + 240 + GAP, base)


def _written(picture: Pixels, text: str, left: int, base: int) -> int:
    write(picture, text, left, base, TEXT)
    return left + width_of(text, TEXT) + 3 * GAP


def _class_lines(drawing: Drawing) -> list[list[tuple[str, Colour]]]:
    """The names of the classes with their colours, in lines that fit; three at most."""
    examples = drawing.examples
    entries = [(name, colour_of(label)) for label, name in enumerate(examples.classes)]
    if entries and (examples.labels == UNLABELLED).any():
        entries.append(("no label", NO_LABEL))
    lines: list[list[tuple[str, Colour]]] = []
    room = 0
    for name, colour in entries:
        name = shortened(name, TEXT, WIDTH // 4)
        needed = TEXT + GAP // 2 + width_of(name, TEXT) + 3 * GAP
        if needed > room:
            if len(lines) == 3:
                lines[-1][-1] = ("and others", WHITE)
                break
            lines.append([])
            room = WIDTH - 2 * MARGIN
        lines[-1].append((name, colour))
        room -= needed
    return lines


def _sheet(drawing: Drawing) -> Pixels:
    """The cells, with the numbers of rows and columns beside them."""
    side, grid = drawing.width, drawing.grid
    height = side / ROW_PITCH if grid.shape == "hexagonal" else side  # of a cell; rows of hexagons interlock
    top, left = SMALL + GAP, MARGIN + SMALL
    picture = _blank(int(top + side * grid.places[-1, 0] + height) + 2 * GAP)
    for column in range(grid.n_columns):
        write(picture, str(column + 1), left + int((column + 0.4) * side), SMALL, SMALL, GREY)
    low, high = np.quantile(drawing.heights, (0.02, 0.98))
    shades = ALIKE + (UNLIKE - ALIKE) * np.clip((drawing.heights - low) / max(high - low, 1e-12), 0, 1)
    centres = []
    for cell, (down, across), shade in zip(drawing.cells, grid.places, shades.ravel(), strict=True):
        centre = np.array([left + (across + 0.5) * side, top + down * side + height / 2])
        if cell.number % grid.n_columns == 0:
            write(picture, str(cell.number // grid.n_columns + 1), MARGIN - GAP, int(centre[1]) + 10, SMALL, GREY)
        cv2.fillPoly(picture, [_outline(grid, centre, side)], (int(shade),) * 3, cv2.LINE_AA)
        _content(picture, drawing, cell, centre)
        centres.append(centre)
    for cell, centre in zip(drawing.cells, centres, strict=True):  # over the edges of the cells around them
        _badges(picture, cell, centre, side, BOX[grid.shape] * side / 2)
    return picture


def _outline(grid: Grid, centre: npt.NDArray[np.float64], side: int) -> npt.NDArray[np.int32]:
    """The corners of a square, or of a hexagon that stands on one."""
    if grid.shape == "hexagonal":
        angles = np.pi / 6 + np.pi / 3 * np.arange(6)
        corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) * side / np.sqrt(3)
    else:
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * side / 2
    return np.asarray(np.round(centre + corners), np.int32)


def _content(picture: Pixels, drawing: Drawing, cell: Cell, centre: npt.NDArray[np.float64]) -> None:
    """A picture or words of a cell over the shares of its classes."""
    if not len(cell.members):
        return
    examples, height = drawing.examples, int(BOX[drawing.grid.shape] * drawing.width)
    bar = int(BAR * drawing.width) if examples.classes else 0
    width = height - bar if examples.kind == "image" else height
    left, top = int(centre[0] - width / 2), int(centre[1] - height / 2)
    labels = examples.labels[cell.members]
    inside = picture[top : top + height - bar, left : left + width]
    if examples.kind == "image":
        inside[:] = decode(examples.inputs[cell.members[0]], width)
    else:
        inside[:] = _shares(labels, width, 0.8) if examples.kind == "table" and bar else 255
        _words(inside, cell)
    if bar:
        picture[top + height - bar : top + height, left : left + width] = _shares(labels, width)


def _badges(picture: Pixels, cell: Cell, centre: npt.NDArray[np.float64], side: int, corner: float) -> None:
    radius = min(TEXT, int(0.11 * side))
    right, top, bottom = (int(each) for each in (centre[0] + corner, centre[1] - corner, centre[1] + corner))
    if cell.conflicts:
        _badge(picture, right, top, "!", CONFLICT, radius)
    if len(cell.lonely):
        _badge(picture, right, bottom, str(len(cell.lonely)), LONELY, radius)


def _shares(labels: npt.NDArray[np.int64], width: int, white: float = 0.0) -> Pixels:
    """A row of pixels in the colours of the classes, as wide as their shares; paler by a share of white."""
    order = np.sort(labels)[np.arange(width) * len(labels) // width]
    colours = {label: np.array(colour_of(label)) for label in np.unique(order).tolist()}
    row = np.stack([colours[label] for label in order.tolist()])
    return np.asarray((1 - white) * row + white * 255, np.uint8)[None]


def _words(inside: Pixels, cell: Cell) -> None:
    """What marks the cell, as large as fits, and how many examples it holds."""
    height, width = inside.shape[:2]
    size = min(TEXT, height // (len(cell.marks) + 2))
    for at, mark in enumerate(cell.marks):
        fitting = size
        while fitting > SMALL * 0.75 and width_of(mark, fitting) > width - GAP:
            fitting -= 1
        base = GAP // 2 + int((at + 1) * height / (len(cell.marks) + 1.6))
        write(inside, shortened(mark, fitting, width - GAP), GAP // 2, base, fitting)
    number = str(len(cell.members))
    write(inside, number, width - GAP // 2 - width_of(number, SMALL), height - GAP // 2, SMALL, GREY)


def _badge(picture: Pixels, across: int, down: int, text: str, colour: Colour, radius: int = TEXT // 2) -> None:
    cv2.circle(picture, (across, down), radius + 3, WHITE, -1, cv2.LINE_AA)
    cv2.circle(picture, (across, down), radius, colour, -1, cv2.LINE_AA)
    size = int(1.4 * radius)
    write(picture, text, across - width_of(text, size, bold=True) // 2, down + size * 3 // 8, size, WHITE, bold=True)


def _lonely_ones(drawing: Drawing) -> Pixels:
    """The loneliest examples with their places on the map: pictures in a row, others line by line."""
    shown = drawing.lonely[:MOST_LONELY].tolist()
    if not shown:
        return _blank(0)
    images = drawing.examples.kind == "image"
    tile = (WIDTH - 2 * MARGIN) // MOST_LONELY - GAP
    picture = _blank(2 * STEP + (tile + 3 * STEP if images else STEP * len(shown)))
    more = f"; {count(len(drawing.lonely), 'example')} in all" if len(drawing.lonely) > len(shown) else ""
    write(picture, f"The loneliest, with row and column{more}", MARGIN, STEP + GAP, TEXT, bold=True)
    for at, row in enumerate(shown):
        if images:
            _lonely_photo(picture, drawing, row, MARGIN + at * (tile + GAP), tile)
        else:
            line = shortened("   ".join(filter(None, _caption(drawing, row))), TEXT, WIDTH - 2 * MARGIN)
            write(picture, line, MARGIN, (at + 3) * STEP - GAP, TEXT)
    return picture


def _lonely_photo(picture: Pixels, drawing: Drawing, row: int, left: int, tile: int) -> None:
    top = STEP + 3 * GAP
    picture[top : top + tile, left : left + tile] = decode(drawing.examples.inputs[row], tile)
    for line, text in enumerate(_caption(drawing, row), start=1):
        base, colour = top + tile + line * (SMALL + 12), BLACK if line == 1 else GREY
        write(picture, shortened(text, SMALL, tile), left, base, SMALL, colour)


def _caption(drawing: Drawing, row: int) -> tuple[str, str, str]:
    """The place of an example on the map, its class if it has one, and its name."""
    down, across = divmod(int(drawing.cell_of[row]), drawing.grid.n_columns)
    label = int(drawing.examples.labels[row])
    said = drawing.examples.classes[label] if label != UNLABELLED else ""
    name = drawing.examples.names[row]
    file = Path(name).name if drawing.examples.kind == "image" else name
    return f"{down + 1}, {across + 1}", said, file
