"""Memory to work in, kept by each thread: fresh memory costs as much as what is computed in it."""

from __future__ import annotations

import threading
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

LARGEST = 2**26  # bytes that a thread keeps; what needs more is fresh each time


class _Kept(threading.local):
    memory = np.empty(0, dtype=np.uint8)


_KEPT = _Kept()


def scratch(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """An array with anything in it, good until the same thread asks for the next one."""
    size = prod(shape) * np.dtype(dtype).itemsize
    if size > LARGEST:
        return np.empty(shape, dtype)
    if _KEPT.memory.size < size:
        _KEPT.memory = np.empty(size, dtype=np.uint8)
    return _KEPT.memory[:size].view(dtype).reshape(shape)
