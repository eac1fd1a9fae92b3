"""How figures are printed: per cents with their interval and n, points with their sign. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any, TypeGuard

Figures = Mapping[str, Any]

POINTS = "points"  # of a share, hundredths; other gains are in the unit of their metric


def is_number(value: object) -> TypeGuard[float]:
    """True for a finite real number, NumPy's included; metrics that could not be computed are None or NaN."""
    return isinstance(value, Real) and math.isfinite(value)


def percent(value: Any, digits: int = 0) -> str:
    """A fraction as a per cent; only a true 0 or 1 is ever printed as 0 or 100.

    Example:
        >>> percent(0.824), percent(0.824, digits=1), percent(0.9961), percent(1.0), percent(None)
        ('82 %', '82.4 %', '99.6 %', '100 %', '–')
    """
    return f"{_hundredths(value, digits)} %" if is_number(value) else "–"


def _hundredths(value: Any, digits: int = 0) -> str:
    text = f"{100 * value:.{digits}f}"
    if float(text) in (0.0, 100.0) and value not in (0, 1):
        return "99.9" if value > 0.999 else "0.1" if 0 < value < 0.001 else f"{100 * value:.1f}"
    return text


def has_interval(figures: Any) -> bool:
    """Whether a score carries both ends of its interval."""
    return isinstance(figures, Mapping) and is_number(figures.get("low")) and is_number(figures.get("high"))


def is_loss(figures: Figures) -> bool:
    """Whether less of it is better; it is then no share, and not printed as a per cent."""
    return figures.get("metric") in ("log_loss", "cost")


def counts_right_answers(figures: Figures) -> bool:
    """Whether a score is a share of right answers, as what guessing scores is; one that does not say is."""
    return figures.get("metric", "accuracy") in ("accuracy", "balanced_accuracy")


def figure(figures: Figures) -> str:
    """A score as a bare number of per cents, as precise as its interval allows; a loss as it is.

    Example:
        >>> figure({"value": 0.8234, "low": 0.75, "high": 0.88}), figure({"value": 0.8234, "low": 0.81, "high": 0.83})
        ('82', '82.3')
        >>> figure({"value": 1.2345, "metric": "log_loss"}), figure({"value": 0.0123, "metric": "cost"})
        ('1.23', '0.012')
    """
    return _number(figures["value"], figures) if is_number(figures.get("value")) else "–"


def _number(value: float, figures: Figures) -> str:
    if is_loss(figures):
        return f"{value:.{2 if abs(value) >= 0.1 or not value else 3}f}"
    return _hundredths(value, _digits(figures))


def _digits(figures: Figures) -> int:
    """One decimal only where the interval is narrow enough to give it a meaning."""
    return int(has_interval(figures) and figures["high"] - figures["low"] < 0.05)


def unit(figures: Figures) -> str:
    """What stands behind a score, after a space; nothing behind a cost, whose unit only its owner knows.

    Example:
        >>> unit({"metric": "auroc"}), unit({"metric": "log_loss"}), unit({"metric": "cost"})
        (' %', ' nats', '')
    """
    return {"log_loss": " nats", "cost": ""}.get(str(figures.get("metric")), " %")


def bounds(figures: Figures) -> str:
    """The interval alone.

    Example:
        >>> bounds({"value": 0.82, "low": 0.75, "high": 0.88})
        '[75, 88]'
        >>> bounds({"value": 0.82})
        '[no interval]'
    """
    if not has_interval(figures):
        return "[no interval]"
    return f"[{_number(figures['low'], figures)}, {_number(figures['high'], figures)}]"


def estimate(figures: Figures | None) -> str:
    """A score with its interval and n: the only way a score is printed.

    Example:
        >>> estimate({"value": 0.82, "low": 0.75, "high": 0.88, "n": 100})
        '82 % [75, 88], n = 100'
        >>> estimate({"value": 0.5})
        '50 % [no interval]'
    """
    n = f", n = {figures['n']}" if figures and is_number(figures.get("n")) else ""
    return f"{estimate_without_n(figures)}{n}"


def estimate_without_n(figures: Figures | None) -> str:
    """The same under a heading that tells n.

    Example:
        >>> estimate_without_n({"value": 0.82, "low": 0.75, "high": 0.88, "n": 100}), estimate_without_n(None)
        ('82 % [75, 88]', 'not measured')
    """
    if not figures or not is_number(figures.get("value")):
        return "not measured"
    return f"{figure(figures)}{unit(figures)} {bounds(figures)}"


def within_reach(row: Figures, of: str = POINTS) -> dict[str, Any]:
    """A gain with its interval cut at 100 points: few folds can make it wider, but the truth lies within.

    Example:
        >>> within_reach({"gain": 19.0, "low": -210.0, "high": 248.0})
        {'gain': 19.0, 'low': -100.0, 'high': 100.0}
    """
    most = 100.0 if of == POINTS else math.inf
    ends = {key: max(-most, min(most, row[key])) for key in ("low", "high") if is_number(row.get(key))}
    return {**row, **ends}


def gain(figures: Figures, of: str = POINTS) -> str:
    """A gain with its interval.

    Example:
        >>> gain({"gain": 3.1, "low": 0.8, "high": 5.2})
        '+3.1 [+0.8, +5.2]'
        >>> gain({"gain": -0.0094, "low": -0.03, "high": 0.011}, "nats")
        '−0.009 [−0.030, +0.011]'
    """
    if not is_number(figures.get("gain")):
        return "not measured"
    middle, row = signed(figures["gain"], of), within_reach(figures, of)
    if not has_interval(row):
        return f"{middle} [no interval]"
    return f"{middle} [{signed(row['low'], of)}, {signed(row['high'], of)}]"


def signed(value: float, of: str = POINTS) -> str:
    """A number with its sign, a real minus included; points with one decimal, others with three.

    Example:
        >>> signed(2), signed(-0.5), signed(-0.01), signed(-0.01, "nats")
        ('+2.0', '−0.5', '0.0', '−0.010')
    """
    digits = 1 if of == POINTS else 3
    text = f"{value:+.{digits}f}".replace("-", "−")
    return text if float(f"{value:.{digits}f}") else text[1:]


def duration(seconds: Any) -> str:
    """
    Example:
        >>> duration(0.24), duration(8.1), duration(75), duration(None)
        ('0.2 s', '8.1 s', '1 min 15 s', '–')
    """
    if not is_number(seconds):
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
