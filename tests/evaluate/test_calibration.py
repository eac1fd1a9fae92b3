import numpy as np
import pytest
from scipy import optimize

from handful.evaluate.arrays import softmax
from handful.evaluate.calibration import Temperature, cross_fitted, fit_scales, fit_temperature
from handful.evaluate.metrics import log_loss, log_losses


def sample(rng, n, scale, bias):
    """Logits whose calibrated probabilities are softmax(scale * logits + bias), and truths drawn from those."""
    logits = rng.normal(size=(n, 3))
    probabilities = softmax(scale * logits + bias)
    targets = (probabilities.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return logits, targets


def test_a_known_temperature_and_bias_are_recovered():
    bias = np.array([0.5, 0.0, -0.5])
    logits, targets = sample(np.random.default_rng(0), 20000, 2.0, bias)
    fitted = fit_temperature(logits, targets)
    assert fitted.scale == pytest.approx(2.0, rel=0.05)
    np.testing.assert_allclose(fitted.bias, bias, atol=0.05)


@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
def test_newton_finds_the_minimum_that_a_general_optimiser_finds(with_bias, unit):
    logits, targets = sample(np.random.default_rng(1), 40, 1.5, np.zeros(3))
    spread = np.sqrt(((logits - logits.mean(axis=1, keepdims=True)) ** 2).mean())

    def loss(parameters):
        bias = parameters[1:] if with_bias else np.zeros(3)
        fitted = Temperature(np.exp(parameters[0]), bias)
        penalty = (parameters[0] + np.log(spread)) ** 2 + (bias**2).sum()
        return log_losses(targets, fitted.apply(logits)).sum() + penalty / 2

    best = optimize.minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-4}).x
    fitted = fit_temperature(logits * unit, targets, with_bias)
    assert fitted.scale * unit == pytest.approx(np.exp(best[0]), rel=1e-3)
    np.testing.assert_allclose(fitted.bias, best[1:] if with_bias else 0, atol=1e-3)


def test_a_separable_handful_does_not_become_certain():
    targets = np.arange(6) % 3
    fitted = fit_temperature(np.eye(3)[targets] * 0.01, targets)
    assert 0.8 < fitted.apply(np.eye(3) * 0.01).max() < 0.999


def test_logits_that_say_nothing_give_even_odds():
    fitted = fit_temperature(np.zeros((6, 3)), np.arange(6) % 3)
    np.testing.assert_allclose(fitted.apply(np.zeros((2, 3))), 1 / 3)


def test_many_scales_at_once_are_those_of_one_at_a_time():
    rng = np.random.default_rng(2)
    targets = rng.integers(0, 5, 60)
    units = np.logspace(-3, 3, 7)[:, None, None]
    logits = (rng.normal(size=(7, 60, 5)) + 2 * np.eye(5)[targets]) * units
    grid = np.exp(np.linspace(-4, 4, 2001))
    for configuration, scale in zip(logits, fit_scales(logits, targets), strict=True):
        spread = configuration.std(axis=1)
        candidates = grid / np.sqrt(np.mean(spread**2))
        losses = [
            log_losses(targets, softmax(s * configuration)).sum() + np.log(g) ** 2 / 2
            for s, g in zip(candidates, grid, strict=True)
        ]
        assert scale == pytest.approx(candidates[np.argmin(losses)], rel=0.005)


@pytest.mark.parametrize("flip", [1, -1])
def test_scales_settle_however_wrong_the_logits_are(flip):
    targets = np.arange(50) % 5
    logits = flip * np.eye(5)[targets][None] * np.array([1e-4, 1.0, 1e4])[:, None, None]
    scales = fit_scales(logits, targets)
    np.testing.assert_allclose(scales / scales[1], [1e4, 1, 1e-4], rtol=1e-3)


def test_cross_fitting_never_sees_the_example():
    logits, targets = sample(np.random.default_rng(3), 60, 3.0, np.zeros(3))
    folds = np.arange(60) % 5
    probabilities = cross_fitted(logits, targets, folds)
    altered = targets.copy()
    altered[folds == 2] = (altered[folds == 2] + 1) % 3
    again = cross_fitted(logits, altered, folds)
    np.testing.assert_array_equal(probabilities[folds == 2], again[folds == 2])
    assert not np.allclose(probabilities[folds != 2], again[folds != 2])
    assert log_loss(targets, probabilities) < log_loss(targets, softmax(logits))
