"""Recipes that were saved, and the names of the techniques in them."""

from __future__ import annotations

from typing import Any

from handful.augment.policy import Policy
from handful.core.errors import HandfulError, ModelError, UsageError
from handful.recipe.ensemble import Ensemble
from handful.recipe.recipe import Recipe
from handful.recipe.unlabelled import Unlabelled
from handful.transfer.contrastive import Contrastive
from handful.transfer.distillation import Distillation
from handful.transfer.fine_tuning import FineTuning
from handful.transfer.fix_match import FixMatch
from handful.transfer.probe import Probe
from handful.transfer.technique import Technique
from handful.transfer.text_tuning import TextTuning
from handful.transfer.tfidf import Tfidf

REMEDY = "fit the model again"
TECHNIQUES: dict[str, type[Technique]] = {
    each.technique: each
    for each in (Probe, FineTuning, FixMatch, Contrastive, TextTuning, Tfidf, Unlabelled, Distillation)
}


def recipe_of(saved: Any) -> Recipe | Ensemble:
    """The recipe that `to_json` described.

    Raises:
        ModelError: when settings are missing, unknown or of the wrong kind.
    """
    try:
        return _read(saved)
    except HandfulError:
        raise
    except (AttributeError, TypeError, ValueError) as wrong:
        raise ModelError(f"a recipe has a setting of the wrong kind ({wrong})", remedy=REMEDY) from wrong


def _read(saved: Any, teaches: bool = False) -> Recipe | Ensemble:
    if isinstance(saved, dict) and isinstance(saved.get("members"), list) and isinstance(saved.get("weights"), list):
        members = tuple(_single(member, teaches) for member in saved["members"])
        return Ensemble(members, tuple(map(float, saved["weights"])))
    return _single(saved, teaches)


def _single(saved: Any, teaches: bool) -> Recipe:
    parts = ("backbone", "adapt", "augment")
    backbone, adapt, augment = (saved.get(name) if isinstance(saved, dict) else None for name in parts)
    if not (isinstance(backbone, str) and isinstance(augment, str) and isinstance(adapt, dict)):
        raise ModelError("a recipe is incomplete or has unknown settings", remedy=REMEDY)
    if adapt.get("technique") not in TECHNIQUES:
        raise ModelError(f"a recipe has an unknown technique ({adapt.get('technique')})", remedy=REMEDY)
    if adapt["technique"] == Distillation.technique:
        if teaches:  # nobody's teacher was taught: so nothing is read deeper than this
            raise ModelError("a recipe has a teacher that was distilled itself", remedy=REMEDY)
        adapt = {**adapt, "teacher": _read(adapt.get("teacher"), teaches=True)}
    try:
        return Recipe(backbone, TECHNIQUES[adapt["technique"]].from_json(adapt), Policy.parse(augment))
    except UsageError as unknown:
        raise ModelError(f"a recipe has a wrong setting ({unknown.what})", remedy=REMEDY) from unknown
