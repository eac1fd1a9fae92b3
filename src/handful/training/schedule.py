"""The learning rate over time, as plain functions of the step that give a share of the full rate."""

from __future__ import annotations

import math


def warmed_up(step: int, n_warmup: int) -> float:
    """Linear warm-up: (step + 1) / n_warmup, at most 1.

    Args:
        step: From 0 on.
        n_warmup: Steps until the full rate; none when 0.
    Example:
        >>> [warmed_up(step, 4) for step in range(5)]
        [0.25, 0.5, 0.75, 1.0, 1.0]
    """
    return min((step + 1) / n_warmup, 1.0) if n_warmup else 1.0


def warmup_cosine(step: int, n_steps: int, n_warmup: int) -> float:
    """Linear warm-up, then half a cosine from 1 down to 0, which step `n_steps` (never taken) would have.

        (1 + cos(pi (step - n_warmup) / (n_steps - n_warmup))) / 2

    Args:
        step: From 0 to n_steps - 1.
        n_steps: In all.
        n_warmup: Fewer than n_steps.
    Source: Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5, without restarts.
    Example:
        >>> [round(warmup_cosine(step, 6, 2), 3) for step in range(6)]
        [0.5, 1.0, 1.0, 0.854, 0.5, 0.146]
    """
    if step < n_warmup:
        return warmed_up(step, n_warmup)
    return (1 + math.cos(math.pi * (step - n_warmup) / (n_steps - n_warmup))) / 2
