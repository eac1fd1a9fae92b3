"""What tells a cell from the others in a few words: words of its texts, or columns in which it stands out.

A word speaks for a cell by how much oftener it occurs there than it would by chance:

    observed * log(observed / expected),      expected = texts of the cell * share of all texts that hold the word

Source: Dunning 1993, aclanthology.org/J93-1003. Differs: only the first of the four terms, in texts, not occurrences.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from handful.tasks.mapping.examples import Examples

Ints = npt.NDArray[np.int64]
Members = Sequence[Ints]  # the examples of each cell
Marks = Callable[[Members], list[tuple[str, ...]]]

MOST = 3  # of a cell
LEAST_TEXTS = 2  # that hold a word, of all texts
LEAST_DEVIATION = 0.5  # standard deviations of a column from its mean
_WORD = re.compile(r"[^\W\d_][\w'’-]+")


def marks_of(examples: Examples) -> Marks:
    """What finds the marks of every cell: none for images, which show themselves."""
    if examples.kind == "text":
        return lambda members: words(examples.inputs, members)
    if examples.kind == "table":
        return lambda members: columns(np.asarray(examples.inputs), examples.columns, members)
    return lambda members: [()] * len(members)


def words(texts: Sequence[str], members: Members) -> list[tuple[str, ...]]:
    """The words that mark each cell, the most telling first.

    Example:
        >>> texts = ["the red fox", "the red hen", "the blue sky", "the blue sea"]
        >>> words(texts, [np.array([0, 1]), np.array([2, 3])])
        [('red',), ('blue',)]
    """
    found = [set(_WORD.findall(text.lower())) for text in texts]
    vocabulary = sorted(set().union(*found))
    column = {word: at for at, word in enumerate(vocabulary)}
    indices = [column[word] for held in found for word in sorted(held)]
    starts = np.cumsum([0, *map(len, found)])
    holds = csr_matrix((np.ones(len(indices)), indices, starts), (len(texts), len(vocabulary)))
    shares = np.asarray(holds.mean(axis=0)).ravel()
    rare = shares * len(texts) < LEAST_TEXTS
    return [_telling(holds[rows].sum(axis=0), len(rows) * shares, rare, vocabulary) for rows in members]


def columns(values: npt.NDArray[np.float64], names: Sequence[str], members: Members) -> list[tuple[str, ...]]:
    """The columns in which each cell's mean deviates most, in standard deviations.

    Example:
        >>> columns(np.array([[2.0, 0.1], [-2.0, 0.1]]), ("age", "bmi"), [np.array([0]), np.array([1])])
        [('age +2.0',), ('age −2.0',)]
    """
    said = []
    for rows in members:
        mean = values[rows].mean(axis=0) if len(rows) else np.zeros(len(names))
        best = [at for at in np.argsort(-np.abs(mean), kind="stable")[:MOST] if abs(mean[at]) >= LEAST_DEVIATION]
        said.append(tuple(f"{names[at]} {mean[at]:+.1f}".replace("-", "−") for at in best))
    return said


def _telling(
    held: npt.NDArray[np.float64], expected: npt.NDArray[np.float64], rare: npt.NDArray[np.bool_], names: list[str]
) -> tuple[str, ...]:
    observed = np.asarray(held).ravel()
    with np.errstate(divide="ignore", invalid="ignore"):
        telling = np.where((observed > expected) & ~rare, observed * np.log(observed / expected), 0)
    best = np.argsort(-telling, kind="stable")[:MOST]
    return tuple(names[at] for at in best if telling[at] > 0)
