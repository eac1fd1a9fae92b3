"""Rows and their nearest neighbours, as a graph that labels spread on.

    S = D^-1/2 W D^-1/2,      w_ij = exp(-|x_i - x_j|^2 / (s_i s_j)) where one is among the nearest of the other

with s_i the distance of x_i from the last of its neighbours, so that dense and thin regions are linked alike.

Source: Zelnik-Manor and Perona 2004 for the local scale; von Luxburg 2007, doi:10.1007/s11222-007-9033-z, for S.
Differs: labelled rows are no nodes but are attached when they are known, so the graph serves every fold.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from handful.evaluate.arrays import BLOCK, Floats, Ints

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

N_STEPS = 30  # of spreading; what is left after these is 0.8^30, a thousandth
TINY = 1e-12


@dataclass(frozen=True, eq=False)
class NeighbourGraph:
    """A pool.

    Args:
        rows: Features, shape (n, dim).
        n_neighbours: Of each row; fewer where there are not so many.
    """

    rows: Floats
    n_neighbours: int = 8

    def __len__(self) -> int:
        return len(self.rows)

    def spread(self, seeds: Floats, reach: float) -> Floats:
        """What seeds become once each row has passed on what it got: (I - reach S)^-1 seeds, shape (n, any).

        Args:
            seeds: What rows start with, shape (n, any).
            reach: Below 1; how much of it is passed on.
        """
        found = seeds
        for _ in range(N_STEPS):
            found = reach * (self._links @ found) + seeds
        return found

    def seeds(self, labelled: Floats, outputs: Floats) -> Floats:
        """What labelled rows give to the nearest of the pool: one each, by nearness; shape (n, n_classes)."""
        nearest, squares = _nearest(labelled, self.rows, min(self.n_neighbours, len(self)))
        farther = squares - squares[:, :1]  # so that the nearest always gets something
        near = np.exp(-farther / np.maximum(np.sqrt(squares[:, -1:] * self._scales[nearest]), TINY))
        near = near / near.sum(axis=1, keepdims=True)
        found = np.zeros((len(self), outputs.shape[1]))
        np.add.at(found, nearest, near[:, :, None] * outputs[:, None])
        return found

    @cached_property
    def _neighbours(self) -> tuple[Ints, Floats]:
        """Of each row the nearest others and their squared distances, both (n, n_neighbours), the last one farthest."""
        nearest, squares = _nearest(self.rows, self.rows, min(self.n_neighbours + 1, len(self)))
        itself = nearest == np.arange(len(self))[:, None]
        itself[~itself.any(axis=1), -1] = True  # among many that are the same it may be missing
        return nearest[~itself].reshape(len(self), -1), squares[~itself].reshape(len(self), -1)

    @cached_property
    def _scales(self) -> Floats:
        squares = self._neighbours[1]
        return squares[:, -1] if squares.size else np.ones(len(self))

    @cached_property
    def _links(self) -> csr_matrix:
        from scipy.sparse import csr_matrix, diags

        nearest, squares = self._neighbours
        scale = np.maximum(np.sqrt(self._scales[:, None] * self._scales[nearest]), TINY)
        starts = np.arange(len(self) + 1) * nearest.shape[1]
        one_way = csr_matrix((np.exp(-squares / scale).ravel(), nearest.ravel(), starts), shape=(len(self), len(self)))
        links = one_way.maximum(one_way.T)
        root = diags(1 / np.sqrt(np.maximum(np.asarray(links.sum(axis=1)).ravel(), TINY)))
        return csr_matrix(root @ links @ root)


def squared_distances(a: Floats, b: Floats) -> Floats:
    """|a_i - b_j|^2, shape (n, m)."""
    lengths = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1)
    return np.asarray(np.maximum(lengths - 2 * a @ b.T, 0))


def _nearest(rows: Floats, others: Floats, n: int) -> tuple[Ints, Floats]:
    """The n nearest of the others, ascending, and their squared distances: (n_rows, n) each; block by block."""
    size = max(BLOCK // max(len(others), 1), 1)
    found = [_nearest_of_block(rows[start : start + size], others, n) for start in range(0, len(rows), size)]
    return np.concatenate([nearest for nearest, _ in found]), np.concatenate([squares for _, squares in found])


def _nearest_of_block(rows: Floats, others: Floats, n: int) -> tuple[Ints, Floats]:
    squares = squared_distances(rows, others)
    nearest = np.argpartition(squares, n - 1, axis=1)[:, :n]
    some = np.take_along_axis(squares, nearest, axis=1)
    order = np.argsort(some, axis=1, kind="stable")
    return np.take_along_axis(nearest, order, axis=1), np.take_along_axis(some, order, axis=1)
