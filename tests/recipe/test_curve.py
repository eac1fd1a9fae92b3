import numpy as np
import pytest

from handful.augment.policy import Policy
from handful.augment.views import views_of
from handful.core.rng import stream
from handful.data.splits import repeated_folds
from handful.recipe import curve as room
from handful.recipe.candidates import Candidate
from handful.recipe.curve import fitted, learning_points
from handful.recipe.recipe import Recipe
from handful.recipe.selection import Problem, try_recipe
from handful.transfer.probe import Probe, ProbeRows, predicted_scores

N = 120
TARGETS = np.arange(N) % 3
FLIPS = Policy.parse("flips")
UNITS = np.arange(N) // 6 * 3 + TARGETS  # pairs of the same class


@pytest.fixture(scope="module")
def problem(tiny_backbone):
    rng = np.random.default_rng(0)
    features = rng.random((3, 1, 51))[TARGETS] + 1.5 * rng.random((N, 2, 51))
    return Problem(features.astype(np.float16), TARGETS, 3, UNITS, tiny_backbone, views_of(FLIPS))


def points(problem, probe, metric="accuracy"):
    folds = repeated_folds(problem.targets, problem.units, 5, 2, stream(0, "folds"))
    trial = try_recipe(problem, Candidate(Recipe("tiny", probe, FLIPS), 0.0), folds)
    return trial, learning_points(problem, trial, problem.rows(trial.recipe), folds, metric, stream(0, "subsets"))


def test_the_last_point_is_the_cross_validation_itself(problem):
    trial, (sizes, errors) = points(problem, Probe(("grid",), 1.0, (0, 1)))
    assert sizes[-1] == 32  # four fifths of forty a class
    np.testing.assert_allclose(errors[-1], 1 - trial.correct(TARGETS).mean(axis=1), atol=1e-12)
    assert sizes.tolist() == sorted(set(sizes.tolist()))
    assert len(sizes) == len(errors) >= 4


@pytest.mark.parametrize("probe", [Probe(("grid",), 1.0), Probe(("grid",), 0.5, (0, 1), (0, 1), "ridge", "balanced")])
def test_each_point_is_the_recipe_refitted_on_a_subset_and_tested_on_the_rest(problem, probe, monkeypatch):
    drawn = []
    monkeypatch.setattr(room, "_subset", lambda *given, draw=room._subset: drawn.append(draw(*given)) or drawn[-1])
    trial, (_, errors) = points(problem, probe)
    assert len(drawn) == room.N_SUBSETS * len(room.SHARES)
    for kept, error in zip(drawn, np.concatenate(errors[:-1]), strict=True):
        rest = np.flatnonzero(~np.isin(UNITS, UNITS[kept]))
        assert not set(UNITS[kept]) & set(UNITS[rest])
        assert set(TARGETS[kept]) == set(TARGETS[rest]) == {0, 1, 2}
        alone = ProbeRows(trial.recipe.adapt, problem.features[kept], problem.backbone, TARGETS[kept], 3, UNITS[kept])
        head = alone.fit(trial.penalty)
        scores = predicted_scores(trial.recipe.adapt, head, problem.features[rest], problem.backbone)
        assert error == pytest.approx(np.mean(scores.argmax(axis=1) != TARGETS[rest]))


def test_errors_are_shares_and_fall_with_more_labels(problem):
    for metric in ("accuracy", "balanced_accuracy"):
        _, (_, errors) = points(problem, Probe(("grid",), 1.0, (0, 1)), metric)
        assert all(0 <= error <= 1 + 1e-12 for point in errors for error in point)
        assert errors[-1].mean() < errors[0].mean()


def test_the_points_do_not_depend_on_who_was_asked_before(problem):
    first, second = (points(problem, Probe(("grid",), 1.0))[1] for _ in range(2))
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
