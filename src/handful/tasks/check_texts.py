"""What is wrong with a data set of texts, without making a model of it."""

from __future__ import annotations

from typing import Any

from handful.data.readers import Splits
from handful.tasks.parts import account_of
from handful.tasks.texts import prepare_texts


def check_texts(splits: Splits) -> dict[str, Any]:
    """Audit texts: empty, repeated, contradictory, leaking, rare; `fit` also finds labels that look wrong."""
    return account_of("text classification", prepare_texts(splits), splits)
