"""What the user of `handful pretrain` asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from handful.core.budget import Budget
from handful.core.errors import UsageError
from handful.unsupervised.pretraining import SMALL, USUAL_SIZE


@dataclass(frozen=True)
class Settings:
    """What the user asked for.

    Args:
        method: simclr, vicreg, autoencoder or masked for images, masked-language for texts; the first of these when
            None.
        start: The network that learns from images: small, with random weights, or efficientnet-lite0 with its published
            ones.
        size: Of the pictures that it is shown; what is usual for the network when None.
        budget: A ceiling of time (15m), or a number of steps (400steps), which gives the same bytes again.
        labels: A folder or table of labelled images that it is looked at while it learns; they are not learned from.
        seed: Of everything random.
        jobs: Images read at a time; None chooses by the number of cores.
    """

    method: str | None = None
    start: str = SMALL
    size: int | None = None
    budget: str = "15m"
    labels: Path | None = None
    seed: int = 0
    jobs: int | None = None

    def __post_init__(self) -> None:
        self.n_steps_or_seconds  # noqa: B018 - a budget that cannot be read is refused at once

    @property
    def n_steps_or_seconds(self) -> tuple[int | None, float | None]:
        """The budget: one of the two."""
        return read_budget(self.budget)

    @property
    def seen_size(self) -> int:
        """Of the pictures that it is shown."""
        return self.size or USUAL_SIZE.get(self.start, 0)


def read_budget(text: str) -> tuple[int | None, float | None]:
    """Steps or seconds.

    Example:
        >>> read_budget("15m"), read_budget("400steps")
        ((None, 900.0), (400, None))
    """
    if match := re.fullmatch(r"([1-9]\d{0,8}) ?steps?", text.strip()):
        return int(match[1]), None
    try:
        seconds = Budget.parse(text).seconds
    except UsageError:
        seconds = None
    if seconds is None:
        raise UsageError(f"cannot read the budget {text!r}", "budget", "write 90s, 15m, 1h or 400steps")
    return None, seconds
