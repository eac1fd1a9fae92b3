"""What is wrong with a data set of texts, without making a model of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from handful.data.readers import Splits
from handful.tasks.texts import prepare_texts


def check_texts(splits: Splits) -> dict[str, Any]:
    """Audit texts: empty, repeated, contradictory, leaking, rare; `fit` also finds labels that look wrong."""
    data = prepare_texts(splits)
    classes = data.train.data.classes
    return {
        "task": "text classification",
        "n": len(data.train.data),
        "classes": list(classes),
        "counts": dict(zip(classes, data.train.counts, strict=True)),
        "n_test": len(data.test.data) if data.test else 0,
        "n_unlabelled": len(splits.unlabelled) if splits.unlabelled is not None else 0,
        "n_unreadable": data.n_unreadable,
        "leaked": data.n_leaked,
        "findings": [asdict(finding) for finding in data.audit.findings],
        "notes": list(data.notes),
    }
