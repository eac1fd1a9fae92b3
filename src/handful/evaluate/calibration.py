"""Scores into probabilities that mean what they say: a temperature and a bias per class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from handful.evaluate.arrays import BLOCK, Floats, Ints, softmax
from handful.evaluate.metrics import log_losses

N_STEPS = 30  # Newton needs 5 to 10
CLOSE = 1e-5  # a step of the log scale, or of a bias, too small to matter


@dataclass(frozen=True)
class Temperature:
    """Calibrated probabilities are softmax(scale * logits + bias).

    Args:
        scale: One over the temperature, positive.
        bias: Shape (c,), sums to zero.
    Source: Guo et al. 2017, arXiv:1706.04599, section 4.2 ("bias-corrected temperature scaling" in Alexandari et al.
        2020, arXiv:1901.06852).
    """

    scale: float
    bias: Floats

    def apply(self, logits: Floats) -> Floats:
        """Probabilities, shape (n, c), of logits, shape (n, c)."""
        return softmax(self.scale * logits + self.bias)


def fit_temperature(logits: Floats, targets: Ints, with_bias: bool = True, prior_strength: float = 1.0) -> Temperature:
    """The scale and bias that minimise the penalised log loss, by Newton's method.

        sum_i log loss_i + strength / 2 (log^2(scale * spread) + |bias|^2)

    The spread is the root mean square of the logits, centred row by row: logits may have any scale, and under the
    prior the model is about 90 % sure, whatever the number of classes. So separable samples do not run to infinity.

    Args:
        logits: Out-of-fold or held-out, shape (n, c).
        targets: Class indices, shape (n,).
        prior_strength: The inverse variance of the normal priors of log scale and biases.
    """
    n_classes = logits.shape[1]
    start = float(fit_scales(logits[None], targets, prior_strength)[0])
    if not with_bias:
        return Temperature(start, np.zeros(n_classes))
    prior = np.concatenate([[-_log_spread(logits)], np.zeros(n_classes)])

    def loss(parameters: Floats) -> float:
        fitted = _temperature(parameters).apply(logits)
        return float(log_losses(targets, fitted).sum() + prior_strength / 2 * ((parameters - prior) ** 2).sum())

    parameters = np.concatenate([[np.log(start)], np.zeros(n_classes)])
    for _ in range(N_STEPS):
        gradient, curvature = _slopes(parameters, logits, targets)
        gradient += prior_strength * (parameters - prior)
        curvature += prior_strength * np.eye(len(parameters))
        step = _shortened(-np.linalg.solve(curvature, gradient).astype(np.float64), loss, parameters)
        parameters = parameters + step
        if np.abs(step).max() <= CLOSE:
            break
    return _temperature(parameters)


def cross_fitted(
    logits: Floats, targets: Ints, folds: Ints, with_bias: bool = True, prior_strength: float = 1.0
) -> Floats:
    """Probabilities whose calibration never saw the example: each fold is calibrated by the others.

    Args:
        logits: Out-of-fold, shape (n, c).
        targets: Class indices, shape (n,).
        folds: The fold of each example, shape (n,), at least two different ones.
    Returns:
        Shape (n, c).
    """
    probabilities = np.empty(logits.shape)
    for fold in np.unique(folds):
        inside = folds == fold
        temperature = fit_temperature(logits[~inside], targets[~inside], with_bias, prior_strength)
        probabilities[inside] = temperature.apply(logits[inside])
    return probabilities


def fit_scales(logits: Floats, targets: Ints, prior_strength: float = 1.0) -> Floats:
    """The scale of each of many configurations at once, without bias; the penalty is that of `fit_temperature`.

    Args:
        logits: Shape (m, n, c).
        targets: Class indices, shape (n,).
    Returns:
        Shape (m,).
    """
    rows = max(1, BLOCK // (4 * logits[0].size))
    blocks = [logits[start : start + rows] for start in range(0, len(logits), rows)]
    return np.concatenate([_scales(block, targets, prior_strength) for block in blocks])


def _scales(logits: Floats, targets: Ints, strength: float) -> Floats:
    """Newton's method on the log scale of each configuration; where the loss is concave, with Fisher's curvature."""
    below = np.ascontiguousarray(np.moveaxis(logits - logits.max(axis=2, keepdims=True), 2, 0))  # (c, m, n), <= 0
    truth = np.take_along_axis(below, np.broadcast_to(targets, (1, *below.shape[1:])), axis=0)[0].sum(axis=1)
    centre = -_log_spread(logits)
    logs = centre.copy()
    for _ in range(N_STEPS):
        scale = np.exp(logs)
        powers = np.exp(below * scale[:, None])
        powers /= powers.sum(axis=0)
        powers *= below
        mean = powers.sum(axis=0)
        variance = np.einsum("kmn,kmn->m", powers, below) - np.einsum("mn,mn->m", mean, mean)
        slope = scale * (mean.sum(axis=1) - truth)
        curvature = scale**2 * variance + np.maximum(slope, 0) + strength
        step = np.clip(-(slope + strength * (logs - centre)) / curvature, -1, 1)
        logs += step
        if np.abs(step).max() <= CLOSE:
            break
    return np.exp(logs)


def _log_spread(logits: Floats) -> Floats:
    """Log of the root mean square of row-centred logits over the last two axes; 0 where they are all the same."""
    square = np.asarray(logits.var(axis=-1).mean(axis=-1), dtype=np.float64)
    return np.log(np.where(square > 0, square, 1)) / 2


def _shortened(step: Floats, loss: Callable[[Floats], float], parameters: Floats) -> Floats:
    """The step, at most 1 long in any parameter, halved until it does not lead uphill."""
    step = step / max(1.0, float(np.abs(step).max()))
    before = loss(parameters)
    while loss(parameters + step) > before and np.abs(step).max() > CLOSE:
        step = step / 2
    return step


def _temperature(parameters: Floats) -> Temperature:
    return Temperature(float(np.exp(parameters[0])), parameters[1:])


def _slopes(parameters: Floats, logits: Floats, targets: Ints) -> tuple[Floats, Floats]:
    """Gradient (1 + c,) and Fisher curvature (1 + c, 1 + c) of the summed log loss in the log scale and the biases."""
    temperature = _temperature(parameters)
    scaled = temperature.scale * logits
    probabilities = temperature.apply(logits)
    excess = probabilities.copy()
    excess[np.arange(len(targets)), targets] -= 1
    gradient = np.concatenate([[(excess * scaled).sum()], excess.sum(axis=0)])

    deviation = scaled - (probabilities * scaled).sum(axis=1, keepdims=True)
    curvature = np.empty((len(parameters), len(parameters)))
    curvature[0, 0] = (probabilities * deviation**2).sum()
    curvature[0, 1:] = curvature[1:, 0] = (probabilities * deviation).sum(axis=0)
    curvature[1:, 1:] = np.diag(probabilities.sum(axis=0)) - probabilities.T @ probabilities
    return gradient, curvature
