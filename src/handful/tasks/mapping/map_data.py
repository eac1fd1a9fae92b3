"""The job: from a data set to its map, as a picture and as an account of every cell."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from handful.core.errors import DataError, UsageError
from handful.core.files import check_picture, replaced_file
from handful.core.progress import SILENT, Progress
from handful.core.words import count
from handful.tasks.mapping.cells import Cell, cells_of
from handful.tasks.mapping.examples import Examples, read_examples
from handful.tasks.mapping.marks import marks_of
from handful.tasks.mapping.picture import Drawing, picture_of
from handful.unsupervised.grid import Grid, Shape
from handful.unsupervised.self_organizing_map import SelfOrganizingMap

LEAST = 4  # examples: fewer are seen at a glance
SHARED = {"image": 3, "text": 10, "table": 5}  # examples for each cell, at least
MOST_CELLS = {"image": 400, "text": 140, "table": 240}  # that are legible on a sheet of paper
MOST_ASKED = 4000  # cells: what every two of them have to do with each other is held in memory
TALLEST = 8  # rows for each column: the picture is as wide as a sheet of paper, and so many times higher
LONGER = 2.0  # columns for each row: with what stands above and below, a sheet of A4 on its side
DOTS = 300  # per inch
CALLED = {"image": "image", "text": "text", "table": "row"}


@dataclass(frozen=True)
class Wish:
    """How the map should be; what is None follows the data.

    Args:
        n_rows, n_columns: Of cells.
        grid: "rectangular" or "hexagonal".
        torus: Whether it has no edge.
        n_passes: Over the data.
        device: "cpu", "cuda" or "auto".
        seed: Of what is drawn.
    """

    n_rows: int | None = None
    n_columns: int | None = None
    grid: Shape = "rectangular"
    torus: bool = False
    n_passes: int = 20
    device: str = "cpu"
    seed: int = 0


def map_data(
    data: Path, out: Path, wish: Wish | None = None, jobs: int | None = None, progress: Progress = SILENT
) -> dict[str, Any]:
    """Map a data set, labelled or not, and draw the map.

    Args:
        data: An image folder, texts, or a table of features.
        out: A PNG file; what stands there is replaced.
        wish: How the map should be.
        jobs: Images read at a time.
        progress: Told what goes on.
    Returns:
        What was found, as `handful map --json` prints it. Rows and columns count from 1.
    Raises:
        UsageError: when the path is no PNG file, or lies in the data.
        DataError: when there is too little to map, or the map would have more cells than there are examples.
        JobError: when the file cannot be written.
    """
    start, wish = time.monotonic(), wish or Wish()
    _check(out, data, wish)
    examples = read_examples(data, jobs, progress)
    sheet = _sheet(examples, wish, data)
    sheet.fit(examples.features, progress=progress)
    cells, lonely = cells_of(sheet, examples, marks_of(examples))
    grid = Grid(sheet.n_rows, sheet.n_columns, wish.grid, wish.torus)
    cell_of = np.empty(len(examples), dtype=np.int64)
    for cell in cells:
        cell_of[cell.members] = cell.number
    mapped = count(len(examples), CALLED[examples.kind])
    title = f"{data.resolve().name}: {mapped} on {grid.n_rows} x {grid.n_columns} cells"
    picture = picture_of(Drawing(title, grid, cells, sheet.u_matrix(), examples, lonely, cell_of))
    _write(out, picture)
    described = [_described(cell, examples, grid) for cell in cells if len(cell.members)]
    return {
        "task": "map",
        "kind": examples.kind,
        "n": len(examples),
        "n_labelled": int((examples.labels >= 0).sum()),
        "classes": list(examples.classes),
        "rows": grid.n_rows,
        "columns": grid.n_columns,
        "grid": grid.shape,
        "torus": grid.torus,
        "quantization_error": round(sheet.quantization_error(examples.features), 6),
        "topographic_error": round(sheet.topographic_error(examples.features), 6),
        "map": str(out),
        "cells": described,
        "conflicts": [_place(cell.number, grid) for cell in cells if cell.conflicts],
        "lonely": [{"input": examples.names[row], **_place(int(cell_of[row]), grid)} for row in lonely.tolist()],
        "problems": list(examples.problems),
        "notes": list(examples.notes),
        "seconds": round(time.monotonic() - start, 2),
    }


def _check(out: Path, data: Path, wish: Wish) -> None:
    """What can be refused before any work."""
    check_picture(out, "map", "--out")
    if data.is_dir() and out.resolve().is_relative_to(data.resolve()):
        raise UsageError("the map would lie among the data", str(out), "choose an --out elsewhere")
    n_rows, n_columns = wish.n_rows or 2, wish.n_columns or 1
    Grid(n_rows, n_columns, wish.grid, wish.torus)
    if n_rows * n_columns > MOST_ASKED:
        raise UsageError(f"a map of {n_rows} x {n_columns} cells", "rows, columns", f"ask for up to {MOST_ASKED} cells")
    if wish.device == "cuda":
        from handful.unsupervised.self_organizing_map_torch import found_device

        found_device(wish.device)


def _sheet(examples: Examples, wish: Wish, data: Path) -> SelfOrganizingMap:
    """A map of the asked size, or of one that suits the examples and a sheet of paper."""
    n = len(examples)
    if n < LEAST:
        raise DataError(f"{count(n, 'example')} to map", str(data), f"give at least {LEAST}")
    n_cells = min(MOST_CELLS[examples.kind], max(LEAST, int(5 * np.sqrt(n))), max(LEAST, n // SHARED[examples.kind]))
    n_rows, n_columns = wish.n_rows, wish.n_columns
    if n_rows is None:
        n_rows = max(1, round(np.sqrt(n_cells / LONGER)) if n_columns is None else n_cells // n_columns)
        n_rows += n_rows % 2 if wish.torus and wish.grid == "hexagonal" else 0
    if n_columns is None:
        n_columns = max(1, n_cells // n_rows)
    if n_rows > TALLEST * n_columns:
        what = f"a map of {n_rows} rows and {n_columns} columns does not fit on paper"
        raise UsageError(what, "rows, columns", f"choose {TALLEST} rows a column or fewer")
    if n_rows * n_columns > n:
        what = f"a map of {n_rows} x {n_columns} = {n_rows * n_columns} cells for {count(n, 'example')}"
        raise DataError(what, str(data), f"choose fewer --rows and --columns, or leave them out: {n_cells} cells suit")
    return SelfOrganizingMap(
        n_rows,
        n_columns,
        n_passes=wish.n_passes,
        grid=wish.grid,
        torus=wish.torus,
        device=wish.device,
        random_state=wish.seed,
    )


def _described(cell: Cell, examples: Examples, grid: Grid) -> dict[str, Any]:
    return {
        **_place(cell.number, grid),
        "n": len(cell.members),
        "example": examples.names[cell.members[0]],
        "labels": {examples.classes[label]: number for label, number in cell.counts.items()},
        "marks": list(cell.marks),
    }


def _place(number: int, grid: Grid) -> dict[str, int]:
    row, column = divmod(number, grid.n_columns)
    return {"row": row + 1, "column": column + 1}


def _write(out: Path, picture: Any) -> None:
    """As PNG that says how large it is to be printed."""
    with replaced_file(out) as file:
        Image.fromarray(picture).save(file.buffer, "PNG", dpi=(DOTS, DOTS))
