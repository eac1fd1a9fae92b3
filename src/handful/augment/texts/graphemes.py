"""Text in characters as readers see them: an accent stays on its letter, an emoji in one piece."""

from __future__ import annotations

import unicodedata

IDEOGRAPHS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han and kana, for patterns
JOINER = "\u200d"


def graphemes(text: str) -> list[str]:
    r"""A text in its visible characters, which joined are the text again.

    Source: Unicode Standard Annex 29, extended grapheme clusters. Differs: without the conjuncts of Indic scripts,
    prepended marks and the few vowel signs that are classed as letters (Thai and Lao am), so that it needs no tables.
    Example:
        >>> [len(each) for each in graphemes("e\u0301t\u00e9")]
        [2, 1, 1]
    """
    if text.isascii() and "\r" not in text:
        return list(text)
    found: list[str] = []
    for character in text:
        if found and _belongs(character, found[-1]):
            found[-1] += character
        else:
            found.append(character)
    return found


def is_ideograph(character: str) -> bool:
    """Whether a character is Han or kana, in which each is about a word or a syllable and none is typed directly."""
    return "\u3040" <= character <= "\U0003ffff" and any(
        low <= character <= high for low, high in zip(IDEOGRAPHS[::3], IDEOGRAPHS[2::3], strict=True)
    )


def _belongs(character: str, before: str) -> bool:
    """Whether a character belongs to the visible one before it."""
    if before[-1] in "\r\n":
        return before == "\r" and character == "\n"
    if unicodedata.category(character)[0] == "M" or character in "\u200c\u200d\uff9e\uff9f":
        return unicodedata.category(before[-1]) != "Cc"
    if "\U0001f3fb" <= character <= "\U0001f3ff" or "\U000e0020" <= character <= "\U000e007f":
        return True  # skin tones, and the tags in flags of regions
    if "\u1160" <= character <= "\u11ff":
        return "\u1100" <= before[-1] <= "\u11ff" or "\uac00" <= before[-1] <= "\ud7a3"  # Hangul in its parts
    if before[-1] == JOINER:
        return unicodedata.category(character) == "So" and unicodedata.category(before[0]) == "So"
    return len(before) == 1 and _is_flag_letter(before) and _is_flag_letter(character)


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
