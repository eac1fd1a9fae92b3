"""What an answer rests on, by hiding one part of the input after another and asking again.

A part speaks for a class by as much as the log-odds of that class fall when the part is hidden; where they rise, it
speaks against it. Nothing is known of the model but its answers.

Source: Zeiler and Fergus 2014, arXiv:1311.2901, section 4.2. Differs: log-odds, which do not level off where the model
is sure; squares overlap by half and every place is judged by the mean of those that cover it; they have the mean
colour of the picture, which is less of a thing than grey on a black scan. Words are left out instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Pixels: TypeAlias = npt.NDArray[np.uint8]
Probability: TypeAlias = Callable[[Any], Floats]
"""From inputs to the probabilities of one class, shape (n,)."""

N_CELLS = 7  # a side: places that are told apart
LEAST = 1e-6  # probability: float32 knows no sharper answers
MOST_PIECES = 64  # of a text
LEAST_PIECES = 8
MOST_CHARACTERS = 2_000_000  # of all copies of a text: a megabyte is cut into few pieces

_EAST_ASIAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # written without spaces: a character is a word
_WORD = re.compile(rf"[{_EAST_ASIAN}]\s*|[^\s{_EAST_ASIAN}]+\s*")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")


def heat_map(pixels: Pixels, probability: Probability) -> Floats:
    """How much each place of a picture speaks for a class, in log-odds, shape (N_CELLS, N_CELLS).

    Args:
        pixels: RGB, shape (size, size, 3).
        probability: Of the class, of pixels of shape (n, size, size, 3).
    """
    fallen = _fallen(probability(pixels[None]), probability(covered(pixels)))
    by_square = fallen.reshape(N_CELLS + 1, N_CELLS + 1)
    rows = by_square[1:] + by_square[:-1]  # squares i and i + 1 cover cell i
    return np.asarray((rows[:, 1:] + rows[:, :-1]) / 4)


def covered(pixels: Pixels) -> Pixels:
    """Copies of a picture, each with one square of two by two cells in its mean colour.

    The squares lie a cell apart; those at the border stick out, so that four of them cover every cell.

    Args:
        pixels: RGB, shape (size, size, 3).
    Returns:
        Shape ((N_CELLS + 1)^2, size, size, 3), row by row.
    """
    size, side = len(pixels), N_CELLS + 1
    edges = np.linspace(0, size, side).round().astype(int)
    ends = [(edges[max(0, place - 1)], edges[min(N_CELLS, place + 1)]) for place in range(side)]
    copies = np.repeat(pixels[None], side * side, axis=0)
    colour = pixels.reshape(-1, 3).mean(axis=0).round().astype(np.uint8)
    for at, copy in enumerate(copies):
        (top, bottom), (left, right) = ends[at // side], ends[at % side]
        copy[top:bottom, left:right] = colour
    return copies


def word_weights(text: str, probability: Probability) -> list[tuple[str, float]]:
    """The pieces of a text in their order, each with how much it speaks for a class, in log-odds.

    Args:
        text: What is judged.
        probability: Of the class, of a list of texts.
    Returns:
        White space left out; empty for a single word, without which nothing is left.
    """
    parts = pieces(text)
    if len(parts) < 2:
        return []
    without = ["".join(parts[:at] + parts[at + 1 :]) for at in range(len(parts))]
    fallen = _fallen(probability([text]), probability(without))
    return [(part.strip(), float(weight)) for part, weight in zip(parts, fallen, strict=True)]


def pieces(text: str) -> list[str]:
    """Words, or of a long text sentences, or as many words or sentences together as leave 64 pieces.

    Joined they are the text without white space around it.

    Example:
        >>> pieces(" Not good. "), len(pieces("One more. " * 40)), len(pieces("word " * 1000))
        (['Not ', 'good.'], 40, 63)
    """
    text = text.strip()
    most = int(np.clip(MOST_CHARACTERS // max(1, len(text)), LEAST_PIECES, MOST_PIECES))
    words = _WORD.findall(text)
    if len(words) <= most:
        return words
    ends = [0, *(match.end() for match in _SENTENCE_END.finditer(text)), len(text)]
    sentences = [text[start:end] for start, end in pairwise(ends) if start < end]
    return _together(sentences if len(sentences) >= LEAST_PIECES else words, most)


def _together(parts: list[str], most: int) -> list[str]:
    """Neighbours joined until there are few enough."""
    each = -(-len(parts) // most)
    return ["".join(parts[start : start + each]) for start in range(0, len(parts), each)]


def _fallen(whole: Floats, hidden: Floats) -> Floats:
    return log_odds(whole) - log_odds(hidden)


def log_odds(probability: Floats) -> Floats:
    """log(p / (1 - p)), of probabilities that are neither 0 nor 1 for sure.

    Example:
        >>> log_odds(np.array([0.5, 1.0])).round(2).tolist()
        [0.0, 13.82]
    """
    p = np.clip(probability, LEAST, 1 - LEAST)
    return np.asarray(np.log(p / (1 - p)))
