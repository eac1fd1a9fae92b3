"""Recipes that were saved, and the names of the techniques in them."""

from __future__ import annotations

from typing import Any

from handful.augment.policy import Policy
from handful.core.errors import ModelError, UsageError
from handful.recipe.ensemble import Ensemble
from handful.recipe.recipe import Recipe
from handful.transfer.contrastive import Contrastive
from handful.transfer.fine_tuning import FineTuning
from handful.transfer.probe import Probe
from handful.transfer.technique import Technique
from handful.transfer.text_tuning import TextTuning
from handful.transfer.tfidf import Tfidf

REMEDY = "fit the model again"
TECHNIQUES: dict[str, type[Technique]] = {
    each.technique: each for each in (Probe, FineTuning, Contrastive, TextTuning, Tfidf)
}


def recipe_of(saved: Any) -> Recipe | Ensemble:
    """The recipe that `to_json` described.

    Raises:
        ModelError: when settings are missing or unknown.
    """
    if isinstance(saved, dict) and isinstance(saved.get("members"), list) and isinstance(saved.get("weights"), list):
        return Ensemble(tuple(_single(member) for member in saved["members"]), tuple(map(float, saved["weights"])))
    return _single(saved)


def _single(saved: Any) -> Recipe:
    parts = ("backbone", "adapt", "augment")
    backbone, adapt, augment = (saved.get(name) if isinstance(saved, dict) else None for name in parts)
    if not (isinstance(backbone, str) and isinstance(augment, str) and isinstance(adapt, dict)):
        raise ModelError("a recipe is incomplete or has unknown settings", remedy=REMEDY)
    if adapt.get("technique") not in TECHNIQUES:
        raise ModelError(f"a recipe has an unknown technique ({adapt.get('technique')})", remedy=REMEDY)
    try:
        return Recipe(backbone, TECHNIQUES[adapt["technique"]].from_json(adapt), Policy.parse(augment))
    except UsageError as unknown:
        raise ModelError(f"a recipe has a wrong setting ({unknown.what})", remedy=REMEDY) from unknown
