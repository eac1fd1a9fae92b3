import numpy as np
import pytest

from handful.augment.policy import Policy
from handful.augment.views import views_of
from handful.core.rng import stream
from handful.data.splits import repeated_folds
from handful.evaluate.calibration import fit_temperature
from handful.evaluate.metric import ACCURACY, BALANCED_ACCURACY
from handful.evaluate.metric_names import cost_metric
from handful.recipe import curve as room
from handful.recipe.curve import fitted, learning_points
from handful.recipe.recipe import Recipe
from handful.recipe.trial import Trial
from handful.transfer.probe import Probe, ProbeRows, predicted_scores

N = 120
TARGETS = np.arange(N) % 3
FLIPS = Policy.parse("flips")
UNITS = np.arange(N) // 6 * 3 + TARGETS  # pairs of the same class
VIEWS = views_of(FLIPS)


@pytest.fixture(scope="module")
def problem(tiny_backbone, problem_with):
    rng = np.random.default_rng(0)
    features = rng.random((3, 1, 51))[TARGETS] + 1.5 * rng.random((N, 2, 51))
    return problem_with(features, TARGETS, tiny_backbone, VIEWS, UNITS)


@pytest.fixture
def points(problem, folds_from):
    """The trial of a probe, and what its learning curve goes through."""

    def make(probe, metric=ACCURACY):
        folds = folds_from(repeated_folds(problem.targets, problem.units, 5, 2, stream(0, "folds")))
        recipe, scores = Recipe("tiny", probe, FLIPS).out_of_fold(problem, folds.many)
        trial, rows = Trial(recipe, 0.0, scores, scores, 0.0), recipe.adapt.rows(problem, problem.backbone, FLIPS)
        return trial, learning_points(problem, trial, rows, folds, metric, stream(0, "subsets"))

    return make


def test_the_last_point_is_the_cross_validation_itself(points):
    trial, (sizes, errors) = points(Probe(("grid",), 1.0, (0, 1)))
    assert sizes[-1] == 32  # four fifths of forty a class
    np.testing.assert_allclose(errors[-1], 1 - trial.contributions(ACCURACY, TARGETS).mean(axis=1), atol=1e-12)
    assert sizes.tolist() == sorted(set(sizes.tolist()))
    assert len(sizes) == len(errors) >= 4


@pytest.mark.parametrize("probe", [Probe(("grid",), 1.0), Probe(("grid",), 0.5, (0, 1), (0, 1), "ridge", "balanced")])
def test_each_point_is_the_recipe_refitted_on_a_subset_and_tested_on_the_rest(problem, points, probe, monkeypatch):
    drawn = []
    monkeypatch.setattr(room, "_subset", lambda *given, draw=room._subset: drawn.append(draw(*given)) or drawn[-1])
    trial, (_, errors) = points(probe)
    assert len(drawn) == room.N_SUBSETS * len(room.SHARES)
    features = problem.examples.features(problem.backbone, VIEWS)
    for kept, error in zip(drawn, np.concatenate(errors[:-1]), strict=True):
        rest = np.flatnonzero(~np.isin(UNITS, UNITS[kept]))
        assert not set(UNITS[kept]) & set(UNITS[rest])
        assert set(TARGETS[kept]) == set(TARGETS[rest]) == {0, 1, 2}
        settled = trial.recipe.adapt
        alone = ProbeRows(settled, features[kept], problem.backbone, TARGETS[kept], 3, UNITS[kept])
        scores = predicted_scores(settled, alone.fit(settled.penalty), features[rest], problem.backbone)
        assert error == pytest.approx(np.mean(scores.argmax(axis=1) != TARGETS[rest]))


def test_errors_are_shares_and_fall_with_more_labels(points):
    for metric in (ACCURACY, BALANCED_ACCURACY):
        _, (_, errors) = points(Probe(("grid",), 1.0, (0, 1)), metric)
        assert all(0 <= error <= 1 + 1e-12 for point in errors for error in point)
        assert errors[-1].mean() < errors[0].mean()


def test_the_points_do_not_depend_on_who_was_asked_before(points):
    first, second = (points(Probe(("grid",), 1.0))[1] for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(np.concatenate(first[1]), np.concatenate(second[1]))


def test_two_sizes_make_no_law():
    errors = [np.array([0.4, 0.5]), np.array([0.3, 0.35])]
    assert fitted(np.array([2, 5]), errors, 20, np.random.default_rng(0)) is None


def test_a_power_law_is_found_again():
    sizes = np.array([2, 4, 8, 16, 32])
    errors = [0.1 + 0.6 * n**-0.7 + np.array([-0.002, 0.002]) for n in sizes]
    curve = fitted(sizes, errors, 200, np.random.default_rng(0))
    np.testing.assert_allclose(curve.law, [0.1, 0.6, 0.7], atol=0.05)


def test_a_metric_that_reads_probabilities_gets_calibrated_ones(problem, points, monkeypatch):
    drawn = []
    monkeypatch.setattr(room, "_subset", lambda *given, draw=room._subset: drawn.append(draw(*given)) or drawn[-1])
    metric = cost_metric([[0, 1, 1], [1, 0, 1], [9, 9, 0]], "abc").of_answers  # hardly ever anything but the last
    trial, (_, errors) = points(Probe(("grid",), 1.0), metric)
    temperature = fit_temperature(trial.scores[0], TARGETS)
    features, moved = problem.examples.features(problem.backbone, VIEWS), 0
    for kept, error in zip(drawn, np.concatenate(errors[:-1]), strict=True):
        rest, settled = np.flatnonzero(~np.isin(UNITS, UNITS[kept])), trial.recipe.adapt
        alone = ProbeRows(settled, features[kept], problem.backbone, TARGETS[kept], 3, UNITS[kept])
        scores = predicted_scores(settled, alone.fit(settled.penalty), features[rest], problem.backbone)
        answers = metric.decide(temperature.apply(scores))
        assert error == pytest.approx(np.mean(answers != TARGETS[rest]))
        assert (scores.argmax(axis=1) == 2).sum() <= (answers == 2).sum()
        moved += int((answers != scores.argmax(axis=1)).sum())
    assert moved
