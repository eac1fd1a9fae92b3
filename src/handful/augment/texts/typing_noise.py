"""Typing errors: a neighbouring key, two letters in the wrong order, one left out, one twice.

Digits stay, since a wrong number is another text, and so do Han and kana, which nobody types directly.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from handful.augment.operation import operation
from handful.augment.texts.graphemes import graphemes, is_ideograph

STAGGER = (0.0, 0.25, 0.75)  # how far the three rows of letters are shifted to the right, in keys
REACH = 1.3  # from the middle of a key to that of a neighbour, at most, in keys
FIRST_LETTER = 0.25  # as likely to be wrong as any other; few errors are made there, the number is ours

Keys = Mapping[str, str]


def neighbours(*rows: str) -> dict[str, str]:
    """The keys next to each, from the rows of letters of a keyboard.

    Example:
        >>> neighbours("qwertyuiop", "asdfghjkl", "zxcvbnm")["g"]
        'tyfhvb'
    """
    keys = {
        key: (x + shift, y)
        for y, (row, shift) in enumerate(zip(rows, STAGGER, strict=True))
        for x, key in enumerate(row)
    }
    return {
        key: "".join(near for near, (u, v) in keys.items() if near != key and np.hypot(u - x, v - y) <= REACH)
        for key, (x, y) in keys.items()
    }


QWERTY = neighbours("qwertyuiop", "asdfghjkl", "zxcvbnm")
QWERTZ = neighbours("qwertzuiopü", "asdfghjklöä", "yxcvbnm")
AZERTY = neighbours("azertyuiop", "qsdfghjklmù", "wxcvbn")


@operation("typos", usual=0.03)
def typos(text: str, share: float, rng: np.random.Generator) -> str:
    """Make a typing error in about this share of the letters, on an English keyboard."""
    return mistyped(text, share, rng, QWERTY)


@operation("typos_qwertz", usual=0.03)
def typos_qwertz(text: str, share: float, rng: np.random.Generator) -> str:
    """Make a typing error in about this share of the letters, on a German keyboard."""
    return mistyped(text, share, rng, QWERTZ)


@operation("typos_azerty", usual=0.03)
def typos_azerty(text: str, share: float, rng: np.random.Generator) -> str:
    """Make a typing error in about this share of the letters, on a French keyboard."""
    return mistyped(text, share, rng, AZERTY)


def mistyped(text: str, share: float, rng: np.random.Generator, keys: Keys) -> str:
    """The text with a typing error in about `share` of its letters, of a kind that is possible there, each as likely.

    The first letter of a word is wrong less often and never left out, so no word is lost. A letter that is on no key
    has no neighbours; the other errors happen to it too.

    Args:
        keys: The neighbours of each key, in lower case.
    Source: the kinds of error are those of Damerau 1964, doi:10.1145/363958.363994, with doubling for insertion, its
        most frequent cause (Pollock and Zamora 1983, doi:10.1002/asi.4630340108). That few errors are made in the first
        letter: Yannakoudakis and Fawthrop 1983, doi:10.1016/0306-4573(83)90045-6.
    """
    letters = graphemes(text)
    places = [at for at, letter in enumerate(letters) if _is_typed(letter)]
    if not places:
        return text
    first = {at for at in places if at == 0 or not _is_typed(letters[at - 1])}
    weights = np.array([FIRST_LETTER if at in first else 1.0 for at in places])
    chosen = rng.choice(places, rng.binomial(len(places), share), replace=False, p=weights / weights.sum())
    for at in sorted(chosen.tolist(), reverse=True):  # from the end, so that the places before stay where they are
        _mistype(letters, at, at in first, rng, keys)
    return "".join(letters)


def _mistype(letters: list[str], at: int, is_first: bool, rng: np.random.Generator, keys: Keys) -> None:
    letter, after = letters[at], letters[at + 1] if at + 1 < len(letters) else ""
    near = keys.get(letter.lower(), "")
    possible = [[letter, letter]]
    if near:
        key = near[rng.integers(len(near))]
        possible.append([key.upper() if letter.isupper() else key])
    if not is_first:
        possible.append([])
    swapped = [[after, letter]] if after and _is_typed(after) and after != letter else []
    which = rng.integers(len(possible) + len(swapped))
    if which < len(possible):
        letters[at : at + 1] = possible[which]
    else:
        letters[at : at + 2] = swapped[0]


def _is_typed(letter: str) -> bool:
    return letter[0].isalpha() and not is_ideograph(letter[0])
