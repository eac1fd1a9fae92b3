"""One page that tells a person what was found: a single file that opens offline and prints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from handful.core.words import count
from handful.report import advice, charts, figures, guessing, metric_words, words
from handful.report.thumbnails import data_uri

_MOST_EXAMPLES = 120  # thumbnails of all classes together: what keeps the page below a megabyte
_FEW_CLASSES = 15  # as many as one glance takes in


@dataclass(frozen=True)
class Thumb:
    """One example of the data, small.

    Args:
        name: What the person knows it by, such as its file name; of a text, its beginning.
        pixels: RGB, shape (s, s, 3), uint8; None for a text, which is quoted by its name.
    """

    name: str
    pixels: npt.NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Case:
    """One answer of the model worth a look; `probability` is that of the class `predicted`."""

    thumb: Thumb
    truth: str
    predicted: str
    probability: float


@dataclass(frozen=True)
class Pictures:
    """All pictures of the page; each part may be empty.

    Args:
        examples: Some training examples of each class.
        most_wrong: Wrong answers, the surest first.
        least_sure: Answers of the lowest probability.
        findings: Pictures of a finding of the audit, by its place in the list of findings.
    """

    examples: Mapping[str, list[Thumb]] = field(default_factory=dict)
    most_wrong: list[Case] = field(default_factory=list)
    least_sure: list[Case] = field(default_factory=list)
    findings: Mapping[int, list[Thumb]] = field(default_factory=dict)


def render(metrics: Mapping[str, Any], pictures: Pictures) -> str:
    """The whole page as HTML.

    Args:
        metrics: What `metrics.json` holds; every part may be missing or None, and its section is then left out.
        pictures: The thumbnails that go with it.
    Returns:
        HTML without any address to load from; class and file names are escaped.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.ChainableUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"uri": data_uri, "percent": figures.percent, "estimate": figures.estimate}
    environment.filters |= {"duration": figures.duration}
    page = environment.from_string(_packaged("page.html.jinja")).render(
        m=metrics,
        pictures=pictures,
        style=Markup(_packaged("page.css")),  # noqa: S704 - our own file
        figures=figures,
        count=count,
        words=words,
        metric_words=metric_words,
        guessing=guessing,
        advice=advice,
        charts=charts,
        **_arranged(metrics),
    )
    return _unbroken(page)


def _unbroken(page: str) -> str:
    """Figures that belong together stay on one line: `82 %`, `[75, 88]`, `n = 100`."""
    space = "\N{NO-BREAK SPACE}"
    page = re.sub(r"(?<=\d) %", f"{space}%", page)
    page = re.sub(r"\[([+−]?[\d.]+), ([+−]?[\d.]+)\]", rf"[\1,{space}\2]", page)
    return re.sub(r"\bn = (?=\d)", f"n{space}={space}", page)


def _packaged(name: str) -> str:
    return resources.files("handful.report").joinpath(name).read_text(encoding="utf-8")


def _arranged(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What depends on the number of classes: many are shown weakest first, with fewer pictures of each."""
    classes, per_class = metrics.get("classes") or [], list(metrics.get("per_class") or [])
    many = len(classes) > _FEW_CLASSES
    return {
        "many": many,
        "n_each": max(1, min(6, _MOST_EXAMPLES // max(1, len(classes)))),
        "weakest": sorted(per_class, key=_recall)[:_FEW_CLASSES] if many else per_class,
        "per_class": per_class,
        "test_recall": {row["class"]: row.get("recall") for row in (metrics.get("test") or {}).get("per_class") or []},
    }


def _recall(row: Mapping[str, Any]) -> float:
    value = (row.get("recall") or {}).get("value")
    return float(value) if figures.is_number(value) else 2.0
