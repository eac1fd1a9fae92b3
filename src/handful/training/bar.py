"""A progress bar that tells the loss."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType

from handful.core.progress import Progress

SECONDS = 15.0  # that a bar stays as it is


class LossBar:
    """Steps left, time left and the loss, while a training runs.

    The label of a bar cannot change, so a bar of the remaining steps takes its place every 15 seconds.
    """

    def __init__(self, progress: Progress, left: int) -> None:
        self.progress, self.left = progress, left
        self.bars = ExitStack()
        self.advance: Callable[[int], None]
        self.opened: float

    def __enter__(self) -> LossBar:
        self._open("training")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.close()

    def step(self, loss: float) -> None:
        """One more step is done, with this loss."""
        self.left -= 1
        self.advance(1)
        if self.left and time.monotonic() - self.opened >= SECONDS:
            self._open(f"training (loss {loss:.3g})")

    def _open(self, label: str) -> None:
        self.bars.close()
        self.opened = time.monotonic()
        self.advance = self.bars.enter_context(self.progress.track(label, self.left))
