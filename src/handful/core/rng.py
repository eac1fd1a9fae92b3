"""Randomness is an argument: named, independent streams from one seed."""

from __future__ import annotations

import zlib

import numpy as np

from handful.core.errors import UsageError


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """A generator of its own for one named purpose.

    Two purposes never share draws, so adding a step does not change what another step draws.

    Example:
        >>> a, b = stream(0, "folds", 1), stream(0, "folds", 2)
        >>> bool(a.random() == b.random())
        False
        >>> bool(stream(0, "folds", 1).random() == stream(0, "folds", 1).random())
        True
    """
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise UsageError(f"a seed is a whole number from 0 on, got {seed!r}", "seed", "write 0, say")
    keys = [zlib.crc32(str(name).encode(errors="backslashreplace")) for name in names]
    return np.random.default_rng([seed, *keys])
