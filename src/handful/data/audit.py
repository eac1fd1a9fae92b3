"""What is wrong with the data, found without a model: one small function per finding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from handful.core.words import count
from handful.data.dataset import Dataset
from handful.data.duplicates import Duplicates, Pair, join_units

if TYPE_CHECKING:
    from handful.data.images import Decoded  # brings Pillow and OpenCV, which nothing here needs

Severity: TypeAlias = Literal["problem", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing that the user should know about the data.

    Args:
        kind: A word for programs, such as "contradiction".
        severity: A problem spoils the result or the score, a warning may, a note does not.
        message: A sentence for people.
        names: The examples or classes concerned, by name.
        rows: The examples concerned: rows of the training data, of the test data for findings about the test set.
    """

    kind: str
    severity: Severity
    message: str
    names: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class Audit:
    """All findings, and what follows from them for validation.

    Args:
        findings: The worst first.
        units: What must stay together of the readable training examples (duplicates and groups), shape (m,).
        leaked_test_rows: Rows of the test data that are, or almost are, in the training data, ascending.
    """

    findings: tuple[Finding, ...]
    units: npt.NDArray[np.int64]
    leaked_test_rows: tuple[int, ...] = ()

    def with_findings(self, *more: Finding) -> Audit:
        """The same audit with further findings in their places."""
        return replace(self, findings=_worst_first((*self.findings, *more)))


@dataclass(frozen=True)
class HeldOut:
    """The test set as the audit sees it.

    Args:
        data: All examples of it.
        decoded: Those that can be read.
        leaks: Pairs (place in the training pixels, place in the test pixels), from `across`.
    """

    data: Dataset
    decoded: Decoded
    leaks: tuple[Pair, ...]


def audit(train: Dataset, decoded: Decoded, duplicates: Duplicates, test: HeldOut | None = None) -> Audit:
    """Look for what spoils a model or its score.

    Args:
        train: All training examples, with targets.
        decoded: Those that can be read.
        duplicates: From `near_duplicates(decoded.pixels)`.
        test: The test set, when there is one.
    """
    readable = train.take(decoded.rows)
    findings = [
        *_unreadable(decoded, "training"),
        *_repeats(readable, decoded, duplicates.exact, "duplicate", "warning", "identical"),
        *_repeats(readable, decoded, duplicates.near, "near-duplicate", "note", "almost identical"),
        *_contradictions(readable, decoded, duplicates.units),
        *_small_classes(readable),
        *_imbalance(readable),
    ]
    leaked: tuple[int, ...] = ()
    if test:
        leaked = tuple(sorted({int(test.decoded.rows[pair.second]) for pair in test.leaks}))
        findings += [*_unreadable(test.decoded, "test"), *_leaks(test), *_shared_groups(train, test.data)]
    return Audit(_worst_first(findings), join_units(duplicates.units, readable.groups), leaked)


def _worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda finding: ("problem", "warning", "note").index(finding.severity)))


def _unreadable(decoded: Decoded, part: str) -> Iterator[Finding]:
    if problems := decoded.problems:
        first = f"{problems[0].name}: {problems[0].reason}"
        message = f"left out: {count(len(problems), f'{part} image')} that cannot be read; first {first}"
        rows = tuple(problem.row for problem in problems)
        yield Finding("unreadable", "warning", message, tuple(problem.name for problem in problems), rows)


def _targets(data: Dataset) -> npt.NDArray[np.int64]:
    return np.zeros(len(data), np.int64) if data.targets is None else data.targets


def _repeats(
    readable: Dataset, decoded: Decoded, pairs: Sequence[Pair], kind: str, severity: Severity, how: str
) -> Iterator[Finding]:
    """Repeats within a class; those with two labels are contradictions."""
    targets = _targets(readable)
    same = [pair for pair in pairs if targets[pair.first] == targets[pair.second]]
    places = sorted({place for pair in same for place in (pair.first, pair.second)})
    if places:
        message = f"{how} to another of the same class: {count(len(places), 'training image')}; they stay in one fold"
        yield _about(kind, severity, message, readable, decoded, places)


def _contradictions(readable: Dataset, decoded: Decoded, units: npt.NDArray[np.int64]) -> Iterator[Finding]:
    pairs = np.unique(np.column_stack([units, _targets(readable)]), axis=0)
    unit, n_labels = np.unique(pairs[:, 0], return_counts=True)
    places = np.flatnonzero(np.isin(units, unit[n_labels > 1])).tolist()
    if places:
        shown = _few([readable.name(place) for place in places])
        message = f"the same picture under different labels: {shown}; correct the labels"
        yield _about("contradiction", "problem", message, readable, decoded, places)


def _about(
    kind: str, severity: Severity, message: str, readable: Dataset, decoded: Decoded, places: Sequence[int]
) -> Finding:
    names = tuple(readable.name(place) for place in places)
    return Finding(kind, severity, message, names, tuple(int(decoded.rows[place]) for place in places))


def _class_sizes(readable: Dataset) -> npt.NDArray[np.int64]:
    return np.bincount(_targets(readable), minlength=len(readable.classes))


def _small_classes(readable: Dataset) -> Iterator[Finding]:
    sizes = _class_sizes(readable)
    severity: Severity
    for low, high, severity, consequence in (
        (0, 2, "problem", "a score cannot be measured"),
        (2, 5, "warning", "the score will be uncertain"),
    ):
        names = tuple(name for name, size in zip(readable.classes, sizes, strict=True) if low <= size < high)
        if names:
            message = f"fewer than {high} readable examples, so {consequence}: {_few(names)}"
            yield Finding("small-class", severity, message, names)


def _imbalance(readable: Dataset) -> Iterator[Finding]:
    sizes = _class_sizes(readable)
    smallest, largest = int(sizes.argmin()), int(sizes.argmax())
    ratio = sizes[largest] / max(int(sizes[smallest]), 1)
    if ratio > 3:
        names = (readable.classes[largest], readable.classes[smallest])
        message = f"the largest class has {ratio:.1f} times the examples of the smallest: {names[0]} and {names[1]}"
        yield Finding("imbalance", "warning" if ratio > 10 else "note", message, names)


def _leaks(test: HeldOut) -> Iterator[Finding]:
    identical = {pair.second for pair in test.leaks if pair.similarity == 1.0}
    alike = {pair.second for pair in test.leaks} - identical
    kinds: tuple[tuple[set[int], str, Severity, str], ...] = (
        (identical, "leak", "problem", "also in the training data"),
        (alike, "near-leak", "warning", "almost identical to a training image"),
    )
    for places, kind, severity, how in kinds:
        if places:
            message = f"{how}: {count(len(places), 'test image')}; left out of the score"
            yield _about(kind, severity, message, test.data.take(test.decoded.rows), test.decoded, sorted(places))


def _shared_groups(train: Dataset, test: Dataset) -> Iterator[Finding]:
    if train.groups is None or test.groups is None:
        return
    shared = np.isin(test.groups, train.groups)
    if shared.any():
        groups = tuple(str(group) for group in np.unique(test.groups[shared]))
        message = f"in both the training and the test data: {count(len(groups), 'group')} ({_few(groups)})"
        yield Finding("shared-group", "problem", message, groups, tuple(np.flatnonzero(shared).tolist()))


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
