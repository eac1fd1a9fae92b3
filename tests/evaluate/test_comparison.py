from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from handful.core.errors import UsageError
from handful.evaluate.comparison import fold_means, holm, nadeau_bengio, verdict


def test_fold_means_are_the_gains_of_each_fold_by_itself():
    rng = np.random.default_rng(0)
    gains, folds = rng.normal(size=(2, 30)), np.stack([rng.permutation(30) % 4 for _ in range(2)])
    slow = [[np.mean([gains[r, i] for i in range(30) if folds[r, i] == k]) for k in range(4)] for r in range(2)]
    np.testing.assert_allclose(fold_means(gains, folds), slow)


def test_nadeau_bengio_against_the_formula_in_a_loop():
    differences = np.random.default_rng(0).normal(0.02, 0.05, (3, 5))
    values = [float(differences[i, j]) for i in range(3) for j in range(5)]
    mean = sum(values) / 15
    variance = sum((value - mean) ** 2 for value in values) / 14
    t = mean / ((1 / 15 + (1 / 5) / (4 / 5)) * variance) ** 0.5  # test over training examples: a fifth over four
    gain = nadeau_bengio(differences)
    assert gain.p == pytest.approx(2 * stats.t(14).sf(abs(t)))
    assert gain.high - gain.value == pytest.approx(stats.t(14).ppf(0.975) * mean / t)
    assert gain.value - gain.low == pytest.approx(gain.high - gain.value)


def test_the_correction_keeps_false_alarms_rare_where_the_plain_t_test_does_not():
    rng = np.random.default_rng(0)
    shared = 0.5  # correlation between folds, as shared training data makes it: about the share of test data, 1 / k
    plain, corrected = [], []
    for _ in range(500):
        differences = rng.normal(size=(5, 2)) * (1 - shared) ** 0.5 + rng.normal() * shared**0.5
        plain.append(stats.ttest_1samp(differences.ravel(), 0).pvalue < 0.05)
        corrected.append(nadeau_bengio(differences).p < 0.05)
    assert np.mean(corrected) < 0.1 < np.mean(plain)


def test_folds_that_all_agree():
    assert nadeau_bengio(np.zeros((2, 3))).p == 1
    assert nadeau_bengio(np.full((2, 3), 0.25)).p == 0


def test_one_fold_is_refused():
    with pytest.raises(UsageError, match="two folds"):
        nadeau_bengio(np.zeros((4, 1)))


def test_holm_by_hand_and_in_order():
    p = np.array([0.01, 0.04, 0.03, 0.005])
    np.testing.assert_allclose(holm(p), [0.03, 0.06, 0.06, 0.02])  # the example of R's p.adjust
    adjusted = holm(np.sort(np.random.default_rng(0).random(20)))
    assert all(a <= b for a, b in pairwise(adjusted))
    assert adjusted.max() <= 1


def test_the_words():
    assert verdict(0.01, 0.05, 0.001) == "helps"
    assert verdict(-0.05, -0.01, 0.001) == "hurts"
    assert verdict(-0.01, 0.05, 0.001) == "cannot tell"
    assert verdict(0.01, 0.05, 0.06) == "cannot tell"
