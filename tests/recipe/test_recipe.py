import json
from dataclasses import replace

import pytest

from handful.augment.policy import Policy
from handful.core.errors import ModelError
from handful.recipe.recipe import Recipe
from handful.transfer.probe import Probe

RECIPES = [
    Recipe("efficientnet-lite0", Probe(("head.mean",), 1.0, penalty=0.1)),
    Recipe("efficientnet-lite0", Probe(("a", "b", "c"), 0.5, (0, 1, 4), (0, 1), "ridge", "balanced", 1e-4)),
    Recipe("models/ein Ordner/ß", Probe(("a",), 0.5, head="logistic")),
    Recipe("net", Probe(("a",), 0.5, (0, 1, 2)), Policy.parse("rotate=-10..25@0.5,flip_h=0.5,border=constant")),
    Recipe("net", Probe(("a",), 0.5, (0, 1, 2)), Policy.parse("light").without("flip_h")),
]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.adapt.head)
def test_a_recipe_saves_as_json_and_comes_back_equal(recipe):
    saved = json.loads(json.dumps(recipe.to_json()))
    assert Recipe.from_json(saved) == recipe
    assert eval(repr(recipe), {"Recipe": Recipe, "Probe": Probe, "Policy": Policy}) == recipe  # noqa: S307 - what prints can be pasted


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"backbone": "b"},
        {"backbone": "b", "adapt": None},
        {"backbone": "b", "adapt": {"layers": ["a"]}},
        {"backbone": "b", "adapt": {**RECIPES[0].to_json()["adapt"], "dropout": 0.5}},
        {"adapt": RECIPES[0].to_json()["adapt"]},
        {"backbone": "b", "adapt": RECIPES[0].to_json()["adapt"]},
    ],
    ids=["empty", "no adapt", "null", "incomplete", "unknown", "no backbone", "no policy"],
)
def test_a_recipe_with_missing_or_unknown_settings_is_refused(broken):
    with pytest.raises(ModelError, match="a recipe is incomplete or has unknown settings; fit the model again"):
        Recipe.from_json(broken)


def test_a_policy_that_this_version_does_not_know_is_refused():
    with pytest.raises(ModelError, match=r"a recipe has an unknown policy \(no operation is called 'melt'"):
        Recipe.from_json({**RECIPES[0].to_json(), "augment": "melt=0.5"})


def test_the_description_names_every_setting_that_differs_from_the_plainest():
    plain = Recipe("net", Probe(("a",), 1.0))
    assert plain.describe() == "exact ridge on the last layer of net; one view of each example"
    words = {
        "2 pooled layers": replace(plain.adapt, layers=("a", "b")),
        "to the power 0.5": replace(plain.adapt, power=0.5),
        "3 views": replace(plain.adapt, views=(0, 1, 2)),
        "mirrored": replace(plain.adapt, test_views=(0, 1)),
        "logistic regression": replace(plain.adapt, head="logistic"),
        "weighted equally": replace(plain.adapt, class_weights="balanced"),
    }
    for word, probe in words.items():
        assert word in Recipe("net", probe).describe()
        assert word not in plain.describe()
