import numpy as np
import pytest

from handful.core.errors import DataError
from handful.evaluate.learning_curve import LearningCurve, band, fit_curve, labels_until, summarised

SIZES = np.array([2, 4, 8, 16, 32])


def exact(a, b, c, sizes=SIZES, error=1e-4):
    return fit_curve(sizes, a + b * sizes**-c, np.full(len(sizes), error), np.random.default_rng(0), 200)


@pytest.mark.parametrize("law", [(0.05, 0.6, 0.5), (0.0, 0.8, 0.3), (0.2, 0.5, 1.2)])
def test_a_known_law_is_recovered(law):
    np.testing.assert_allclose(exact(*law).law, law, atol=1e-6)


def test_the_fit_is_the_best_of_a_brute_force_search():
    rng = np.random.default_rng(3)
    errors, spread = np.array([0.5, 0.42, 0.3, 0.31, 0.24]), np.array([0.05, 0.04, 0.03, 0.02, 0.02])
    a, b, c = fit_curve(SIZES, errors, spread, rng, 10).law

    def misfit(a, b, c):
        return (((a + b * SIZES**-c - errors) / spread) ** 2).sum()

    guesses = rng.random((20000, 3)) * [0.5, 2.0, 1.5]
    assert misfit(a, b, c) <= min(misfit(*guess) for guess in guesses) + 1e-3
    assert min(a, b) >= 0


def test_errors_that_rise_give_a_flat_law():
    curve = fit_curve(SIZES, np.linspace(0.2, 0.4, 5), np.full(5, 0.01), np.random.default_rng(0), 50)
    assert curve.law[1] == 0
    assert curve.law[0] == pytest.approx(0.3)


def test_the_band_holds_the_truth_and_widens_with_the_noise():
    rng = np.random.default_rng(0)
    sizes, truth = np.array([4.0, 8, 16, 32, 64]), np.array([0.1, 0.6, 0.5])
    held = []
    for _ in range(100):
        errors = truth[0] + truth[1] * sizes ** -truth[2] + rng.normal(0, 0.02, 5)
        curve = fit_curve(sizes.astype(int), errors, np.full(5, 0.02), rng, 200)
        _, low, high = band(curve, np.array([64.0]))
        held.append(low[0] <= 0.1 + 0.6 / 8 <= high[0])
    assert np.mean(held) > 0.8


def test_labels_until_inverts_the_law():
    answer = labels_until(exact(0.05, 0.6, 0.5), 0.05 + 0.6 / 10 + 1e-4)
    assert answer.n_per_class == pytest.approx(100, abs=1)
    assert answer.low <= answer.n_per_class <= answer.high
    assert answer.say.startswith("About 100 labels per class")


def test_the_answers_that_are_not_a_number():
    assert labels_until(exact(0.05, 0.6, 0.5), 0.3).say.startswith("Already reached")
    assert labels_until(exact(0.2, 0.5, 1.0), 0.1).say.startswith("Not with more of the same labels")
    assert labels_until(exact(0.0, 0.8, 0.3), 0.1).say.startswith("Cannot tell yet: 320 labels")  # 1024 are too far
    noisy = fit_curve(SIZES, 0.6 * SIZES**-0.3, np.full(5, 0.05), np.random.default_rng(0))
    assert labels_until(noisy, 0.15).say.startswith("Cannot tell yet")
    assert labels_until(noisy, 0.15).n_per_class is None


def test_an_answer_is_never_from_afar():
    rng = np.random.default_rng(0)
    for _ in range(200):
        law = rng.random(3) * [0.2, 0.8, 1.5] + [0, 0, 0.05]
        curve = LearningCurve(law, np.clip(law + rng.normal(0, 0.01, (50, 3)), [0, 0, 0.05], None), 10, span=10)
        answer = labels_until(curve, rng.random() * 0.5)
        if answer.n_per_class is not None:
            assert 10 <= answer.low <= answer.n_per_class <= answer.high <= 101


def test_points_are_summarised_without_trusting_a_lucky_spread():
    errors, spread = summarised([np.array([0.3, 0.3]), np.array([0.1, 0.2, 0.3, 0.2])])
    np.testing.assert_allclose(errors, [0.3, 0.2])
    pooled = (0 + 0.02 / 3) / 2
    np.testing.assert_allclose(spread, np.sqrt([pooled / 2 / 2, (0.02 / 3 + pooled) / 2 / 4]))


def test_two_points_are_refused():
    with pytest.raises(DataError, match="three different"):
        fit_curve(np.array([5, 10]), np.array([0.3, 0.2]), np.full(2, 0.01), np.random.default_rng(0))
