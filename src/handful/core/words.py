"""Numbers in sentences."""

from __future__ import annotations

from typing import Any


def count(number: Any, one: str, many: str = "") -> str:
    """A number and its noun.

    Example:
        >>> count(1, "photo"), count(3, "class", "classes")
        ('1 photo', '3 classes')
    """
    return f"{number} {one if number == 1 else many or one + 's'}"
