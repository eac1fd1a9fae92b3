"""A self-organizing map: a sheet of cells, each with a vector like the rows, bent so that it lies in the data.

Cells that are near each other on the sheet are alike, so the sheet can be looked at. In one pass every row goes to the
cell it is most like, and every cell becomes the mean of the rows around it on the sheet:

    best(x) = argmin_k |x - w_k|^2,      W = (H S) / (H n),      H_kl = exp(-d_kl^2 / (2 radius^2))

with S the sums of the rows of each cell, n their numbers, and d the distances on the sheet. The radius shrinks from
pass to pass. All of it is matrix products, over a few thousand rows at a time: memory does not grow with the rows.

Source: Kohonen 1982, doi:10.1007/BF00337288; the batch map Kohonen 2013, doi:10.1016/j.neunet.2012.09.018; topographic
error Kiviluoto 1996, doi:10.1109/ICNN.1996.548907; U-matrix Ultsch and Siemon 1990. Differs: starts in the plane of the
first two principal components and on a torus in the first four, two for each circle; `partial_fit` adds up the sums of
the rows seen so far and forgets a tenth of them at each step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.extmath import randomized_svd
from sklearn.utils.validation import check_is_fitted, validate_data

from handful.core.errors import DataError, UsageError
from handful.core.progress import SILENT, Progress
from handful.core.rng import stream
from handful.unsupervised.grid import Grid, Shape

Matrix = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Sums = tuple[Floats, Floats]  # of the rows of each cell, (n_cells, d), and their numbers, (n_cells,)

CHUNK = 2048  # rows at a time
LOOKED_AT = 5000  # rows that the principal components are taken from
SPREAD = 1.5  # standard deviations that the sheet spans at first, to either side
KEPT = 0.9  # of the earlier sums at each step of `partial_fit`
LIVELY = 0.25  # of the mean number of rows in a cell: a cell of fewer holds the odd ones only
FENCE = 1.5  # interquartile ranges above the upper quartile


class SelfOrganizingMap(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """The batch map of Kohonen, as a scikit-learn estimator.

    Args:
        n_rows, n_columns: Of the sheet; at least as many rows of data as cells.
        n_passes: Over the data; of `partial_fit`, the calls until the radius is at its smallest.
        grid: "rectangular" or "hexagonal".
        torus: Whether the sheet has no edge.
        init: "pca", or "sample" to start from rows drawn at random.
        radius: Of the neighbourhood in the first pass, in cells; a quarter of the longer side when None.
        final_radius: And in the last one. Smaller fits the rows more closely and the sheet less smoothly.
        device: "cpu" (NumPy), "cuda" (torch), or "auto".
        random_state: Of what is drawn: same seed, same map.
    Attributes:
        codebook_: The vector of each cell, shape (n_rows, n_columns, d), in the units of the data.
        counts_: Rows in each cell in the last pass, shape (n_rows, n_columns).
        fence_: The distance beyond which a row is an outlier.
    Example:
        >>> X = np.random.default_rng(0).uniform(size=(500, 2))
        >>> som = SelfOrganizingMap(4, 5).fit(X)
        >>> som.codebook_.shape, som.transform(X).shape, bool(som.quantization_error(X) < 0.12)
        ((4, 5, 2), (500, 20), True)
    """

    def __init__(
        self,
        n_rows: int = 10,
        n_columns: int = 10,
        *,
        n_passes: int = 20,
        grid: Shape = "rectangular",
        torus: bool = False,
        init: Literal["pca", "sample"] = "pca",
        radius: float | None = None,
        final_radius: float = 0.5,
        device: str = "cpu",
        random_state: int = 0,
    ) -> None:
        self.n_rows = n_rows
        self.n_columns = n_columns
        self.n_passes = n_passes
        self.grid = grid
        self.torus = torus
        self.init = init
        self.radius = radius
        self.final_radius = final_radius
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, progress: Progress = SILENT) -> Self:  # noqa: ARG002 - scikit-learn's protocol
        """Learn the map of rows (n, d).

        Args:
            X: Finite numbers; `numpy.load(file, mmap_mode="r")` for what does not fit into memory.
            y: Ignored.
            progress: Told of every pass.
        Raises:
            DataError: when a number is missing, all rows are the same, or there are more cells than rows.
        """
        X = self._begun(X)
        with progress.track("drawing up the map", self.n_passes) as advance:
            for _ in range(self.n_passes):
                self._step(X, kept=0.0)
                advance(1)
        return self._settled(X)

    def partial_fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002
        """One step with some of the rows; the first call starts the map, and needs a row for each cell."""
        X = self._rows(X) if hasattr(self, "codebook_") else self._begun(X)
        self._step(X, KEPT)
        return self._settled(X)

    def predict(self, X: Any) -> Ints:
        """The cell that each row is most like, numbered along the rows of the sheet, shape (n,)."""
        return np.concatenate([scores.argmin(axis=1) for _, scores in self._compared(X)])

    def transform(self, X: Any) -> Matrix:
        """The distance of each row to each cell, shape (n, n_cells)."""
        return np.concatenate([self._distances(rows, scores) for rows, scores in self._compared(X)])

    def score(self, X: Any, y: Any = None) -> float:  # noqa: ARG002
        """Minus the quantization error: larger is better."""
        return -self.quantization_error(X)

    def quantization_error(self, X: Any) -> float:
        """The mean distance of a row to the cell it is most like."""
        return float(np.concatenate([self._nearest(rows, scores) for rows, scores in self._compared(X)]).mean())

    def topographic_error(self, X: Any) -> float:
        """The share of rows whose two best cells do not touch."""
        n, torn = 0, 0
        for _, scores in self._compared(X):
            first = scores.argmin(axis=1)
            np.put_along_axis(scores, first[:, None], np.inf, axis=1)
            torn += int((~self._grid.touching[first, scores.argmin(axis=1)]).sum())
            n += len(first)
        return torn / n if len(self._grid) > 1 else 0.0

    def u_matrix(self) -> Floats:
        """The mean distance of each cell to those it touches, shape (n_rows, n_columns): ridges part clusters."""
        check_is_fitted(self)
        cells, touching = self._cells.astype(np.float64), self._grid.touching
        norms = (cells**2).sum(axis=1)
        apart = np.sqrt(np.maximum(norms[:, None] + norms - 2 * cells @ cells.T, 0)) * self._unit
        heights = (apart * touching).sum(axis=1) / np.maximum(touching.sum(axis=1), 1)
        return np.asarray(heights.reshape(self.n_rows, self.n_columns))

    def strangeness(self, X: Any) -> Floats:
        """The distance of each row to the nearest cell that others share, shape (n,)."""
        check_is_fitted(self)
        lively = self.counts_.ravel() >= max(2.0, LIVELY * self.counts_.mean())
        if not lively.any():
            lively[:] = True
        found = []
        for rows, scores in self._compared(X):
            scores[:, ~lively] = np.inf
            found.append(self._nearest(rows, scores))
        return np.concatenate(found)

    def outliers(self, X: Any) -> npt.NDArray[np.bool_]:
        """Which rows are like no cell that others share, shape (n,): their strangeness is beyond `fence_`.

        A row that is odd enough has a cell to itself; such cells do not count.
        """
        return self.strangeness(X) > self.fence_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _begun(self, X: Any) -> npt.NDArray[np.floating]:
        """Check the rows and lay the sheet into them."""
        for name in ("n_passes", "radius", "final_radius"):
            value = getattr(self, name)
            if value is not None and not 0 < value < np.inf:
                raise UsageError(f"{name} is {value}, expected a number above 0", name)
        self._grid = Grid(self.n_rows, self.n_columns, self.grid, self.torus)
        rows = self._rows(X, reset=True)
        if len(self._grid) > len(rows):
            what = f"a map of {self.n_rows} x {self.n_columns} = {len(self._grid)} cells for {len(rows)} rows"
            raise DataError(what, "n_rows, n_columns", "choose a smaller map")
        self._mean, self._unit = _mean_and_unit(rows)
        if not self._unit:
            raise DataError(f"all {len(rows)} rows are the same: there is nothing to map", "X", "give rows that differ")
        self._cells = self._start(rows)
        self._sums: Sums = np.zeros(self._cells.shape), np.zeros(len(self._grid))
        self.n_steps_ = 0
        return rows

    def _rows(self, X: Any, *, reset: bool = False) -> npt.NDArray[np.floating]:
        """Finite rows, as many numbers each as the map has."""
        rows: npt.NDArray[np.floating] = validate_data(
            self,
            X,
            reset=reset,
            dtype=[np.float64, np.float32],
            ensure_all_finite=False,  # we name the row
            ensure_min_samples=2 if reset else 1,
        )
        for start in range(0, len(rows), CHUNK):
            finite = np.isfinite(rows[start : start + CHUNK]).all(axis=1)
            if not finite.all():
                what = f"row {start + int(finite.argmin())} holds NaN or infinity"
                raise DataError(what, "X", "fill in the missing numbers, or leave the row out")
        return rows

    def _chunks(self, X: npt.NDArray[np.floating]) -> Iterator[Matrix]:
        """Some rows at a time, centred and in units of their spread: float32 is then exact enough for any data."""
        for start in range(0, len(X), CHUNK):
            yield ((X[start : start + CHUNK] - self._mean) / self._unit).astype(np.float32)

    def _start(self, X: npt.NDArray[np.floating]) -> Matrix:
        rng = stream(self.random_state, "map")
        if self.init not in ("pca", "sample"):
            raise UsageError(f"unknown init {self.init!r}", "init", "use pca or sample")
        n_drawn = len(self._grid) if self.init == "sample" else min(len(X), LOOKED_AT)
        drawn = X[np.sort(rng.choice(len(X), n_drawn, replace=False))]
        rows = np.concatenate(list(self._chunks(drawn)))
        return rows if self.init == "sample" else _in_main_directions(rows, self._grid, int(rng.integers(2**31)))

    def _step(self, X: npt.NDArray[np.floating], kept: float) -> None:
        """One pass: rows to cells, cells to the means around them."""
        sums, counts = self._summed()(self._chunks(X), self._cells)
        self._sums = kept * self._sums[0] + sums, kept * self._sums[1] + counts
        self.counts_ = counts.astype(np.int64).reshape(self.n_rows, self.n_columns)
        around = self._grid.neighbourhood(self._radius())
        mass = around @ self._sums[1]
        reached = mass > np.finfo(np.float32).tiny  # a cell too far from every row stays where it is
        self._cells[reached] = (around[reached] @ self._sums[0]) / mass[reached, None]
        self.n_steps_ += 1

    def _radius(self) -> float:
        """From the first radius to the last by equal ratios."""
        first = self.radius or max(max(self.n_rows, self.n_columns) / 4, self.final_radius)
        done = min(1.0, self.n_steps_ / max(1, self.n_passes - 1))
        return float(first * (self.final_radius / first) ** done)

    def _summed(self) -> Callable[[Iterator[Matrix], Matrix], Sums]:
        from handful.nn.features import chosen_device

        device = chosen_device(self.device)
        if device == "cpu":
            return summed
        from handful.unsupervised import self_organizing_map_torch

        return partial(self_organizing_map_torch.summed, device=device)

    def _settled(self, X: npt.NDArray[np.floating]) -> Self:
        """What is known once the cells stay where they are."""
        self.codebook_ = (self._cells * self._unit + self._mean).reshape(self.n_rows, self.n_columns, -1)
        low, high = np.quantile(self.strangeness(X), (0.25, 0.75))
        self.fence_ = float(high + FENCE * (high - low))
        return self

    def _compared(self, X: Any) -> Iterator[tuple[Matrix, Matrix]]:
        """Some rows at a time, with |w|^2 - 2 x.w of every cell: their order is that of the distances."""
        check_is_fitted(self)
        norms = (self._cells**2).sum(axis=1)
        for rows in self._chunks(self._rows(X)):
            yield rows, compared(rows, self._cells, norms)

    def _distances(self, rows: Matrix, scores: Matrix) -> Matrix:
        squared = scores + (rows**2).sum(axis=1, keepdims=True)
        return np.asarray(np.sqrt(np.maximum(squared, 0)) * np.float32(self._unit))

    def _nearest(self, rows: Matrix, scores: Matrix) -> Floats:
        """The distance to the best cell, from differences: more exact than from products."""
        return np.asarray(np.linalg.norm(rows - self._cells[scores.argmin(axis=1)], axis=1) * self._unit, np.float64)


def summed(chunks: Iterator[Matrix], cells: Matrix) -> Sums:
    """The sums and numbers of the rows that are most like each cell.

    Args:
        chunks: Rows, each of shape (any, d).
        cells: Shape (n_cells, d).
    """
    sums, counts = np.zeros(cells.shape), np.zeros(len(cells))
    norms = (cells**2).sum(axis=1)
    for rows in chunks:
        best = compared(rows, cells, norms).argmin(axis=1)
        member = csr_matrix((np.ones(len(best), np.float32), best, np.arange(len(best) + 1)), (len(best), len(cells)))
        sums += member.T @ rows
        counts += np.bincount(best, minlength=len(cells))
    return sums, counts


def compared(rows: Matrix, cells: Matrix, norms: Matrix) -> Matrix:
    """|w|^2 - 2 x.w of every row and cell, shape (n, n_cells); `norms` are the |w|^2."""
    scores = rows @ (-2 * cells.T)
    scores += norms
    return scores


def _mean_and_unit(X: npt.NDArray[np.floating]) -> tuple[Floats, float]:
    """The mean row, and the root mean squared deviation of a number from its mean; 0 where all rows are the same."""
    starts = range(0, len(X), CHUNK)
    mean = np.sum([X[at : at + CHUNK].sum(axis=0, dtype=np.float64) for at in starts], axis=0) / len(X)
    variance = sum(float(((X[at : at + CHUNK] - mean) ** 2).sum()) for at in starts) / X.size
    unit = float(np.sqrt(variance))
    return mean, unit if unit > 1e-12 * float(np.abs(mean).max()) else 0.0


def _in_main_directions(rows: Matrix, grid: Grid, seed: int) -> Matrix:
    """Cells spread over the principal components: a sheet over two, a torus over four, a circle for each two."""
    mean = rows.mean(axis=0)
    _, lengths, directions = randomized_svd(rows - mean, 4 if grid.torus else 2, random_state=seed)
    spans = lengths[:, None] / np.sqrt(len(rows)) * directions  # a standard deviation each
    steps = _around(grid, len(spans)) if grid.torus else _across(grid)
    return np.asarray(mean + SPREAD * steps[:, : len(spans)] @ spans, dtype=np.float32)


def _across(grid: Grid) -> Floats:
    """Where each cell of a sheet lies, from -1 to 1, its longer side first, shape (n_cells, 2)."""
    down, across = (grid.places / np.maximum(grid.places.max(axis=0), 1)).T * 2 - 1
    return np.stack([across, down] if grid.n_columns >= grid.n_rows else [down, across], axis=1)


def _around(grid: Grid, n_directions: int) -> Floats:
    """Where each cell of a torus lies on its two circles, shape (n_cells, 4); folded flat if there is no room."""
    row, column = np.divmod(np.arange(len(grid)), grid.n_columns)
    down, across = 2 * np.pi * (row + 0.25) / grid.n_rows, 2 * np.pi * (column + 0.25) / grid.n_columns
    circles = [np.cos(down), np.sin(down), np.cos(across), np.sin(across)]
    order = [0, 1, 2, 3] if n_directions == 4 else [0, 2, 1, 3]  # a quarter of a cell on: no two lie on each other
    return np.stack([circles[at] for at in order], axis=1)
