"""Multinomial logistic regression in the span of the examples: as many unknowns as the rows have rank."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from handful.nn.linear import Floats, Linear, Span, span

MOST_STEPS = 30  # further steps change the loss and not the predictions


def logistic(space: Span, targets: npt.NDArray[np.int64], n_classes: int, penalty: float) -> Linear:
    """Logistic regression with an unpenalised intercept, on the rows of the span.

        minimise  sum_i w_i * -log softmax(z_i W + b)[y_i]  +  penalty / 2 * |W|^2

    By the representer theorem the optimum lies in the span of the rows, so it is searched there.

    Args:
        space: The decomposed rows; their weights are the w_i.
        targets: Class indices, shape (n_rows,).
        n_classes: Number of outputs.
        penalty: Absolute, positive; `1 / C` of scikit-learn.
    """
    from scipy.optimize import minimize  # half a second of import that ridge does without

    rows, weights = space.coordinates, space.root**2
    wanted = np.eye(n_classes)[targets]
    rank = rows.shape[1]

    def loss(flat: Floats) -> tuple[float, Floats]:
        weight, bias = flat[: rank * n_classes].reshape(rank, n_classes), flat[rank * n_classes :]
        scores = rows @ weight + bias
        scores -= scores.max(axis=1, keepdims=True)
        powers = np.exp(scores)
        total = powers.sum(axis=1, keepdims=True)
        error = weights[:, None] * (powers / total - wanted)
        value = weights @ (np.log(total[:, 0]) - scores[np.arange(len(rows)), targets])
        slope = np.concatenate([(rows.T @ error + penalty * weight).ravel(), error.sum(axis=0)])
        return float(value + penalty / 2 * np.square(weight).sum()), slope

    found = minimize(
        loss, np.zeros(rank * n_classes + n_classes), jac=True, method="L-BFGS-B", options={"maxiter": MOST_STEPS}
    ).x
    weight = space.back @ found[: rank * n_classes].reshape(rank, n_classes)
    return Linear(weight, found[rank * n_classes :] - space.mean @ weight)


def held_out_logistic(
    rows: npt.NDArray[np.floating],
    targets: npt.NDArray[np.int64],
    n_classes: int,
    relative_penalty: float,
    blocks: list[npt.NDArray[np.int64]],
) -> Floats:
    """Predictions for each block by the regression fitted on all the others: refitted, there is no closed form.

    Rows are rotated into their common span once; a rotation changes neither the optimum nor what it predicts.

    Returns:
        Scores, shape (n_rows, n_classes).
    """
    rotated = span(rows).coordinates
    scores = np.empty((len(rows), n_classes))
    for block in blocks:
        others = np.setdiff1d(np.arange(len(rows)), block)
        space = span(rotated[others])
        fitted = logistic(space, targets[others], n_classes, relative_penalty * space.unit_penalty)
        scores[block] = fitted(rotated[block])
    return scores
