"""How many threads the linear algebra may use: one, where the matrices are small."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

LARGE = 4000  # rows or columns from which a second thread is worth its waiting


@contextmanager
def threads_for(size: int) -> Iterator[None]:
    """One BLAS thread for small matrices: as fast on a quiet machine, ten times faster on a busy one.

    BLAS threads spin while they wait for each other; when another process has their core, they wait for long.

    Args:
        size: Rows or columns of the matrices, whichever is smaller.
    """
    from threadpoolctl import threadpool_limits

    with nullcontext() if size >= LARGE else threadpool_limits(limits=1, user_api="blas"):
        yield
