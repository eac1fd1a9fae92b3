import numpy as np
import pytest
from scipy import stats

from handful.evaluate.intervals import jeffreys, mean_draws, score_interval, width_limits, wilson


def test_wilson_agrees_with_scipy():
    for successes, n in [(0, 5), (9, 10), (81, 263), (15, 148)]:  # the last two are Newcombe's 1998 examples
        expected = stats.binomtest(successes, n).proportion_ci(0.95, method="wilson")
        interval = wilson(successes, n)
        assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))
    assert (round(wilson(81, 263).low, 4), round(wilson(81, 263).high, 4)) == (0.2553, 0.3662)  # Newcombe, table I


def test_jeffreys_is_the_beta_posterior():
    interval = jeffreys(7, 10, level=0.9)
    assert (interval.low, interval.high) == pytest.approx(stats.beta(7.5, 3.5).ppf([0.05, 0.95]))
    assert jeffreys(10, 10).high == 1
    assert jeffreys(0, 10).low == 0


def draws_of(correct, targets, units=None, metric="accuracy", n_draws=20000):
    units = np.arange(len(targets)) if units is None else units
    return mean_draws(correct, targets, units, metric, (0.0, 1.0), np.random.default_rng(0), n_draws)


def test_one_class_without_groups_is_exactly_the_jeffreys_posterior():
    draws = draws_of(np.repeat([1.0, 0.0], [7, 3]), np.zeros(10, dtype=np.int64))
    assert stats.kstest(draws, stats.beta(7.5, 3.5).cdf).pvalue > 0.01


def test_units_of_equal_size_that_agree_count_as_one_example_each():
    draws = draws_of(np.repeat([1.0, 0.0], [35, 15]), np.zeros(50, dtype=np.int64), np.arange(50) // 5)
    assert stats.kstest(draws, stats.beta(7.5, 3.5).cdf).pvalue > 0.01


def test_classes_are_weighed_by_their_share_or_equally():
    correct, targets = np.repeat([1.0, 0.0], [90, 10]), np.repeat([0, 1], [90, 10])
    assert draws_of(correct, targets).mean() == pytest.approx(0.9, abs=0.02)
    assert draws_of(correct, targets, metric="balanced_accuracy").mean() == pytest.approx(0.5, abs=0.02)


def test_the_plain_estimate_is_always_inside():
    for correct in (np.ones(12), np.zeros(12), np.full(12, 0.4)):
        interval = score_interval(
            correct, np.arange(12) % 3, np.arange(12), "balanced_accuracy", np.random.default_rng(0)
        )
        assert interval.low <= interval.value <= interval.high
        assert interval.high - interval.low > 0.01
        assert interval.n == 12


@pytest.mark.parametrize(("n_classes", "each", "rate"), [(1, 20, 0.9), (10, 10, 0.95), (20, 3, 0.7)])
def test_intervals_hold_the_truth(n_classes, each, rate):
    rng = np.random.default_rng(0)
    targets = np.repeat(np.arange(n_classes), each)
    held = []
    for _ in range(400):
        correct = (rng.random(len(targets)) < rate).astype(float)
        interval = score_interval(correct, targets, np.arange(len(targets)), "balanced_accuracy", rng, 500)
        held.append(interval.low <= rate <= interval.high)
    assert np.mean(held) > 0.92


def test_the_width_of_balanced_accuracy_is_that_of_as_many_balanced_examples():
    narrow, wide = width_limits(np.array([20, 20, 20]))
    assert wide == pytest.approx(jeffreys(30, 60).high - jeffreys(30, 60).low)
    assert narrow == pytest.approx(1 - jeffreys(60, 60).low)
    assert width_limits(np.array([50, 8, 2]))[1] > wide
