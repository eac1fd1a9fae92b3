"""Are generated examples like real ones, as varied, and new? All on features that the caller gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from handful.core.errors import DataError
from handful.evaluate.arrays import BLOCK, Bools, Floats, Ints
from handful.evaluate.intervals import Interval, wilson

N_NEIGHBOURS = 3  # of precision and recall, as in the paper
N_PARTS = 10  # of the examples, each left out once


def kernel_distance(real: Floats, generated: Floats) -> Interval:
    """KID: the squared maximum mean discrepancy under a cubic kernel; unbiased, so it may fall below 0.

        k(x, y) = (x . y / d + 1)^3
        mean over i != j of k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(x_j, y_i)

    The interval is the normal one of a U-statistic, whose variance is 4 / n of that of the means over j.

    Args:
        real, generated: Features, shape (n, d) both, n >= 2: the same number of each.
    Source: Binkowski et al. 2018, arXiv:1801.01401; Gretton et al. 2012, JMLR 13, eq. 4, for this form at equal n.
    """
    real, generated = _checked(real, generated, equal=True)
    n = len(real)
    means = np.empty(n)
    for rows in _row_blocks(n, n):
        x, y = real[rows], generated[rows]
        h = _cubic(x, real) + _cubic(y, generated) - _cubic(x, generated) - _cubic(y, real)
        h[np.arange(len(h)), np.arange(n)[rows]] = 0
        means[rows] = h.sum(axis=1) / (n - 1)
    value, error = float(means.mean()), 2 * float(means.std(ddof=1)) / n**0.5
    return Interval(value, value - 1.96 * error, value + 1.96 * error, n)


def frechet_distance(real: Floats, generated: Floats) -> Interval:
    """FID: the Fréchet distance of the normal distributions of both. It falls with n: compare at equal n only.

        |m_x - m_y|^2 + trace(C_x + C_y - 2 (C_x C_y)^(1/2))

    The last trace is the sum of the singular values of X Y^T / (n - 1), X and Y centred: exact, and no root of a
    d x d matrix that n rows cannot fill. The interval is a jackknife's: how far the distance varies, not how far it
    lies above that of endless samples.

    Args:
        real, generated: Features, shape (n, d) both, n >= 3: the same number of each.
    Source: Heusel et al. 2017, arXiv:1706.08500.
    """
    real, generated = _checked(real, generated, equal=True)
    if len(real) < 3:
        raise DataError(f"{len(real)} of each, expected 3 or more", "frechet_distance", "give more")
    found = _jackknifed(_frechet, real, generated)
    return Interval(found.value, max(found.low, 0.0), found.high, found.n)


def _frechet(real: Floats, generated: Floats) -> float:
    shift = real.mean(axis=0) - generated.mean(axis=0)
    x, y = (
        np.asarray(np.linalg.qr(each - each.mean(axis=0), mode="r")) for each in (real, generated)
    )  # those of X Y^T are those of R_x R_y^T
    shared = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    spread = (np.square(x).sum() + np.square(y).sum() - 2 * shared) / (len(real) - 1)
    return max(float(shift @ shift + spread), 0.0)


@dataclass(frozen=True)
class PrecisionRecall:
    """Shares: of the generated that look real, and of the real that could have been generated."""

    precision: Interval
    recall: Interval


def precision_recall(real: Floats, generated: Floats, k: int = N_NEIGHBOURS) -> PrecisionRecall:
    """The share of each that lies within the other; what lies within is no farther from one than its k-th neighbour.

    Both rise with the number of the other: compare at equal n only. The intervals are a jackknife's, and no narrower
    than that of a share of n.

    Args:
        real, generated: Features, shape (n, d) both, n > k + 1: the same number of each.
    Source: Kynkäänniemi et al. 2019, arXiv:1904.06991, eq. 1 and 2.
    """
    real, generated = _checked(real, generated, equal=True)
    if len(real) <= k + 1:
        what = f"{len(real)} of each, expected more than k + 1 = {k + 1}"
        raise DataError(what, "precision_recall", "give more, or a lower k")

    def share(points: Floats, others: Floats) -> float:
        return float(_within(points, others, k).mean())

    return PrecisionRecall(*(_share_of(share, a, b) for a, b in ((generated, real), (real, generated))))


def _share_of(share: Callable[[Floats, Floats], float], points: Floats, others: Floats) -> Interval:
    found = _jackknifed(share, points, others)
    least = wilson(found.value * found.n, found.n)
    return Interval(found.value, max(min(found.low, least.low), 0.0), min(max(found.high, least.high), 1.0), found.n)


def _jackknifed(statistic: Callable[[Floats, Floats], float], first: Floats, second: Floats) -> Interval:
    """A statistic of two samples of n, with the interval of the jackknife that leaves out a tenth of both at a time.

    Source: Efron 1982, "The Jackknife, the Bootstrap and Other Resampling Plans", with Student's quantile.
    """
    from scipy.special import stdtrit

    n, n_parts = len(first), min(N_PARTS, len(first))
    part = np.arange(n) % n_parts
    value = statistic(first, second)
    without = [statistic(first[part != left_out], second[part != left_out]) for left_out in range(n_parts)]
    reach = float(stdtrit(n_parts - 1, 0.975) * np.std(without) * (n_parts - 1) ** 0.5)
    return Interval(value, value - reach, value + reach, n)


def nearer_to_training(
    generated: Floats, training: Floats, held_out: Floats, rng: np.random.Generator, n_draws: int = 2000
) -> Interval:
    """Does it generate or memorise? How much oftener the nearest real example is one that was learned from.

        t / (t + h),  t: generated examples whose nearest is a training example, for each training example; h: held out

    0.5 is as it should be, whatever the two numbers are: the examples held out are as near as those learned from. At 1
    every sample is nearest to a training example. The interval is a bootstrap of the generated examples and of the real
    ones, since one that is memorised draws many samples to it.

    Args:
        generated: Features of samples, shape (m, d).
        training, held_out: Features of real examples of the same kind, shapes (n, d) and (n', d).
    Returns:
        The share, with n the number of generated examples.
    Source: the data-copying test of Meehan et al. 2020, arXiv:2004.05675. Differs: counts of nearest neighbours among
        both together, which needs neither equal numbers nor cells.
    """
    generated, training = _checked(generated, training)
    _, held_out = _checked(generated, held_out)
    nearest = np.concatenate(
        [each.argmin(axis=1) for _, each in _distances(generated, np.vstack([training, held_out]))]
    )
    n_real, n_generated = len(training) + len(held_out), len(generated)

    def by_kind(drawn: Ints) -> tuple[Floats, Floats]:
        counts = np.bincount(drawn, minlength=n_real).astype(np.float64)
        return counts[: len(training)], counts[len(training) :]

    def resampled(counts: Floats) -> float:
        return float(counts[rng.integers(len(counts), size=len(counts))].mean())

    value = _balance(*(float(counts.mean()) for counts in by_kind(nearest)))
    drawn = [by_kind(nearest[rng.integers(n_generated, size=n_generated)]) for _ in range(n_draws)]
    t, h = np.array([[resampled(counts) for counts in both] for both in drawn]).T
    low, high = np.quantile(_balance(t, h), [0.025, 0.975])
    return Interval(float(value), float(min(low, value)), float(max(high, value)), len(generated))


def _balance(t: Floats | float, h: Floats | float) -> Floats:
    """t / (t + h), 0.5 where both are 0."""
    return np.asarray(np.divide(t, t + h, out=np.full(np.shape(t), 0.5), where=np.asarray(t + h) > 0))


def _within(points: Floats, others: Floats, k: int) -> Bools:
    """Whether each point is no farther from some other than that one's k-th neighbour of its own kind."""
    reach = np.concatenate([np.partition(each, k, axis=1)[:, k] for _, each in _distances(others, others)])  # itself: 0
    return np.concatenate([(each <= reach).any(axis=1) for _, each in _distances(points, others)])


def _distances(points: Floats, others: Floats) -> Iterator[tuple[Ints, Floats]]:
    """Squared Euclidean distances of a few points at a time to all others."""
    squares = np.square(others).sum(axis=1)
    for rows in _row_blocks(len(points), len(others)):
        some = points[rows]
        yield rows, np.maximum(np.square(some).sum(axis=1)[:, None] + squares - 2 * some @ others.T, 0)


def _row_blocks(n: int, width: int) -> list[Ints]:
    return np.array_split(np.arange(n), max(1, -(-n * width // BLOCK)))


def _cubic(x: Floats, y: Floats) -> Floats:
    kernel: Floats = (x @ y.T / x.shape[1] + 1) ** 3
    return kernel


def _checked(first: Floats, second: Floats, equal: bool = False) -> tuple[Floats, Floats]:
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    for each in (first, second):
        if each.ndim != 2 or len(each) < 2 or not np.isfinite(each).all():
            what = f"features have the shape {each.shape}, expected (n, d) of finite numbers with n of 2 or more"
            raise DataError(what, "generated")
    if first.shape[1] != second.shape[1]:
        raise DataError(f"features of {first.shape[1]} and {second.shape[1]} columns", "generated", "use one backbone")
    if equal and len(first) != len(second):
        what = f"{len(first)} real and {len(second)} generated examples, expected as many of each"
        raise DataError(what, "generated", "draw as many of the larger one")
    return first, second
