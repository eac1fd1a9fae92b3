import numpy as np
import pytest

from handful.core.errors import DataError
from handful.evaluate.arrays import example_weights, softmax
from handful.evaluate.metric import METRICS
from handful.evaluate.selection import bias_corrected


def by_double_loop(criterion, scored, targets, units, rng, n_draws):
    """The definition, unit by unit: strata of two units or more only."""
    sums, times = np.zeros(len(targets)), np.zeros(len(targets))
    for _ in range(n_draws):
        bag = []
        for k in np.unique(targets):
            own = np.unique(units[targets == k])
            bag += list(rng.choice(own, len(own)))
        totals = sum(criterion[units == unit].sum(axis=0) for unit in bag)
        for i in range(len(targets)):
            if units[i] not in bag:
                sums[i] += scored[i, totals.argmax()]
                times[i] += 1
    return sums / times


def test_agrees_with_a_double_loop():
    rng = np.random.default_rng(0)
    targets, units = np.repeat([0, 1], 12), np.arange(24) // 2
    criterion = rng.normal(size=(24, 6)) + np.linspace(0, 0.3, 6)
    scored = rng.random((24, 6))
    fast = bias_corrected(criterion, scored, targets, units, "accuracy", np.random.default_rng(1), 6000)
    slow = by_double_loop(criterion, scored, targets, units, np.random.default_rng(2), 3000)
    np.testing.assert_allclose(fast.correct, slow, atol=0.05)
    assert fast.value == pytest.approx(slow.mean(), abs=0.01)
    assert fast.chosen_share.sum() == pytest.approx(1)


def test_the_best_of_useless_configurations_looks_good_until_it_is_corrected():
    rng = np.random.default_rng(0)
    targets, units = np.repeat([0, 1], 20), np.arange(40)
    naive, corrected = [], []
    for _ in range(60):
        correct = (rng.random((40, 50)) < 0.5).astype(float)
        naive.append(correct.mean(axis=0).max())
        corrected.append(bias_corrected(correct, correct, targets, units, "accuracy", rng, 200).value)
    assert np.mean(naive) > 0.65
    assert np.mean(corrected) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_contributions_of_any_metric_are_forgiven_for_the_choice(metric):
    """The best of useless configurations is worth what a useless one is worth, with classes of uneven size too."""
    rng = np.random.default_rng(0)
    targets, units = np.repeat([0, 1], [30, 12]), np.arange(42)
    naive, corrected, typical = [], [], []
    for _ in range(30):
        configurations = softmax(0.7 * rng.normal(size=(30, 42, 2)))
        parts = np.stack([metric.contributions(targets, each) for each in configurations], axis=1)
        naive.append(parts.mean(axis=0).max())
        typical.append(parts.mean())
        corrected.append(bias_corrected(parts, parts, targets, units, "accuracy", rng, 100).value)
    flattery = np.mean(naive) - np.mean(typical)
    assert flattery > 0.1
    assert abs(np.mean(corrected) - np.mean(typical)) < 0.2 * flattery


def test_a_configuration_that_always_wins_keeps_its_plain_score():
    rng = np.random.default_rng(0)
    scored, targets = rng.random((30, 3)), rng.integers(0, 3, 30)
    criterion = np.tile([0.0, 1.0, 0.0], (30, 1))
    result = bias_corrected(criterion, scored, targets, np.arange(30), "balanced_accuracy", rng)
    np.testing.assert_allclose(result.correct, scored[:, 1])
    assert result.value == pytest.approx(example_weights(targets, "balanced_accuracy") @ scored[:, 1])
    assert result.chosen_share.tolist() == [0, 1, 0]


def test_a_prior_may_decide():
    rng = np.random.default_rng(0)
    prior = np.array([0.0, 0.0, 1e6])
    noise = rng.normal(size=(20, 3))
    result = bias_corrected(
        noise, noise, np.zeros(20, int), np.arange(20), "accuracy", rng, 50, lambda sums: (sums + prior).argmax(axis=1)
    )
    assert result.chosen_share.tolist() == [0, 0, 1]


@pytest.mark.parametrize("targets", [[0, 1], [0, 0, 1], [0, 0, 0, 1, 2], [0, 1, 2, 3]])
def test_every_example_is_left_out_even_when_its_class_has_no_other(targets):
    scored = np.random.default_rng(0).random((len(targets), 4))
    result = bias_corrected(
        scored, scored, np.array(targets), np.arange(len(targets)), "accuracy", np.random.default_rng(0), n_draws=3
    )
    assert np.isfinite(result.correct).all()


def test_one_unit_is_refused():
    with pytest.raises(DataError, match="one group"):
        bias_corrected(
            np.ones((3, 2)), np.ones((3, 2)), np.arange(3), np.zeros(3, int), "accuracy", np.random.default_rng(0)
        )
