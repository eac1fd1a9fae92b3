"""Folds for cross-validation: every class in every fold, and nothing that belongs together is parted."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from handful.core.errors import UsageError


def choose_n_folds(targets: npt.NDArray[np.int64], units: npt.NDArray[np.int64], most: int = 10) -> int:
    """As many folds as every class can be in: its number of units, at most `most`.

    Args:
        targets: Class indices, shape (n,).
        units: What must stay together, shape (n,).
        most: More folds than this cost time and tell little.
    Returns:
        Number of folds, at least 2; or 0 when some class has fewer than two units: there is nothing to validate on.
    Example:
        >>> choose_n_folds(np.array([0, 0, 0, 1, 1]), np.arange(5))
        2
        >>> choose_n_folds(np.array([0, 0, 0, 1, 1]), np.array([0, 1, 2, 3, 3]))
        0
    """
    pairs = np.unique(np.column_stack([targets, units]), axis=0)
    _, n_units = np.unique(pairs[:, 0], return_counts=True)
    fewest = int(n_units.min(initial=most))
    return fewest if fewest >= 2 else 0


def repeated_folds(
    targets: npt.NDArray[np.int64],
    units: npt.NDArray[np.int64],
    n_folds: int,
    n_repeats: int,
    rng: np.random.Generator,
) -> npt.NDArray[np.int64]:
    """Deal the examples into folds, several times over, stratified by class and never parting a unit.

    Where every example is its own unit, the counts of each class differ by at most one between folds, and so do the
    sizes of the folds. Larger units make this as even as a greedy choice can.

    Args:
        targets: Class indices, shape (n,).
        units: What must stay together: duplicates, groups; shape (n,).
        n_folds: At least 2 and at most the number of units.
        n_repeats: How many times.
        rng: Decides who sits with whom.
    Returns:
        Fold of each example, shape (n_repeats, n).
    Raises:
        UsageError: when `n_folds` is out of range.
    """
    n_units = len(np.unique(units))
    if not 2 <= n_folds <= n_units:
        raise UsageError(
            f"{n_folds} folds of {n_units} units", "n_folds", "choose at least 2 and at most the number of units"
        )
    members = _members(targets, units)
    return np.stack([_deal(members, units, n_folds, rng) for _ in range(n_repeats)])


def _members(targets: npt.NDArray[np.int64], units: npt.NDArray[np.int64]) -> dict[int, Counter[int]]:
    """How many examples of each class a unit holds."""
    members: dict[int, Counter[int]] = {}
    for target, unit in zip(targets.tolist(), units.tolist(), strict=True):
        members.setdefault(unit, Counter())[target] += 1
    return members


def _deal(
    members: dict[int, Counter[int]], units: npt.NDArray[np.int64], n_folds: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """One repeat: units in random order, the largest first and class by class, each to the fold that needs it most.

    Need is how few the fold has of the classes of the unit, then how few examples it has at all. Class by class is
    what keeps the sizes of the folds even: the remainder of one class goes where that of the last did not.
    """
    totals = sum(members.values(), Counter[int]())
    names = list(members)
    shuffled = [names[i] for i in rng.permutation(len(names))]
    shuffled.sort(key=lambda unit: (-members[unit].total(), min(members[unit])))
    folds = [int(fold) for fold in rng.permutation(n_folds)]  # who comes first where the need is equal
    held = [Counter[int]() for _ in range(n_folds)]
    sizes = [0] * n_folds
    chosen: dict[int, int] = {}
    for unit in shuffled:
        counts = members[unit]
        fold = min(folds, key=lambda fold: (sum(n * held[fold][c] / totals[c] for c, n in counts.items()), sizes[fold]))
        held[fold].update(counts)
        sizes[fold] += counts.total()
        chosen[unit] = fold
    return np.array([chosen[unit] for unit in units.tolist()], dtype=np.int64)
