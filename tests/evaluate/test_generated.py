"""Distances between real and generated features: against slow references, limits and what they are meant to tell."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from handful.core.errors import DataError
from handful.evaluate.generated import frechet_distance, kernel_distance, nearer_to_training, precision_recall
from handful.evaluate.intervals import wilson


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_the_kernel_distance_is_the_sum_over_pairs(rng):
    x, y = rng.normal(size=(7, 3)), rng.normal(0.5, 1, (7, 3))

    def k(a, b):
        return (a @ b / 3 + 1) ** 3

    pairs = [(i, j) for i in range(7) for j in range(7) if i != j]
    slow = np.mean([k(x[i], x[j]) + k(y[i], y[j]) - k(x[i], y[j]) - k(x[j], y[i]) for i, j in pairs])
    assert kernel_distance(x, y).value == pytest.approx(slow)


def test_the_kernel_distance_of_one_kind_is_nothing_on_average_and_its_interval_holds_the_truth(rng):
    found = [kernel_distance(*rng.normal(size=(2, 40, 4))) for _ in range(100)]
    assert abs(np.mean([each.value for each in found])) < 0.05  # the biased one would be near 0.5
    apart = [kernel_distance(rng.normal(size=(60, 4)), rng.normal(1, 1, (60, 4))) for _ in range(100)]
    truth = np.mean([each.value for each in apart])
    assert np.mean([each.low <= truth <= each.high for each in apart]) > 0.88


def test_the_frechet_distance_is_that_of_normal_distributions(rng):
    x, y = rng.normal(size=(50, 4)), rng.normal(0.5, 2, (50, 4))
    a, b = np.cov(x.T), np.cov(y.T)
    slow = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(a + b - 2 * sqrtm(a @ b).real)
    assert frechet_distance(x, y).value == pytest.approx(slow)
    assert frechet_distance(x, x).value == pytest.approx(0, abs=1e-9)
    wide = rng.normal(size=(5, 40))  # fewer rows than columns
    assert frechet_distance(wide, wide + 1).value == pytest.approx(40)


def test_the_interval_of_the_frechet_distance_holds_what_samples_of_this_size_have_on_average(rng):
    found = [frechet_distance(rng.normal(size=(60, 3)), rng.normal(1, 1, (60, 3))) for _ in range(100)]
    expected = np.mean([each.value for each in found])
    assert np.mean([each.low <= expected <= each.high for each in found]) > 0.88
    assert all(each.low >= 0 for each in found)
    assert np.mean([each.high - each.low for each in found]) < expected  # it says something


def test_precision_falls_with_what_is_not_real_and_recall_with_what_is_missing(rng):
    two = np.concatenate([rng.normal(0, 1, (100, 2)), rng.normal(20, 1, (100, 2))])
    one = rng.normal(0, 1, (200, 2))
    found = precision_recall(two, one)
    assert found.precision.value > 0.8
    assert found.recall.value < 0.55
    assert precision_recall(one, two).precision.value < 0.55


def test_the_interval_of_a_share_is_never_narrower_than_that_of_as_many_throws(rng):
    found = precision_recall(rng.normal(size=(40, 3)), rng.normal(9, 1, (40, 3)))
    assert (found.precision.value, found.precision.low) == (0, 0)
    assert found.precision.high >= wilson(0, 40).high
    assert found.precision.n == 40


def test_copies_of_training_examples_are_told_from_new_ones(rng):
    training, held_out, new = (rng.normal(size=(n, 5)) for n in (120, 60, 200))
    honest = nearer_to_training(new, training, held_out, rng)
    assert honest.low < 0.5 < honest.high  # whatever the numbers of both
    copied = training[rng.integers(120, size=200)] + 0.01 * rng.normal(size=(200, 5))
    assert nearer_to_training(copied, training, held_out, rng).value == 1
    half = np.concatenate([copied[:100], new[:100]])
    found = nearer_to_training(half, training, held_out, rng)
    assert found.low > 0.5
    assert found.n == 200


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        (((5, 3), (5, 4)), "3 and 4 columns"),
        (((5, 3), (6, 3)), "5 real and 6 generated"),
        (((1, 3), (1, 3)), "2 or more"),
        (((5,), (5,)), "expected \\(n, d\\)"),
    ],
)
def test_features_that_cannot_be_compared_are_refused(shapes, said):
    with pytest.raises(DataError, match=said):
        kernel_distance(*map(np.ones, shapes))
    with pytest.raises(DataError, match="finite"):
        frechet_distance(np.full((4, 2), np.nan), np.ones((4, 2)))


def test_too_few_for_their_neighbours_are_refused():
    with pytest.raises(DataError, match=r"4 of each, expected more than k \+ 1 = 4"):
        precision_recall(np.ones((4, 2)), np.ones((4, 2)))
    with pytest.raises(DataError, match="2 of each, expected 3 or more"):
        frechet_distance(np.ones((2, 2)), np.ones((2, 2)))
