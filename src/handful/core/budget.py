"""How long may it take: a ceiling in time, or a number of fits for runs that must be repeatable."""

from __future__ import annotations

import math
import re
import time

from handful.core.errors import JobError, UsageError

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


class TimeIsUp(JobError):
    """The work took longer than it may."""

    def __init__(self, what: str = "the time was up before it was done") -> None:
        super().__init__(what)


class Budget:
    """Counts what is left.

    Args:
        seconds: Whole wall time; None for no such limit.
        fits: Number of recipes tried; None for no such limit.
    """

    def __init__(self, seconds: float | None = None, fits: int | None = None) -> None:
        self.seconds = seconds
        self.fits = fits
        self.n_spent = 0
        self._end = math.inf if seconds is None else time.monotonic() + seconds

    @staticmethod
    def parse(text: str) -> Budget:
        """From `90s`, `5m`, `1h` or `40fits`.

        Example:
            >>> Budget.parse("40fits").fits
            40
        """
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|h|fits?)", text.strip())
        if not match or float(match[1]) <= 0:
            raise UsageError(f"cannot read the budget {text!r}", "budget", "write 90s, 5m, 1h or 40fits")
        if match[2] in UNITS:
            return Budget(seconds=float(match[1]) * UNITS[match[2]])
        return Budget(fits=max(1, int(float(match[1]))))

    @property
    def seconds_left(self) -> float:
        """Before what was reserved begins; negative once that has begun."""
        return self._end - time.monotonic()

    def allows(self, seconds: float) -> bool:
        """Whether another recipe that takes about so long fits into what is left."""
        return (self.fits is None or self.n_spent < self.fits) and seconds < self.seconds_left

    def reserve(self, seconds: float) -> None:
        """Keep time for what must follow: to fit what may win on all examples."""
        self._end -= seconds

    def spend(self) -> None:
        """One recipe was tried."""
        self.n_spent += 1
