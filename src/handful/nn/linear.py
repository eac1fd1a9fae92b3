"""The exact linear solver: ridge regression in the span of the examples, with every held-out prediction in closed form.

Ridge regression with an unpenalised intercept and fixed row weights is a linear smoother. With rows scaled by the root
of their weight and centred by the weighted mean, its hat matrix is

    H = r r' / (r' r) + U diag(s / (s + penalty)) U',      r = sqrt(weights)

where U and s come from one eigendecomposition, of the rows' Gram matrix or of their covariance, whichever is smaller.
Leaving a block b of rows out changes its residuals to (I - H_bb)^-1 e_b. One decomposition therefore serves every
penalty, leave-one-out and every fold of a cross-validation, and nothing is ever refitted.

Source: Cawley and Talbot 2003, doi:10.1016/S0031-3203(03)00136-5, for single rows; Pahikkala et al. 2006 for blocks.
Differs: weights and an intercept are part of the closed form, so class weights and centring leak nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from handful.core.errors import DataError

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

RANK_TOLERANCE = 1e-10  # of the largest eigenvalue: below it a direction is rounding error
PENALTIES = np.logspace(-5, 2, 15)  # relative to the mean squared norm of a centred row


@dataclass(frozen=True)
class Span:
    """Rows in the coordinates of their own span.

    Args:
        basis: Orthonormal columns, shape (n_rows, rank).
        spectrum: Squared singular values of the scaled, centred rows, shape (rank,), ascending.
        root: Root of each row's weight, shape (n_rows,); weights average 1.
        mean: Weighted mean of the rows, shape (dim,).
        scaled: The scaled, centred rows themselves, shape (n_rows, dim).
    """

    basis: Floats
    spectrum: Floats
    root: Floats
    mean: Floats
    scaled: Floats

    @cached_property
    def back(self) -> Floats:
        """Takes coordinates in the span back to feature weights, shape (dim, rank); made when first asked for."""
        return np.asarray(self.scaled.T @ (self.basis / np.sqrt(self.spectrum)))

    @property
    def unit_penalty(self) -> float:
        """The mean squared norm of a centred row: what relative penalties are multiplied by."""
        return float(self.spectrum.sum() / len(self.basis))

    @property
    def coordinates(self) -> Floats:
        """The unscaled, centred rows, rotated: shape (n_rows, rank), with the same inner products."""
        return self.basis * np.sqrt(self.spectrum) / self.root[:, None]


@dataclass(frozen=True)
class Linear:
    """scores = features @ weight + bias, weight (dim, n_outputs), bias (n_outputs,)."""

    weight: Floats
    bias: Floats

    def __call__(self, features: npt.NDArray[np.floating]) -> Floats:
        return np.asarray(features @ self.weight + self.bias, dtype=np.float64)


def span(rows: npt.NDArray[np.floating], weights: Floats | None = None) -> Span:
    """Decompose the rows once: the dual form when rows are fewer than dimensions, else the primal.

    Args:
        rows: Features, shape (n_rows, dim), finite.
        weights: Positive row weights, shape (n_rows,); equal when None.
    """
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise DataError(f"features must be a finite matrix (rows, dimensions), got shape {rows.shape}")
    root, mean, scaled = _scaled(rows, weights)
    if len(rows) <= rows.shape[1]:
        spectrum, basis = np.linalg.eigh(scaled @ scaled.T)
        kept = _significant(spectrum)
        return Span(basis[:, kept], spectrum[kept], root, mean, scaled)
    spectrum, back = np.linalg.eigh(scaled.T @ scaled)
    kept = _significant(spectrum)
    spectrum, back = spectrum[kept], back[:, kept]
    return Span(scaled @ (back / np.sqrt(spectrum)), spectrum, root, mean, scaled)


def _significant(spectrum: Floats) -> npt.NDArray[np.bool_]:
    return spectrum > max(float(spectrum[-1]), np.finfo(np.float64).tiny) * RANK_TOLERANCE


def ridge(space: Span, outputs: Floats, penalty: float) -> Linear:
    """Ridge regression of `outputs` (n_rows, n_outputs) on the rows of the span; `penalty` is absolute."""
    mean = np.average(outputs, axis=0, weights=space.root**2)
    projected = space.basis.T @ (space.root[:, None] * (outputs - mean))
    weight = space.back @ ((np.sqrt(space.spectrum) / (space.spectrum + penalty))[:, None] * projected)
    return Linear(weight, mean - space.mean @ weight)


def ridge_once(
    rows: npt.NDArray[np.floating], outputs: Floats, relative_penalty: float, weights: Floats | None = None
) -> Linear:
    """Ridge regression with one penalty, by one solve in rows or dimensions: a tenth of the price of a decomposition.

    Args:
        rows: Features, shape (n_rows, dim).
        outputs: Regression targets, shape (n_rows, n_outputs).
        relative_penalty: Times the mean squared norm of a centred row.
        weights: Positive row weights, shape (n_rows,); equal when None.
    """
    root, mean, scaled = _scaled(rows, weights)
    output_mean = np.average(outputs, axis=0, weights=root**2)
    wide, wanted = len(rows) <= rows.shape[1], root[:, None] * (outputs - output_mean)
    gram = scaled @ scaled.T if wide else scaled.T @ scaled
    penalty = relative_penalty * np.trace(gram) / len(rows)
    gram[np.diag_indices_from(gram)] += max(penalty, np.finfo(np.float64).tiny)
    weight = scaled.T @ np.linalg.solve(gram, wanted) if wide else np.linalg.solve(gram, scaled.T @ wanted)
    return Linear(np.asarray(weight), output_mean - mean @ weight)


def _scaled(rows: npt.NDArray[np.floating], weights: Floats | None) -> tuple[Floats, Floats, Floats]:
    """Roots of the weights, the weighted mean, and the rows centred by it and scaled by the roots."""
    root = np.ones(len(rows)) if weights is None else np.sqrt(weights / weights.mean())
    mean = np.average(rows, axis=0, weights=root**2).astype(np.float64)
    return root, mean, root[:, None] * (rows - mean)


def held_out(space: Span, outputs: Floats, penalties: Iterable[float], blocks: Iterable[Index]) -> Floats:
    """What ridge regression predicts for each block of rows when it is fitted on all the others.

    Args:
        space: The decomposed rows.
        outputs: Regression targets, shape (n_rows, n_outputs).
        penalties: Absolute penalties.
        blocks: Row indices of what is left out together; each row in exactly one block.
    Returns:
        Predictions, shape (n_penalties, n_rows, n_outputs).
    Raises:
        DataError: when a block holds every row, so that nothing is left to fit on.
    """
    penalties, blocks = list(penalties), list(blocks)
    if any(len(block) == len(outputs) for block in blocks):
        raise DataError("all examples are left out together, so there is nothing to fit on", remedy="check the groups")
    root = space.root[:, None]
    mean = np.average(outputs, axis=0, weights=space.root**2)
    projected = space.basis.T @ (root * (outputs - mean))
    intercept = space.root / np.linalg.norm(space.root)
    predicted = np.empty((len(penalties), *outputs.shape))
    for at, penalty in enumerate(penalties):
        shrink = space.spectrum / (space.spectrum + penalty)
        residual = root * (outputs - mean) - space.basis @ (shrink[:, None] * projected)
        for block in blocks:
            part = space.basis[block]
            hat = (part * shrink) @ part.T + np.outer(intercept[block], intercept[block])
            left_out = np.linalg.solve(np.eye(len(block)) - hat, residual[block])
            predicted[at, block] = outputs[block] - left_out / root[block]
    return predicted


def blocks_of(labels: npt.NDArray[np.int64]) -> list[Index]:
    """The rows of each distinct label, in the order of the labels."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)


def one_hot(targets: npt.NDArray[np.int64], n_classes: int) -> Floats:
    """Indicator columns, shape (n, n_classes)."""
    return np.eye(n_classes)[targets]


def balanced_weights(targets: npt.NDArray[np.int64]) -> Floats:
    """Row weights that give every class the same total; they average 1."""
    counts = np.bincount(targets)
    weights = 1.0 / counts[targets]
    return np.asarray(weights / weights.mean(), dtype=np.float64)
