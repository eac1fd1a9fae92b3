"""From texts that were read to texts that can be learned from: audited, repeats and leaks known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from handful.core.errors import DataError
from handful.core.words import count
from handful.data.audit import Audit, Finding, HeldOut, Severity, audit
from handful.data.dataset import Dataset
from handful.data.duplicates import Duplicates, join_units
from handful.data.images import Decoded, Problem
from handful.data.readers import Splits
from handful.data.text_inputs import readable_text, shortened
from handful.data.text_repeats import contradictory_rows, leaked_rows, text_units
from handful.nn.text_windows import MOST_WINDOWS, TextWindows, has_gaps
from handful.tasks.parts import Labelled, Ready, check_every_class

Rows = npt.NDArray[np.int64]

FEW = 5  # texts shown in a message


@dataclass(frozen=True)
class TextPart(Labelled):
    """Readable texts."""

    @property
    def texts(self) -> list[str]:
        """The texts themselves, n of them."""
        return list(self.data.inputs)


PreparedTexts: TypeAlias = Ready[TextPart]


def prepare_texts(splits: Splits, windows: TextWindows | None = None, strict: bool = False) -> PreparedTexts:
    """Leave out what cannot be read or leaks, and audit the rest.

    Args:
        splits: As read.
        windows: Of the encoder, to find texts that are too long to be read whole; None does not look for them.
        strict: Raise for a text that cannot be read rather than leave it out.
    Raises:
        DataError: when no text of a class can be read; for the first of any class when `strict`.
    """
    train, train_problems = _readable(splits.train, strict)
    check_every_class(train, "text")
    units = text_units(train.texts)
    findings = [
        *_unreadable(train_problems, "training"),
        *_repeats(train, units),
        *_contradictions(train, units),
        *_too_long(train, windows),
    ]
    test, leaked = None, np.empty(0, np.int64)
    test_problems: tuple[Problem, ...] = ()
    if splits.test is not None:
        test, test_problems = _readable(splits.test, strict)
        leaked = leaked_rows(train.texts, test.texts)
        findings += [*_unreadable(test_problems, "test"), *_leaks(test, leaked)]
    found = _of_any_kind(train, test, units).with_findings(*findings)
    found = Audit(found.findings, found.units, tuple(test.rows[leaked].tolist()) if test else ())
    n_unreadable = len(train_problems) + len(test_problems)
    return Ready(train, test and _without(test, leaked), found, len(leaked), n_unreadable, splits.notes)


def _readable(data: Dataset, strict: bool) -> tuple[TextPart, tuple[Problem, ...]]:
    texts: dict[int, str] = {}
    problems = []
    for row, item in enumerate(data.inputs):
        try:
            texts[row] = readable_text(item)
        except DataError as failure:
            name = data.places[row] if data.places else f"text {row + 1}"
            problem = Problem(row, name, failure.what)
            if strict:
                raise DataError(problem.reason, problem.name, "replace or remove it") from failure
            problems.append(problem)
    rows = np.array(list(texts), dtype=np.int64)
    return TextPart(replace(data.take(rows), inputs=list(texts.values())), rows), tuple(problems)


def readable_texts(data: Dataset) -> tuple[TextPart, int]:
    """The texts that can be read, and how many cannot."""
    part, problems = _readable(data, strict=False)
    return part, len(problems)


def _without(part: TextPart, places: Rows) -> TextPart | None:
    """What is left without some places; None when nothing is."""
    kept = np.setdiff1d(np.arange(len(part.data)), places)
    return TextPart(part.data.take(kept), part.rows[kept]) if len(kept) else None


def _of_any_kind(train: TextPart, test: TextPart | None, units: Rows) -> Audit:
    """Findings that do not depend on what an example is: small classes, imbalance, groups in both parts; and the units.

    The audit of images with no picture in it: what it says of pictures is left to the functions here.
    """
    alone = Duplicates((), (), np.arange(len(train.data)))
    held_out = HeldOut(test.data, _no_pixels(test), ()) if test else None
    found = audit(train.data, _no_pixels(train), alone, held_out)
    return Audit(found.findings, join_units(units, train.data.groups))


def _no_pixels(part: TextPart) -> Decoded:
    n = len(part.data)
    return Decoded(np.empty((n, 0, 0, 3), np.uint8), np.arange(n), ())


def _unreadable(problems: Sequence[Problem], part: str) -> Iterator[Finding]:
    if problems:
        first = f"{problems[0].name}: {problems[0].reason}"
        message = f"left out: {count(len(problems), f'{part} text')} that cannot be read; first {first}"
        names, rows = tuple(problem.name for problem in problems), tuple(problem.row for problem in problems)
        yield Finding("unreadable", "warning", message, names, rows)


def _repeats(part: TextPart, units: Rows) -> Iterator[Finding]:
    """Repeats within a class; those with two labels are contradictions."""
    _, kind, n_alike = np.unique(
        np.column_stack([units, part.targets]), axis=0, return_inverse=True, return_counts=True
    )
    places = np.flatnonzero(n_alike[kind.ravel()] > 1)
    how = "the same as another of the same class but for case and spaces"
    yield from _about("duplicate", "warning", f"{how}: {{n}}; they stay in one fold", part, places)


def _contradictions(part: TextPart, units: Rows) -> Iterator[Finding]:
    places = contradictory_rows(units, part.targets)
    message = "the same text under different labels: {shown}; correct the labels"
    yield from _about("contradiction", "problem", message, part, places)


def _too_long(part: TextPart, windows: TextWindows | None) -> Iterator[Finding]:
    if windows is None:
        return
    most = MOST_WINDOWS * windows.size
    maybe = [place for place, text in enumerate(part.texts) if len(text) > most]  # a token has at least one character
    lengths = [len(ids) for ids in windows.tokens([part.texts[place] for place in maybe])]
    places = [place for place, length in zip(maybe, lengths, strict=True) if has_gaps(length, windows.size)]
    message = f"longer than {most} word pieces: {{n}}; of each, {MOST_WINDOWS} passages spread evenly over it are read"
    yield from _about("long-text", "note", message, part, np.array(places, dtype=np.int64))


def _leaks(test: TextPart, places: Rows) -> Iterator[Finding]:
    message = "also in the training data: {n}; left out of the score"
    yield from _about("leak", "problem", message, test, places, "test text")


def _about(
    kind: str, severity: Severity, message: str, part: TextPart, places: Rows, one: str = "training text"
) -> Iterator[Finding]:
    """A finding about some texts, if there are any; `{n}` in its message is their number, `{shown}` the first few."""
    if len(places):
        names = tuple(part.data.place(place) + shortened(part.data.inputs[place]) for place in places)
        shown = ", ".join(names[:FEW]) + (", ..." if len(names) > FEW else "")
        said = message.replace("{n}", count(len(names), one)).replace("{shown}", shown)
        yield Finding(kind, severity, said, names, tuple(part.rows[places].tolist()))
