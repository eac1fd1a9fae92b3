"""Rows of a name, a dot with its interval, and the figures: one drawing for everything that is compared.

Names and figures are ordinary text, so they wrap, can be copied and are read aloud; only the marks are SVG.
Horizontal places are shares of the width: the same drawing serves a phone, a laptop and paper.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from handful.report.figures import has_interval, is_number
from handful.report.scale import Scale

_MIDDLE = 9  # of a mark, which is 18 px high


@dataclass(frozen=True)
class Strip:
    """One row.

    Args:
        name: What is measured.
        figures: The figures in words, interval included.
        estimate: Holds `value`, `low` and `high`, each a number or None.
        note: Words under the figures.
        about: A sentence under all of it.
        strong: Drawn in the accent colour.
        hollow: Drawn as a ring.
    """

    name: str
    figures: str
    estimate: Any
    note: str = ""
    about: str = ""
    strong: bool = False
    hollow: bool = False


def strips(
    rows: Sequence[Strip],
    scale: Scale,
    marks: Sequence[float],
    label: Callable[[float], str],
    zero: float | None = None,
) -> Markup:
    """The rows over a common axis.

    Args:
        rows: From top to bottom.
        scale: Of the common axis.
        marks: Where the axis has a line and a label.
        label: Turns the value of such a line into its label.
        zero: Where a stronger line parts better from worse.
    """
    told = " told" if any(row.about for row in rows) else ""
    return Markup('<div class="strips{}">{}<ul>{}</ul>{}</div>').format(
        told, grid(scale, marks, zero), Markup("").join(_row(row, scale) for row in rows), axis(scale, marks, label)
    )


def grid(scale: Scale, marks: Sequence[float], zero: float | None = None) -> Markup:
    """Thin lines down the whole height."""
    line = Markup('<line class="{}" x1="{}" x2="{}" y1="0" y2="100%"/>')
    lines = [line.format("rule", scale.across(mark), scale.across(mark)) for mark in marks if mark != zero]
    if zero is not None:
        lines.append(line.format("zero", scale.across(zero), scale.across(zero)))
    return Markup('<svg class="grid" aria-hidden="true">{}</svg>').format(Markup("").join(lines))


def axis(scale: Scale, marks: Sequence[float], label: Callable[[float], str]) -> Markup:
    """The labels under those lines."""
    text = Markup('<text x="{}" y="17" text-anchor="middle">{}</text>')
    labels = Markup("").join(text.format(scale.across(mark), label(mark)) for mark in marks)
    return Markup('<svg class="axis" height="22" aria-hidden="true">{}</svg>').format(labels)


def _row(row: Strip, scale: Scale) -> Markup:
    strength = " strong" if row.strong else ""
    note = Markup("<br/>{}").format(row.note) if row.note else ""
    about = Markup('<span class="about">{}</span>').format(row.about) if row.about else ""
    return Markup(
        '<li class="strip{}"><span class="name" title="{}">{}</span>'
        '<svg class="mark" height="18" aria-hidden="true">{}</svg><span class="figures">{}{}</span>{}</li>'
    ).format(strength, row.name, row.name, mark(row, scale), row.figures, note, about)


def mark(row: Strip, scale: Scale) -> Markup:
    """The dot and its interval."""
    figures, drawn = row.estimate or {}, Markup("")
    if has_interval(figures):
        low, high = scale.across(figures["low"]), scale.across(figures["high"])
        drawn += Markup('<line class="interval" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(low, high, _MIDDLE, _MIDDLE)
    if is_number(figures.get("value")):
        kind, radius = ("ring", 4) if row.hollow else ("dot", 5)
        place = scale.across(figures["value"])
        drawn += Markup('<circle class="{}" cx="{}" cy="{}" r="{}"/>').format(kind, place, _MIDDLE, radius)
    return drawn
