"""From labels as people write them to class indices; labels of another kind of task are refused by name."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from handful.core.errors import DataError
from handful.data.folders import natural_key

_MANY = 10  # distinct numbers: up to here they can be the codes of classes, one label each
_ONE_LABEL = "supported is one class label per image"


def label_name(value: Any) -> str:
    """The name of a class: a label as text, empty when there is none.

    Example:
        >>> label_name(" cat "), label_name(3.0), label_name(None), label_name(float("nan"))
        ('cat', '3', '', '')
    """
    if value is None or (isinstance(value, float | np.floating) and math.isnan(value)):
        return ""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def class_order(names: Sequence[str]) -> tuple[str, ...]:
    """The distinct names, numbers by their value and words in natural order.

    Example:
        >>> class_order(["10", "9", "-1", "9"])
        ('-1', '9', '10')
    """
    distinct = set(names)
    numbers = {name: _number(name) for name in distinct}
    if all(number is not None for number in numbers.values()):
        return tuple(sorted(distinct, key=lambda name: (numbers[name], name)))
    return tuple(sorted(distinct, key=natural_key))


def check_one_class_each(names: Sequence[str], where: str) -> None:
    """Refuse labels that are several classes at once, or amounts.

    Raises:
        DataError: naming the kind of task that this looks like.
    """
    several = next((name for name in names if re.search(r"[;|]|^\[.*\]$", name)), None)
    if several is not None:
        raise DataError(f"several labels per image (multi-label) are not supported: {several!r}", where, _ONE_LABEL)
    numbers = {number for number in map(_number, names) if number is not None}
    if not numbers or any(_number(name) is None for name in names):
        return
    half = len(names) / 2
    codes = all(number.is_integer() for number in numbers)
    if len(numbers) > (max(half, _MANY) if codes else min(half, _MANY)):
        what = f"a number to predict (regression) is not supported: {len(numbers)} distinct numbers as labels"
        raise DataError(what, where, _ONE_LABEL)


def encode(names: Sequence[str], classes: tuple[str, ...], where: str) -> npt.NDArray[np.int64]:
    """Class indices, shape (n,).

    Raises:
        DataError: naming the labels that are no class.
    """
    index = {name: number for number, name in enumerate(classes)}
    if unknown := class_order([name for name in names if name not in index]):
        listed = ", ".join(unknown[:5])
        raise DataError(f"a class that is not in the training data: {listed}", where, "rename or remove its examples")
    return np.array([index[name] for name in names], dtype=np.int64)


def _number(name: str) -> float | None:
    try:
        number = float(name)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
