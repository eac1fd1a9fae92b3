"""Back-translation: a text into another language and back says the same in other words.

The translators are yours: functions from a list of texts to a list of texts, in that order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from handful.core.errors import DataError, UsageError

Translator = Callable[[list[str]], list[str]]


def back_translated(texts: Sequence[str], there: Translator, back: Translator) -> list[str]:
    """Each text after two translations, in its place: labels, groups and folds go on belonging to it.

    Blank texts are not sent, and where a translator gives back a blank the text itself stands in. What comes back
    unchanged stays; `reworded` finds the rest.

    Raises:
        DataError: when a translator gives back another number of texts, or something that is no text.
    Source: Sennrich et al. 2016, arXiv:1511.06709; as augmentation, Edunov et al. 2018, arXiv:1808.09381.
    Example:
        >>> back_translated(["Hi", ""], lambda texts: [f"{text}!" for text in texts], lambda texts: texts)
        ['Hi!', '']
    """
    if isinstance(texts, str):
        raise UsageError("back_translated takes a list of texts, got one text", "texts", "write [text]")
    copies = list(texts)
    for name, translate in (("there", there), ("back", back)):
        rows = [row for row, text in enumerate(copies) if text.strip()]
        for row, translation in zip(rows, _translated(name, translate, [copies[row] for row in rows]), strict=True):
            copies[row] = translation
    return [copy if copy.strip() else text for copy, text in zip(copies, texts, strict=True)]


def reworded(texts: Sequence[str], copies: Sequence[str]) -> npt.NDArray[np.int64]:
    """The rows whose copy differs in more than case and spaces: those worth adding, with the labels of these rows.

    Example:
        >>> reworded(["It rains.", "Yes"], ["it  rains.", "Indeed"])
        array([1])
    """
    if len(texts) != len(copies):
        raise DataError(f"{len(copies)} copies for {len(texts)} texts", "reworded", "keep them in their order")
    pairs = zip(texts, copies, strict=True)
    return np.array([row for row, (a, b) in enumerate(pairs) if _plain(a) != _plain(b)], dtype=np.int64)


def _translated(name: str, translate: Translator, texts: list[str]) -> list[str]:
    if not texts:
        return []
    translations: Any = translate(list(texts))
    if isinstance(translations, str) or len(translations) != len(texts):
        got = "one text" if isinstance(translations, str) else f"{len(translations)} texts"
        raise DataError(f"the translator `{name}` gave back {got} for {len(texts)}", "back_translated", "one for each")
    for text, translation in zip(texts, translations, strict=True):
        if not isinstance(translation, str):
            raise DataError(
                f"the translator `{name}` gave back {translation!r} for {text!r}, no text", "back_translated"
            )
    return list(translations)


def _plain(text: str) -> list[str]:
    return text.casefold().split()
