"""From a handful of labelled examples to a small model you can trust.

Importing handful loads none of its rooms; each name below brings its own when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handful.augment.policy import Policy
    from handful.augment.scene import Scene, augmented
    from handful.bundle.model import Model, Predictions, load
    from handful.core.errors import HandfulError
    from handful.data.dataset import Dataset
    from handful.recipe.recipe import Recipe
    from handful.tasks.image_classification import ImageClassifier, fit
    from handful.tasks.text_classification import TextClassifier
    from handful.transfer.linear_probe import LinearProbe

_WHERE = {
    "Dataset": "handful.data.dataset",
    "HandfulError": "handful.core.errors",
    "ImageClassifier": "handful.tasks.image_classification",
    "LinearProbe": "handful.transfer.linear_probe",
    "Model": "handful.bundle.model",
    "Policy": "handful.augment.policy",
    "Predictions": "handful.bundle.model",
    "Recipe": "handful.recipe.recipe",
    "Scene": "handful.augment.scene",
    "TextClassifier": "handful.tasks.text_classification",
    "augmented": "handful.augment.scene",
    "fit": "handful.tasks.image_classification",
    "load": "handful.bundle.model",
}

__all__ = [
    "Dataset",
    "HandfulError",
    "ImageClassifier",
    "LinearProbe",
    "Model",
    "Policy",
    "Predictions",
    "Recipe",
    "Scene",
    "TextClassifier",
    "augmented",
    "fit",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'handful' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)
