"""The sheet that the cells of a map lie on: how far apart they are, and which touch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from handful.core.errors import UsageError

Shape = Literal["rectangular", "hexagonal"]
Floats = npt.NDArray[np.float64]

ROW_PITCH = np.sqrt(0.75)  # of hexagons that are 1 wide
TOUCHING = {"rectangular": 2.0, "hexagonal": 1.0}  # squared distance: a square touches 8 others, a hexagon 6
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Grid:
    """Cells in rows, numbered along the rows; one column apart is a distance of 1.

    Args:
        n_rows, n_columns: At least 1 each.
        shape: Of a cell. Every second row of hexagons is shifted by half a cell.
        torus: Whether the last row touches the first, and the last column the first.
    Raises:
        UsageError: for sides that are no counts, an unknown shape, or an odd number of rows in a torus of hexagons.
    Example:
        >>> Grid(2, 3).touching.sum(axis=1)
        array([3, 5, 3, 3, 5, 3])
        >>> Grid(4, 4, "hexagonal", torus=True).touching.sum(axis=1)[:3]
        array([6, 6, 6])
    """

    n_rows: int
    n_columns: int
    shape: Shape = "rectangular"
    torus: bool = False

    def __post_init__(self) -> None:
        for name in ("n_rows", "n_columns"):
            side = getattr(self, name)
            if not isinstance(side, int | np.integer) or side < 1:
                raise UsageError(f"{name} is {side!r}, expected a whole number from 1 on", name, "write 10, say")
        if self.shape not in get_args(Shape):
            raise UsageError(f"unknown grid {self.shape!r}", "grid", f"use {' or '.join(get_args(Shape))}")
        if self.torus and self.shape == "hexagonal" and self.n_rows % 2:
            what = f"{self.n_rows} rows of hexagons do not close to a torus: every second row is shifted"
            raise UsageError(what, "n_rows", f"write {self.n_rows + 1}")

    def __len__(self) -> int:
        return self.n_rows * self.n_columns

    @cached_property
    def places(self) -> Floats:
        """Where each cell lies, down and across, shape (n_cells, 2)."""
        row, column = np.divmod(np.arange(len(self)), self.n_columns)
        if self.shape == "rectangular":
            return np.stack([row, column], axis=1).astype(np.float64)
        return np.stack([ROW_PITCH * row, column + 0.5 * (row % 2)], axis=1)

    @cached_property
    def squared_distances(self) -> Floats:
        """From every cell to every other, the short way round on a torus, shape (n_cells, n_cells)."""
        apart = np.abs(self.places[:, None] - self.places)
        if self.torus:
            pitch = ROW_PITCH if self.shape == "hexagonal" else 1.0
            apart = np.minimum(apart, np.array([self.n_rows * pitch, self.n_columns]) - apart)
        return np.asarray((apart**2).sum(axis=2))

    @cached_property
    def touching(self) -> npt.NDArray[np.bool_]:
        """Which cells touch at an edge or a corner, shape (n_cells, n_cells); none touches itself."""
        near = self.squared_distances < TOUCHING[self.shape] + _ROUNDING
        return np.asarray(near & ~np.eye(len(self), dtype=bool))

    def neighbourhood(self, radius: float) -> Floats:
        """exp(-distance^2 / (2 radius^2)) of every two cells, shape (n_cells, n_cells)."""
        return np.asarray(np.exp(-self.squared_distances / (2 * radius**2)))
