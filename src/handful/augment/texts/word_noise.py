"""Noise in words: some are left out, change places, come twice or are blanked. Spaces and punctuation stay in place.

A word is what stands between spaces and punctuation; a Han character or a kana is one by itself. Scripts without spaces
other than these (Thai, Khmer) are one word from one punctuation mark to the next.

Source: Wei and Zou 2019, arXiv:1901.11196 (EDA). Differs: no synonyms, which need a dictionary of the language; how
many words are meant is drawn for each text, where EDA rounds the share down and takes one at least.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from handful.augment.operation import operation
from handful.augment.texts.graphemes import IDEOGRAPHS, is_ideograph

BLANK = "_"
_MARKS = (
    r"\s!-/:-@\[-^`{-~\u00a1-\u00bf\u2000-\u200b\u2010-\u206f"  # Latin and general, but for "_" and joiners
    r"\u3000-\u3004\u3008-\u303f\uff01-\uff0f\uff1a-\uff20\uff5b-\uff65"  # Chinese, Japanese, Korean
)
_ADDED = "\u0300-\u036f\u20d0-\u20ff\ufe00-\ufe0f"  # to the character before: no word begins with these
_LETTERS = f"[^{_MARKS}{_ADDED}{IDEOGRAPHS}][^{_MARKS}{IDEOGRAPHS}]*"
WORD = re.compile(f"([{IDEOGRAPHS}][\u3099\u309a\ufe00-\ufe0f\U000e0100-\U000e01ef]*|{_LETTERS}(?:['’.-]{_LETTERS})*)")


def words(text: str) -> list[str]:
    """The words of a text.

    Example:
        >>> words("Don't panic, 東京!")
        ["Don't", 'panic', '東', '京']
    """
    return WORD.split(text)[1::2]


@operation("delete", usual=0.1)
def delete(text: str, share: float, rng: np.random.Generator) -> str:
    """Leave each word out with the probability `share`; if that were all, one at random stays.

    Source: also the word dropout of Iyyer et al. 2015, doi:10.3115/v1/P15-1162.
    """
    pieces = WORD.split(text)
    gone = _some(pieces, share, rng)
    if gone.size and gone.all():
        gone[rng.integers(len(gone))] = False
    kept = pieces[:1]
    for word, gap, left_out in zip(pieces[1::2], pieces[2::2], gone, strict=True):
        if not left_out:
            kept += [word, gap]
        elif gap[:1].isspace():
            kept[-1] += gap.lstrip()
        else:
            kept[-1] = kept[-1].rstrip() + gap
    return "".join(kept)


@operation("swap", usual=0.1)
def swap(text: str, share: float, rng: np.random.Generator) -> str:
    """Let two words at random change places, about once for every word that `share` means."""
    pieces = WORD.split(text)
    n_words = len(pieces) // 2
    if n_words < 2:
        return text
    for _ in range(rng.binomial(n_words, share)):
        a, b = 2 * rng.choice(n_words, 2, replace=False) + 1
        pieces[a], pieces[b] = pieces[b], pieces[a]
    return "".join(pieces)


@operation("insert", usual=0.1)
def insert(text: str, share: float, rng: np.random.Generator) -> str:
    """After each word, with the probability `share`, put one of the text's own words at random."""
    return inserted(text, share, rng, words(text))


@operation("blank", usual=0.1)
def blank(text: str, share: float, rng: np.random.Generator) -> str:
    """Write "_" for each word with the probability `share`.

    Source: Xie et al. 2017, arXiv:1703.02573, blank noising; Bowman et al. 2016, arXiv:1511.06349, word dropout.
    """
    return blanked(text, share, rng)


def inserted(text: str, share: float, rng: np.random.Generator, vocabulary: Sequence[str]) -> str:
    """After each word, with the probability `share`, put one of `vocabulary` at random, each as likely."""
    pieces = WORD.split(text)
    if not vocabulary:
        return text
    for at in np.flatnonzero(_some(pieces, share, rng)):
        new = vocabulary[int(rng.integers(len(vocabulary)))]
        pieces[2 * at + 1] += new if is_ideograph(pieces[2 * at + 1][0]) else f" {new}"
    return "".join(pieces)


def blanked(text: str, share: float, rng: np.random.Generator, mark: str = BLANK) -> str:
    """Write `mark` for each word with the probability `share`: the unknown word of a tokenizer, say."""
    pieces = WORD.split(text)
    for at in np.flatnonzero(_some(pieces, share, rng)):
        pieces[2 * at + 1] = mark
    return "".join(pieces)


def _some(pieces: list[str], share: float, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Which words are meant, each with the probability `share`."""
    return np.asarray(rng.random(len(pieces) // 2) < share)
