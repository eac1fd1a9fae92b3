"""Smaller pictures by the mean over areas: the same weights in NumPy, where features are measured, and in the graph."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from handful.nn.graph import GraphWriter, pixels_input

Pixels = npt.NDArray[np.uint8]

BATCH = 64  # pictures made smaller at a time


def area_weights(n_from: int, n_to: int) -> npt.NDArray[np.float32]:
    """What each old pixel gives to each new one: the share of the new pixel that it covers, shape (n_to, n_from).

    Example:
        >>> area_weights(4, 2).tolist()
        [[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]
    """
    edges = np.arange(n_to + 1) * (n_from / n_to)
    old = np.arange(n_from)
    overlap = np.minimum(edges[1:, None], old + 1) - np.maximum(edges[:-1, None], old)
    return np.asarray(np.maximum(overlap, 0) * (n_to / n_from), dtype=np.float32)


def shrunk(pixels: Pixels, size: int) -> Pixels:
    """Pictures (n, old, old, 3) at a smaller size (n, size, size, 3), rounded; as they are where that is their size."""
    n_from = pixels.shape[1]
    if n_from == size:
        return pixels
    weights, small = area_weights(n_from, size), np.empty((len(pixels), size, size, 3), np.uint8)
    for start in range(0, len(pixels), BATCH):
        planes = pixels[start : start + BATCH].transpose(0, 3, 1, 2).astype(np.float32)
        means = weights @ planes @ weights.T
        small[start : start + BATCH] = np.rint(means).astype(np.uint8).transpose(0, 2, 3, 1)
    return small


def shrinking_graph(n_from: int, n_to: int) -> bytes:
    """A graph from `pixels` (n, n_from, n_from, 3) to `small` (n, n_to, n_to, 3), both uint8: `shrunk` for shipping."""
    writer = GraphWriter()
    weights = area_weights(n_from, n_to)
    planes = writer.node("Transpose", ["pixels"], "planes", perm=[0, 3, 1, 2])
    planes = writer.node("Cast", [planes], "planes.float", to=1)
    rows = writer.node("MatMul", [writer.weight("down", weights), planes], "rows")
    means = writer.node("MatMul", [rows, writer.weight("across", weights.T)], "means")
    rounded = writer.node("Cast", [writer.node("Round", [means], "rounded")], "bytes", to=2)
    writer.node("Transpose", [rounded], "small", perm=[0, 2, 3, 1])
    entrance, small = pixels_input("pixels", n_from, n_from), pixels_input("small", n_to, n_to)
    return bytes(writer.model([entrance], [small], f"{n_from} to {n_to} pixels").SerializeToString())
