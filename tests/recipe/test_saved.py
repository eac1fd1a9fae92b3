import json

import pytest

from handful.augment.policy import Policy
from handful.core.errors import ModelError
from handful.recipe.ensemble import Ensemble
from handful.recipe.recipe import Recipe
from handful.recipe.saved import TECHNIQUES, recipe_of
from handful.transfer.distillation import Distillation
from handful.transfer.fine_tuning import FineTuning
from handful.transfer.fix_match import FixMatch
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
    Recipe("net@160", FixMatch(TUNED, "standard", threshold=0.8, pool_share=2), Policy.parse("light")),
]
ENSEMBLES = [Ensemble((SINGLES[1], SINGLES[5]), (0.25, 1.5)), Ensemble(tuple(SINGLES[:3]))]
DISTILLED = [
    Recipe("net@160", Distillation(teacher, TUNED, temperature=2.0, scale=scale), Policy.parse("light"))
    for teacher, scale in ((ENSEMBLES[0], 0.7), (SINGLES[5], None))
]
RECIPES = [*SINGLES, *ENSEMBLES, *DISTILLED]
NAMES = {each.__name__: each for each in (Recipe, Ensemble, Probe, FineTuning, FixMatch, Distillation, Policy)}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: type(recipe).__name__)
def test_a_recipe_saves_as_json_and_comes_back_equal(recipe):
    saved = json.loads(json.dumps(recipe.to_json()))
    assert recipe_of(saved) == recipe
    assert eval(repr(recipe), dict(NAMES)) == recipe  # noqa: S307 - what prints can be pasted


PROBE = SINGLES[0].to_json()["adapt"]
TUNING = SINGLES[5].to_json()["adapt"]
TAUGHT = DISTILLED[0].to_json()["adapt"]


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
        single({**TAUGHT, "teacher": [single(PROBE)]}),
        single({**TAUGHT, "teacher": None}),
        single({**TAUGHT, "student": {}}),
        single({**TAUGHT, "patience": 1}),
    ],
    ids=[
        "null", "empty", "no adapt", "null adapt", "incomplete", "unknown", "no backbone", "no policy", "no start",
        "null start", "start with unknown", "empty member", "no weights", "list as teacher", "no teacher", "no student",
        "unknown beside a teacher",
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


@pytest.mark.parametrize(
    "broken",
    [
        {"members": [single(PROBE)], "weights": ["heavy"]},
        {"members": [single(PROBE)], "weights": [None]},
        single({**PROBE, "technique": ["probe"]}),
        single({**TUNING, "n_blocks": "many"}),
        single({**TAUGHT, "student": [TUNING]}),
        single({**TAUGHT, "temperature": "warm"}),
    ],
    ids=["weights", "no weight", "technique", "blocks", "student", "temperature"],
)
def test_a_setting_of_the_wrong_kind_is_refused(broken):
    with pytest.raises(ModelError, match=r"a recipe has a setting of the wrong kind \(.*fit the model again"):
        recipe_of(broken)


def test_teachers_of_teachers_are_refused_however_many_there_are():
    saved = single(PROBE)
    for _ in range(1000):
        saved = single({**TAUGHT, "teacher": {"members": [saved], "weights": [1]}})
    with pytest.raises(ModelError, match="a recipe has a teacher that was distilled itself; fit the model again"):
        recipe_of(saved)


def test_every_technique_is_known_by_its_own_name():
    assert all(kind.technique == name for name, kind in TECHNIQUES.items())
    assert {each.adapt.technique for each in (*SINGLES, *DISTILLED)} <= TECHNIQUES.keys()
