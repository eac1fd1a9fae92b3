"""What a long job says while it runs. Silent unless a face (the command line) listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Progress:
    """The silent listener, and the protocol of every other one."""

    @contextmanager
    def track(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        """Announce `total` steps; call the yielded function with how many were just done."""
        yield lambda steps: None

    def note(self, message: str) -> None:
        """Say one thing that the user should know, such as what was done instead of what was asked."""


SILENT = Progress()
