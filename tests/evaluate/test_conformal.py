import numpy as np
import pytest

from handful.core.errors import UsageError
from handful.evaluate import conformal


def draw(rng, n):
    probabilities = rng.dirichlet(np.ones(4) / 2, n)
    return probabilities, (probabilities.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)


@pytest.mark.parametrize(("n", "coverage"), [(9, 0.9), (30, 0.9), (19, 0.95), (99, 0.8)])
def test_sets_cover_as_promised_and_not_much_more(n, coverage):
    rng = np.random.default_rng(0)
    probabilities, targets = draw(rng, 2000)
    covered = []
    for _ in range(800):
        limit = conformal.threshold(conformal.conformal_scores(*draw(rng, n)), coverage)
        covered.append(conformal.prediction_sets(probabilities, limit)[np.arange(2000), targets].mean())
    assert coverage - 0.01 < np.mean(covered) < coverage + 1 / (n + 1) + 0.01


def test_sets_per_class_cover_every_class():
    rng = np.random.default_rng(0)
    probabilities, targets = draw(rng, 4000)
    covered = []
    for _ in range(200):
        limits = conformal.class_thresholds(conformal.scores_by_class(*draw(rng, 200)), 0.8)
        sets = conformal.prediction_sets(probabilities, limits)
        covered.append([sets[targets == k, k].mean() for k in range(4)])
    assert np.mean(covered, axis=0).min() > 0.79


def test_the_threshold_is_the_finite_sample_quantile():
    scores = np.arange(1, 20) / 20
    assert conformal.threshold(scores, 0.95) == scores[-1]  # 20 * 0.95 = 19th
    assert conformal.threshold(scores, 0.9) == scores[17]
    assert conformal.threshold(np.arange(1, 10) / 10, 0.9) == 0.9


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95, 0.975, 0.99])
def test_the_smallest_n_is_accepted_and_one_less_is_not(coverage):
    n = conformal.smallest_n(coverage)
    assert conformal.threshold(np.linspace(0, 1, n), coverage) <= 1
    with pytest.raises(UsageError, match=f"needs {n} calibration examples and there are {n - 1}"):
        conformal.threshold(np.linspace(0, 1, n - 1), coverage)


def test_the_coverage_that_a_refusal_offers_is_accepted():
    for n in range(1, 120):
        scores = np.linspace(0, 1, n)
        with pytest.raises(UsageError) as refusal:
            conformal.threshold(scores, 0.999)
        conformal.threshold(scores, float(str(refusal.value).split("at most ")[1].split(",")[0]))


def test_a_class_with_too_few_examples_is_named():
    scores = [np.linspace(0, 1, 12), np.linspace(0, 1, 4)]
    with pytest.raises(UsageError, match="class 1 has 4"):
        conformal.class_thresholds(scores, 0.9)


def test_impossible_coverages_are_refused():
    for coverage in (0.0, 1.0, 90.0):
        with pytest.raises(UsageError, match="between 0 and 1"):
            conformal.threshold(np.linspace(0, 1, 50), coverage)


def test_the_top_class_is_always_in_and_only_single_sets_answer():
    probabilities = np.array([[0.4, 0.35, 0.25], [0.9, 0.05, 0.05]])
    assert conformal.prediction_sets(probabilities, 0.0).tolist() == [[True, False, False]] * 2
    sets = conformal.prediction_sets(probabilities, 0.65)
    assert sets.tolist() == [[True, True, False], [True, False, False]]
    assert conformal.abstains(sets).tolist() == [True, False]


def test_p_values_against_counting_and_uniform():
    rng = np.random.default_rng(0)
    calibration = np.sort(rng.integers(0, 8, 25) / 8)  # with ties
    scores = rng.integers(0, 8, 40) / 8
    counted = [(1 + sum(c >= s for c in calibration)) / 26 for s in scores]
    np.testing.assert_allclose(conformal.p_value(calibration, scores), counted)
    many = [conformal.p_value(np.sort(rng.random(19)), rng.random(1))[0] for _ in range(2000)]
    assert np.mean(np.array(many) <= 0.05) == pytest.approx(0.05, abs=0.015)
