from dataclasses import replace

import numpy as np
import pytest

from handful.augment.policy import Policy
from handful.augment.views import views_of
from handful.evaluate.arrays import softmax
from handful.evaluate.calibration import fit_temperature
from handful.nn.features import frozen_features
from handful.nn.onnx_runtime import open_session
from handful.recipe.ensemble import Ensemble
from handful.recipe.folds import folds_of
from handful.recipe.recipe import Recipe
from handful.transfer.fine_tuning import FineTuning
from handful.transfer.probe import Probe
from handful.transfer.technique import Examples, Problem

N = 30
TARGETS = np.arange(N) % 3
FLIPS = Policy.parse("flips")
WHOLE = Recipe("tiny", Probe(("whole",), 1.0, penalty=0.1))
GRID = Recipe("tiny", Probe(("whole", "grid"), 0.5, (0, 1), (0, 1), penalty=0.1), FLIPS)
PAIR = Ensemble((WHOLE, GRID))


@pytest.fixture(scope="module")
def pixels():
    """Noise, redder, greener or bluer."""
    rng = np.random.default_rng(0)
    return (rng.integers(0, 200, (N, 32, 32, 3)) + 50 * np.eye(3, dtype=int)[TARGETS][:, None, None]).astype(np.uint8)


@pytest.fixture(scope="module")
def problem(tiny_backbone, pixels):
    return Problem(Examples(pixels, frozen_features), TARGETS, 3, np.arange(N), {"tiny": tiny_backbone}, jobs=1)


@pytest.fixture(scope="module")
def folds():
    return folds_of(TARGETS, np.arange(N), 0).many[:3]


def test_members_vote_with_their_calibrated_scores(problem, folds):
    """The pool is the geometric mean of what each member says after its own temperature."""
    settled, scores = PAIR.out_of_fold(problem, folds)
    product = np.ones((N, 3))
    for member in (WHOLE, GRID):
        alone = member.out_of_fold(problem, folds)[1]
        calibrated = fit_temperature(alone[0], TARGETS, with_bias=False).apply(alone[1])
        product *= calibrated**0.5
    expected = product / product.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax(scores[1]), expected, atol=1e-9)
    assert settled.members == (WHOLE, GRID)
    assert len(set(settled.weights)) == 2


def test_a_recipe_twice_is_that_recipe_calibrated(problem, folds):
    alone = WHOLE.out_of_fold(problem, folds)[1]
    _, scores = Ensemble((WHOLE, WHOLE)).out_of_fold(problem, folds)
    np.testing.assert_allclose(scores, fit_temperature(alone[0], TARGETS, with_bias=False).scale * alone)


def test_members_of_one_technique_share_what_another_has_alone():
    """Whatever their scale: each member first gets its own temperature."""
    tuned = Recipe("tiny", FineTuning(WHOLE.adapt))
    scores = np.random.default_rng(0).normal(size=(2, N, 3)) + 2 * np.eye(3)[TARGETS]
    settled = Ensemble((WHOLE, GRID, tuned)).weighted([scores, 10 * scores, 0.1 * scores], TARGETS)
    shares = np.array(settled.weights) * [1, 10, 0.1]
    np.testing.assert_allclose(shares / shares.sum(), [0.25, 0.25, 0.5], rtol=1e-3)
    assert shares.sum() == pytest.approx(fit_temperature(scores[0], TARGETS, with_bias=False).scale, rel=1e-3)


def test_of_members_with_fewer_repeats_there_are_fewer(problem, folds):
    few = replace(WHOLE, adapt=replace(WHOLE.adapt, head="logistic"))  # a fit for each fold: two repeats
    _, scores = Ensemble((GRID, few)).out_of_fold(problem, folds)
    assert scores.shape == (2, N, 3)


def test_before_it_was_tried_every_member_counts_the_same(problem):
    found = PAIR.fit(problem)
    np.testing.assert_allclose(
        found.scores(problem.examples), (_scores(WHOLE, problem) + _scores(GRID, problem)) / 2, atol=1e-12
    )


def _scores(recipe, problem):
    return recipe.fit(problem).scores(problem.examples)


def test_the_graph_is_what_was_measured_and_holds_the_backbone_once(problem, folds, pixels, tiny_backbone):
    settled, _ = PAIR.out_of_fold(problem, folds)
    found = settled.fit(problem)
    graph = found.graph(tiny_backbone)
    scores, seen = open_session(graph).run(["scores", "embedding"], {"pixels": pixels})
    measured = found.scores(problem.examples)  # of features that were rounded to float16
    np.testing.assert_allclose(softmax(scores), softmax(measured), atol=1e-3)
    np.testing.assert_allclose(seen, found.embedding(problem.examples), atol=1e-3)
    alone = [settled.members[at].fit(problem).scores(problem.examples) for at in (0, 1)]
    np.testing.assert_allclose(measured, np.tensordot(settled.weights, alone, 1), atol=1e-12)
    assert graph.count(b"GlobalAveragePool") == 2  # of the picture, and of it beside its mirror image
    twice = Ensemble((WHOLE, WHOLE)).fit(problem).graph(tiny_backbone)
    assert twice.count(b"GlobalAveragePool") == 1


def test_tensors_say_whose_they_are(problem):
    tensors = PAIR.fit(problem).tensors()
    assert tensors.keys() == {f"member{at}.head.{part}" for at in (0, 1) for part in ("weight", "bias")}
    np.testing.assert_array_equal(tensors["member1.head.bias"], GRID.fit(problem).tensors()["head.bias"])
    assert tensors["member0.head.weight"].shape == (3, 3)


def test_it_is_trained_where_a_member_is(monkeypatch):
    assert not PAIR.is_trained
    monkeypatch.setattr(Probe, "is_trained", property(lambda probe: probe.power == 0.5))
    assert PAIR.is_trained
    assert not Ensemble((WHOLE, WHOLE)).is_trained


def test_it_names_its_members():
    assert PAIR.describe() == f"the mean of 2 models: {WHOLE.describe()}; {GRID.describe()}"
    assert PAIR.brief() == f"{WHOLE.brief()} + {GRID.brief()}"
    assert len(views_of(FLIPS)) == 2  # so that the graph above is mirrored


def test_what_differs_in_the_size_of_the_pictures_alone_is_said_once():
    sizes = [replace(WHOLE, backbone=name) for name in ("net", "net@160", "net@128")]
    alone = replace(GRID, backbone="net@128")
    said = Ensemble((*sizes, alone)).describe()
    assert said == f"the mean of 4 models: {sizes[0].describe()} (on pictures of 3 sizes); {alone.describe()}"
