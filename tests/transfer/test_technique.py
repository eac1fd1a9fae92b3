"""What every technique promises, whatever it does."""

import json
from dataclasses import replace

import numpy as np
import pytest

from handful.augment.policy import Policy
from handful.core.budget import Budget, TimeIsUp
from handful.core.errors import ModelError
from handful.evaluate.arrays import softmax
from handful.nn import embedded
from handful.nn.embedded import EfficientNetLite0Backbone
from handful.nn.features import frozen_features
from handful.nn.onnx_runtime import open_session
from handful.recipe.recipe import Recipe
from handful.recipe.saved import recipe_of
from handful.transfer.fine_tuning import FineTuning
from handful.transfer.fix_match import FixMatch
from handful.transfer.probe import DEFAULT_PENALTY, Probe
from handful.transfer.technique import Examples, Problem, left_out_in_folds

N, ASKED, SEEN = 12, 64, 32  # pixels that pictures come in, and that the technique is shown
TARGETS = np.arange(N) % 2
FOLDS = (np.arange(N) // 2 % 3)[None]
FLIPS = Policy.parse("flips")
START = Probe(tuple(layer.name for layer in EfficientNetLite0Backbone.layers), views=(0, 1), test_views=(0, 1))
FEW_STEPS = {"n_views": 2, "least_steps": 2, "most_steps": 2, "batch_size": 4}

TECHNIQUES = {
    "probe": replace(START, penalty=0.1),
    "logistic probe": replace(START, penalty=0.1, head="logistic"),
    "fine-tuning": FineTuning(START, 1, **FEW_STEPS),
    "fine-tuning of everything": FineTuning(START, "all", **FEW_STEPS),
    "FixMatch": FixMatch(FineTuning(START, 1, **FEW_STEPS), "rotate=15", n_altered=1),
}


@pytest.fixture(scope="module", autouse=True)
def small_sizes():
    """The embedded network at sizes that take a fiftieth of the work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "SIZES", (SEEN, ASKED, 224))
        yield


@pytest.fixture(scope="module")
def pixels():
    """Grey noise that is a little redder in one class and a little bluer in the other."""
    noise = np.random.default_rng(0).integers(60, 180, (N, ASKED, ASKED, 1)).repeat(3, axis=3)
    return (noise + np.array([[30, 0, -30], [-30, 0, 30]])[TARGETS][:, None, None]).astype(np.uint8)


def problem_of(pixels, targets=TARGETS, seed=0):
    backbones = {each.name: each for each in map(EfficientNetLite0Backbone, (ASKED, SEEN))}
    pool = Examples(np.random.default_rng(1).integers(0, 256, (4, ASKED, ASKED, 3)).astype(np.uint8), frozen_features)
    return Problem(
        Examples(pixels, frozen_features), targets, 2, np.arange(N), backbones, seed, jobs=1, unlabelled=pool
    )


def predicted(technique, problem):
    return technique.out_of_fold(problem, seen_by(problem), FLIPS, FOLDS)[1][0]


def seen_by(problem):
    return problem.backbones[f"efficientnet-lite0@{SEEN}"]


@pytest.fixture(scope="module", params=TECHNIQUES.values(), ids=list(TECHNIQUES))
def technique(request):
    return request.param


@pytest.fixture(scope="module")
def before(technique, pixels):
    return predicted(technique, problem_of(pixels))


@pytest.fixture(scope="module")
def learned(technique, pixels):
    problem = problem_of(pixels)
    return problem, technique.fit(problem, seen_by(problem), FLIPS)


def test_every_example_is_predicted_and_what_can_be_told_apart_is(before, learned):
    assert before.shape == (N, 2)
    assert np.isfinite(before).all()
    assert (before.argmax(axis=1) == TARGETS).mean() > 0.8
    problem, fitted = learned
    assert (fitted.scores(problem.examples).argmax(axis=1) == TARGETS).all()


def test_no_label_of_a_fold_has_a_say_in_its_own_predictions(technique, pixels, before):
    renamed = TARGETS.copy()
    renamed[0] = 1 - renamed[0]
    after = predicted(technique, problem_of(pixels, renamed))
    inside = FOLDS[0] == FOLDS[0, 0]
    np.testing.assert_allclose(after[inside], before[inside], atol=1e-5)
    assert np.abs(after[~inside] - before[~inside]).max() > 1e-3


def test_no_picture_of_a_fold_has_a_say_in_the_predictions_of_the_others_there(technique, pixels, before):
    changed = pixels.copy()
    changed[0] = 255 - changed[0]
    after = predicted(technique, problem_of(changed))
    mates = (FOLDS[0] == FOLDS[0, 0]) & (np.arange(N) > 0)
    close = 1e-5 if technique.is_trained else 1e-3  # the unit of a probe's penalty is the mean length of all rows
    np.testing.assert_allclose(after[mates], before[mates], atol=close)
    assert np.abs(after[FOLDS[0] > 0] - before[FOLDS[0] > 0]).max() > 1e-2
    assert np.abs(after[0] - before[0]).max() > 1e-2


def test_the_same_seed_gives_the_same_bytes_and_what_is_trained_depends_on_it(technique, pixels, before, learned):
    np.testing.assert_array_equal(predicted(technique, problem_of(pixels)), before)
    again = problem_of(pixels)
    refitted = technique.fit(again, seen_by(again), FLIPS)
    assert refitted.graph(again.backbone) == learned[1].graph(again.backbone)
    other = predicted(technique, problem_of(pixels, seed=9))
    assert np.array_equal(other, before) == (not technique.is_trained)


def test_the_graph_takes_pictures_as_they_were_asked_for_and_gives_what_was_measured(learned, pixels):
    problem, fitted = learned
    session = open_session(fitted.graph(problem.backbone))
    scores, seen = session.run(["scores", "embedding"], {"pixels": pixels})
    measured = fitted.scores(problem.examples)  # of features that were rounded to float16
    np.testing.assert_allclose(softmax(scores), softmax(measured), atol=1e-3)
    np.testing.assert_allclose(scores, measured, atol=1e-2 * np.ptp(measured))
    np.testing.assert_allclose(seen, fitted.embedding(problem.examples), atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(seen, axis=1), 1, atol=1e-5)
    assert seen.std(axis=0).max() > 1e-3


def test_new_examples_are_scored_one_by_one(learned):
    problem, fitted = learned
    together = fitted.scores(problem.examples)
    alone = fitted.scores(problem.examples.take(np.array([5])))
    np.testing.assert_allclose(alone[0], together[5], atol=1e-3 * np.ptp(together))


def test_its_tensors_have_names_and_are_finite(learned):
    tensors = learned[1].tensors()
    assert {"head.weight", "head.bias"} <= tensors.keys()
    assert all(np.isfinite(tensor).all() for tensor in tensors.values())


def test_it_saves_as_json_and_comes_back_equal(technique):
    recipe = Recipe("net", technique, FLIPS)
    assert recipe_of(json.loads(json.dumps(recipe.to_json()))) == recipe
    saved = technique.to_json()
    assert type(technique).from_json(saved) == technique
    for broken in (
        {**saved, "magic": 1},
        {name: value for name, value in saved.items() if name != "technique"} | {"x": 1},
    ):
        with pytest.raises(ModelError, match="a recipe is incomplete or has unknown settings"):
            type(technique).from_json(broken)


def test_it_says_what_it_is_and_in_how_large_pictures(technique):
    for words in (technique.describe, technique.brief):
        assert words("net@160", FLIPS) != words("net@160", Policy.parse("light"))
    assert technique.brief("net@160", FLIPS).endswith(", 160 px")
    assert "px" not in technique.brief("net", FLIPS)


# What they work on


def test_features_are_computed_once_for_each_view_and_backbone_and_travel_with_the_examples(pixels):
    asked = []

    def embed(backbone, seen, views):
        asked.append((backbone.name, len(seen), seen.shape[1], [view.name for view in views]))
        return frozen_features(backbone, seen, views)

    examples = Examples(pixels, embed)
    large, small = map(EfficientNetLite0Backbone, (ASKED, SEEN))
    both = TECHNIQUES["probe"].rows(replace(problem_of(pixels), examples=examples), large, FLIPS)
    assert both.rows.shape[0] == 2 * N
    plain = examples.features(large)
    some = examples.take(np.array([7, 2]))
    np.testing.assert_array_equal(some.features(large), plain[[7, 2]])
    assert asked == [(large.name, N, ASKED, ["none, draw 0", "flip_h=1.0, draw 0"])]
    some.features(small)
    assert asked[1:] == [(small.name, 2, SEEN, ["none, draw 0"])]


def test_texts_are_examples_too():
    examples = Examples(
        ["a", "b", "c"], lambda _, texts, views: np.array([[[ord(text)] * len(views)] for text in texts])
    )
    assert len(examples) == 3
    taken = examples.take(np.array([2, 0]))
    assert taken.raw == ["c", "a"]
    assert taken.seen_by(None) == ["c", "a"]


def test_what_is_remembered_is_made_once_and_not_for_another_problem(pixels):
    problem, made = problem_of(pixels), []
    assert [problem.remember("key", lambda: made.append(1) or len(made)) for _ in range(2)] == [1, 1]
    assert problem.remember("other", lambda: 5) == 5
    part = problem.take(np.arange(4))
    assert part.remember("key", lambda: 7) == 7
    assert len(part.targets) == len(part.units) == len(part.examples) == 4


def test_a_penalty_that_is_left_open_is_chosen_before_the_folds(pixels):
    problem = problem_of(pixels)
    settled, scores = START.out_of_fold(problem, seen_by(problem), FLIPS, FOLDS)
    rows = START.rows(problem, seen_by(problem), FLIPS)
    assert settled == replace(START, penalty=rows.best_penalty())
    np.testing.assert_array_equal(scores, rows.out_of_fold(FOLDS, settled.penalty))
    assert START.fit(problem, seen_by(problem), FLIPS).probe.penalty == DEFAULT_PENALTY


def test_trainings_in_folds_stop_where_the_budget_ends(pixels):
    trained = []

    def work(left_out, seed):
        trained.append((left_out.tolist(), seed))
        return np.zeros((len(left_out), 2))

    late = replace(problem_of(pixels), budget=Budget(seconds=1e-9))
    with pytest.raises(TimeIsUp):
        left_out_in_folds(late, FOLDS, work, (), "training")
    assert trained == []
    in_time = replace(late, budget=Budget(seconds=3600))
    assert left_out_in_folds(in_time, FOLDS, work, (), "training").shape == (1, N, 2)
    assert trained == [(np.flatnonzero(FOLDS[0] == number).tolist(), in_time.seed + number) for number in range(3)]
