import json

import pytest

from handful.augment.policy import Policy
from handful.core.errors import ModelError
from handful.recipe.ensemble import Ensemble
from handful.recipe.recipe import Recipe
from handful.recipe.saved import TECHNIQUES, recipe_of
from handful.transfer.fine_tuning import FineTuning
from handful.transfer.probe import Probe

TUNED = FineTuning(Probe(("a", "b"), 0.5, (0, 1), (0, 1)), n_blocks=2, learning_rate=3e-4)
SINGLES = [
    Recipe("efficientnet-lite0", Probe(("head.mean",), 1.0, penalty=0.1)),
    Recipe("efficientnet-lite0", Probe(("a", "b", "c"), 0.5, (0, 1, 4), (0, 1), "ridge", "balanced", 1e-4)),
    Recipe("models/ein Ordner/ß", Probe(("a",), 0.5, head="logistic")),
    Recipe("net", Probe(("a",), 0.5, (0, 1, 2)), Policy.parse("rotate=-10..25@0.5,flip_h=0.5,border=constant")),
    Recipe("net", Probe(("a",), 0.5, (0, 1, 2)), Policy.parse("light").without("flip_h")),
    Recipe("net@160", TUNED, Policy.parse("light")),
    Recipe("net", FineTuning(Probe(("a",)), n_blocks="all")),
]
RECIPES = [*SINGLES, Ensemble((SINGLES[1], SINGLES[5]), (0.25, 1.5)), Ensemble(tuple(SINGLES[:3]))]
NAMES = {each.__name__: each for each in (Recipe, Ensemble, Probe, FineTuning, Policy)}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: type(recipe).__name__)
def test_a_recipe_saves_as_json_and_comes_back_equal(recipe):
    saved = json.loads(json.dumps(recipe.to_json()))
    assert recipe_of(saved) == recipe
    assert eval(repr(recipe), dict(NAMES)) == recipe  # noqa: S307 - what prints can be pasted


PROBE = SINGLES[0].to_json()["adapt"]
TUNING = SINGLES[5].to_json()["adapt"]


def single(adapt):
    return {"backbone": "b", "augment": "none", "adapt": adapt}


@pytest.mark.parametrize(
    "broken",
    [
        None,
        {},
        {"backbone": "b"},
        single(None),
        single({"technique": "probe", "layers": ["a"]}),
        single({**PROBE, "dropout": 0.5}),
        {"augment": "none", "adapt": PROBE},
        {"backbone": "b", "adapt": PROBE},
        single({**TUNING, "start": {}}),
        single({**TUNING, "start": None}),
        single({**TUNING, "start": {**TUNING["start"], "dropout": 0.5}}),
        {"members": [single(PROBE), {}], "weights": [1, 1]},
        {"members": [single(PROBE)]},
    ],
    ids=[
        "null", "empty", "no adapt", "null adapt", "incomplete", "unknown", "no backbone", "no policy", "no start",
        "null start", "start with unknown", "empty member", "no weights",
    ],
)  # fmt: skip
def test_a_recipe_with_missing_or_unknown_settings_is_refused(broken):
    with pytest.raises(ModelError, match="a recipe is incomplete or has unknown settings; fit the model again"):
        recipe_of(broken)


def test_a_policy_that_this_version_does_not_know_is_refused():
    with pytest.raises(ModelError, match=r"a recipe has a wrong setting \(no operation is called 'melt'.*fit"):
        recipe_of({**SINGLES[0].to_json(), "augment": "melt=0.5"})


def test_a_technique_that_this_version_does_not_know_is_refused():
    with pytest.raises(ModelError, match=r"a recipe has an unknown technique \(telepathy\); fit the model again"):
        recipe_of(single({**PROBE, "technique": "telepathy"}))


def test_a_setting_that_makes_no_sense_is_refused():
    with pytest.raises(ModelError, match=r"a recipe has a wrong setting \(n_blocks=99 is not 0 to 16"):
        recipe_of(single({**TUNING, "n_blocks": 99}))


def test_every_technique_is_known_by_its_own_name():
    assert all(kind.technique == name for name, kind in TECHNIQUES.items())
    assert {each.adapt.technique for each in SINGLES} <= TECHNIQUES.keys()
