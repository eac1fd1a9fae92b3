import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from handful.evaluate.arrays import softmax
from handful.nn.linear import balanced_weights, blocks_of, span
from handful.nn.logistic import held_out_logistic, logistic


def problem(shape, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    targets = np.arange(shape[0]) % n_classes
    return rng.normal(size=shape) + 0.7 * rng.normal(size=(n_classes, shape[1]))[targets], targets


def reference(rows, targets, penalty, weights=None):
    return LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=5000).fit(rows, targets, sample_weight=weights)


@pytest.mark.parametrize("shape", [(30, 60), (90, 6)])
@pytest.mark.parametrize("penalty", [0.1, 1.0, 10.0])
def test_logistic_is_the_logistic_regression_of_scikit_learn(shape, penalty):
    rows, targets = problem(shape)
    rows -= rows.mean(0)
    ours = softmax(logistic(span(rows), targets, 3, penalty)(rows))
    np.testing.assert_allclose(ours, reference(rows, targets, penalty).predict_proba(rows), atol=2e-3)


def test_weights_weigh_as_in_scikit_learn():
    rows, targets = problem((40, 60))
    targets[:15] = 0
    weights = balanced_weights(targets)
    ours = softmax(logistic(span(rows, weights), targets, 3, 1.0)(rows))
    np.testing.assert_allclose(ours, reference(rows, targets, 1.0, weights).predict_proba(rows), atol=2e-3)


def test_the_intercept_is_free():
    """With weights shrunk to nothing, what is left are the shares of the classes."""
    rows, _ = problem((40, 5))
    targets = np.array([0] * 25 + [1] * 10 + [2] * 5)
    shares = softmax(logistic(span(rows), targets, 3, 1e9)(rows))
    np.testing.assert_allclose(shares, np.tile([25 / 40, 10 / 40, 5 / 40], (40, 1)), atol=1e-3)


@pytest.mark.parametrize("shape", [(24, 40), (60, 6)])
def test_held_out_logistic_is_refitting_without_the_block(shape):
    rows, targets = problem(shape)
    blocks = blocks_of(np.random.default_rng(0).permutation(len(rows)) % 4)
    ours = softmax(held_out_logistic(rows, targets, 3, 0.05, blocks))
    for block in blocks:
        others = np.setdiff1d(np.arange(len(rows)), block)
        penalty = 0.05 * np.square(rows[others] - rows[others].mean(0)).sum(1).mean()
        theirs = reference(rows[others], targets[others], penalty).predict_proba(rows[block])
        np.testing.assert_allclose(ours[block], theirs, atol=3e-3)
