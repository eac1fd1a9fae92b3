"""Noise in how a text is written: its capitals and its punctuation.

A tokenizer that lowers everything (uncased BERT, and most sentence encoders) does not see that of the capitals.
"""

from __future__ import annotations

import unicodedata

import numpy as np

from handful.augment.operation import operation
from handful.augment.texts.graphemes import graphemes
from handful.augment.texts.word_noise import WORD


@operation("case", usual=0.1)
def case(text: str, share: float, rng: np.random.Generator) -> str:
    """With the probability `share`, write a word in small letters, in capitals, or only its first letter so.

    Each of these that changes the word is as likely; a script without capitals stays as it is.
    """
    pieces = WORD.split(text)
    for at in np.flatnonzero(rng.random(len(pieces) // 2) < share):
        word = pieces[2 * at + 1]
        forms = dict.fromkeys((word.lower(), word.upper(), word[:1].upper() + word[1:].lower()))
        others = [form for form in forms if form != word]
        if others:
            pieces[2 * at + 1] = others[rng.integers(len(others))]
    return "".join(pieces)


@operation("lower")
def lower(text: str, _: float, rng: np.random.Generator) -> str:
    """Write everything in small letters, as many do on a phone."""
    return text.lower()


@operation("punctuation", usual=0.2)
def punctuation(text: str, share: float, rng: np.random.Generator) -> str:
    """With the probability `share`, drop a punctuation mark, write it twice, or leave out the space after it.

    Each of these that is possible is as likely. Marks inside words and numbers stay ("don't", "3.14"), and so does a
    text that would be left empty.
    """
    signs = graphemes(text)
    places = [at for at in range(len(signs)) if _is_mark(signs, at)]
    chosen = np.array(places, dtype=np.int64)[rng.random(len(places)) < share]
    for at in reversed(chosen.tolist()):  # from the end, so that the places before stay where they are
        noisy = [[], [signs[at], signs[at]]]
        if at + 2 < len(signs) and signs[at + 1].isspace():
            noisy.append([signs[at]])
        which = rng.integers(len(noisy))
        signs[at : at + (2 if which == 2 else 1)] = noisy[which]
    return "".join(signs) if any(not sign.isspace() for sign in signs) else text


def _is_mark(signs: list[str], at: int) -> bool:
    before, after = (signs[at - 1] if at else ""), (signs[at + 1] if at + 1 < len(signs) else "")
    inside = before[:1].isalnum() and after[:1].isalnum()
    return unicodedata.category(signs[at][0])[0] == "P" and signs[at] != "_" and not inside
