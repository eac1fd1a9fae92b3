import numpy as np
import pytest

from handful.unsupervised import neighbour_graph
from handful.unsupervised.neighbour_graph import NeighbourGraph, squared_distances

ROWS = np.random.default_rng(0).normal(size=(40, 5))


def links(rows, n):
    """The slow way: S of the docstring, row by row."""
    squares = np.array([[((a - b) ** 2).sum() for b in rows] for a in rows])
    order = np.argsort(squares + np.diag(np.full(len(rows), -1.0)), axis=1)[:, 1 : n + 1]
    scale = np.sqrt(squares[np.arange(len(rows)), order[:, -1]])
    near = np.zeros_like(squares, dtype=bool)
    near[np.arange(len(rows))[:, None], order] = True
    weights = np.where(near | near.T, np.exp(-squares / np.outer(scale, scale)), 0)
    root = 1 / np.sqrt(weights.sum(axis=1))
    return root[:, None] * weights * root


def test_spreading_solves_the_equation_of_the_slow_graph():
    seeds = np.random.default_rng(1).random((40, 3))
    expected = np.linalg.solve(np.eye(40) - 0.5 * links(ROWS, 4), seeds)
    np.testing.assert_allclose(NeighbourGraph(ROWS, 4).spread(seeds, 0.5), expected, atol=1e-6)


def test_the_graph_does_not_depend_on_the_size_of_blocks(monkeypatch):
    seeds = np.eye(40)
    expected = NeighbourGraph(ROWS).spread(seeds, 0.8)
    monkeypatch.setattr(neighbour_graph, "BLOCK", 100)
    np.testing.assert_allclose(NeighbourGraph(ROWS).spread(seeds, 0.8), expected, atol=1e-12)


def test_every_label_gives_one_to_its_nearest_of_the_pool():
    labelled, outputs = ROWS[:2] + 1e-3, np.eye(2)
    found = NeighbourGraph(ROWS, 4).seeds(labelled, outputs)
    np.testing.assert_allclose(found.sum(axis=0), 1)
    assert found.argmax(axis=0).tolist() == [0, 1]
    nearest = np.argsort(squared_distances(labelled, ROWS), axis=1)[:, :4]
    assert [set(np.flatnonzero(column)) for column in found.T] == [set(row) for row in nearest]


@pytest.mark.parametrize("n", [1, 2, 9])
def test_a_pool_of_one_and_one_of_nothing_but_copies_have_a_graph(n):
    graph = NeighbourGraph(np.ones((n, 3)))
    seeds = graph.seeds(np.zeros((2, 3)), np.eye(2))
    np.testing.assert_allclose(seeds.sum(axis=0), 1)
    assert np.isfinite(graph.spread(seeds, 0.8)).all()
