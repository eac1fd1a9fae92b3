"""A pass of the self-organizing map in torch: on a GPU."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from handful.core.errors import UsageError
from handful.unsupervised.self_organizing_map import Matrix, Sums


def summed(chunks: Iterator[Matrix], cells: Matrix, device: str) -> Sums:
    """The sums and numbers of the rows that are most like each cell, as `self_organizing_map.summed` gives them.

    Args:
        chunks: Rows, each of shape (any, d).
        cells: Shape (n_cells, d).
        device: As torch names it.
    Raises:
        UsageError: when torch has no such device here.
    """
    at = found_device(device)
    known = torch.from_numpy(cells).to(at)
    norms = (known**2).sum(dim=1)
    sums = torch.zeros(known.shape, dtype=torch.float64, device=at)
    counts = torch.zeros(len(known), dtype=torch.float64, device=at)
    for chunk in chunks:
        rows = torch.from_numpy(chunk).to(at)
        best = torch.addmm(norms, rows, known.T, alpha=-2).argmin(dim=1)
        member = torch.zeros(len(rows), len(known), device=at).scatter_(1, best[:, None], 1)
        sums += member.T @ rows  # a product, not scatter_add_: the same bytes every time
        counts += member.sum(dim=0)
    return sums.cpu().numpy(), counts.cpu().numpy()


def found_device(device: str) -> torch.device:
    """The device of this name.

    Raises:
        UsageError: when torch has none here.
    """
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as failure:
        reason = str(failure).partition("\n")[0]
        raise UsageError(f"torch has no device {device!r} here: {reason}", "device", "use cpu") from failure
