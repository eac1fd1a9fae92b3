import numpy as np
import pytest
from scipy.stats import ortho_group
from sklearn.linear_model import Ridge

from handful.core.errors import DataError
from handful.nn.linear import balanced_weights, blocks_of, held_out, one_hot, ridge, span

DUAL, PRIMAL = (20, 50), (60, 8)  # rows fewer than dimensions, and more


def problem(shape, seed=0, n_outputs=3):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=shape) + 3
    return rows, rng.normal(size=(shape[0], n_outputs)), rng.uniform(0.2, 5, shape[0])


def refitted(rows, outputs, penalty, blocks, weights=None):
    """What held_out means, the slow way: weights average 1 over all rows and stay when rows are left out."""
    weights = np.ones(len(rows)) if weights is None else weights / weights.mean()
    predicted = np.empty_like(outputs)
    for block in blocks:
        others = np.setdiff1d(np.arange(len(rows)), block)
        model = Ridge(alpha=penalty, solver="svd").fit(rows[others], outputs[others], sample_weight=weights[others])
        predicted[block] = model.predict(rows[block])
    return predicted


def folds(n_rows, n_folds, seed=0):
    return blocks_of(np.random.default_rng(seed).permutation(n_rows) % n_folds)


@pytest.mark.parametrize("shape", [DUAL, PRIMAL, (30, 30)])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("penalty", [1e-3, 1.0, 1e3])
def test_ridge_is_the_ridge_of_scikit_learn(shape, weighted, penalty):
    rows, outputs, weights = problem(shape)
    weights = weights / weights.mean() if weighted else None
    ours = ridge(span(rows, weights), outputs, penalty)
    theirs = Ridge(alpha=penalty, solver="svd").fit(rows, outputs, sample_weight=weights)
    np.testing.assert_allclose(ours.weight, theirs.coef_.T, atol=1e-8)
    np.testing.assert_allclose(ours.bias, theirs.intercept_, atol=1e-7)
    np.testing.assert_allclose(ours(rows), theirs.predict(rows), atol=1e-8)


def test_only_the_ratios_of_weights_matter():
    rows, outputs, weights = problem(DUAL)
    one, other = span(rows, weights), span(rows, 100 * weights)
    np.testing.assert_allclose(ridge(one, outputs, 1.0).weight, ridge(other, outputs, 1.0).weight)
    assert one.unit_penalty == pytest.approx(other.unit_penalty)


@pytest.mark.parametrize("shape", [DUAL, PRIMAL])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_blocks", [3, 7, None])
def test_held_out_is_refitting_without_the_block(shape, weighted, n_blocks):
    rows, outputs, weights = problem(shape)
    weights = weights if weighted else None
    blocks = folds(len(rows), n_blocks or len(rows))
    penalties = [1e-2, 1.0, 30.0]
    predicted = held_out(span(rows, weights), outputs, penalties, blocks)
    assert predicted.shape == (3, *outputs.shape)
    for at, penalty in enumerate(penalties):
        np.testing.assert_allclose(predicted[at], refitted(rows, outputs, penalty, blocks, weights), atol=1e-7)


@pytest.mark.parametrize("shape", [DUAL, PRIMAL])
@pytest.mark.parametrize(
    "spoil", ["each row twice", "three distinct rows", "rank two", "constant columns", "all equal"]
)
def test_held_out_is_exact_on_rows_of_low_rank(shape, spoil):
    rows, outputs, weights = problem(shape)
    if spoil == "each row twice":
        rows = np.repeat(rows[: shape[0] // 2], 2, axis=0)
    elif spoil == "three distinct rows":
        rows = rows[np.arange(shape[0]) % 3]
    elif spoil == "rank two":
        rows = rows[:, :2] @ np.random.default_rng(1).normal(size=(2, shape[1]))
    elif spoil == "constant columns":
        rows[:, 1:] = 5.0
    else:
        rows[:] = rows[0]
    for blocks in (folds(len(rows), len(rows)), folds(len(rows), 4)):
        predicted = held_out(span(rows, weights), outputs, [0.5], blocks)[0]
        np.testing.assert_allclose(predicted, refitted(rows, outputs, 0.5, blocks, weights), atol=1e-6)


def test_both_branches_agree_where_they_meet():
    """Columns of zeros change the branch and nothing else."""
    rows, outputs, weights = problem((20, 12))
    padded = np.hstack([rows, np.zeros((20, 30))])
    primal, dual = span(rows, weights), span(padded, weights)
    np.testing.assert_allclose(primal.spectrum, dual.spectrum)
    blocks = folds(20, 5)
    one, other = (held_out(space, outputs, [0.3], blocks) for space in (primal, dual))
    np.testing.assert_allclose(one, other, atol=1e-9)
    np.testing.assert_allclose(ridge(primal, outputs, 0.3).weight, ridge(dual, outputs, 0.3).weight[:12], atol=1e-9)


@pytest.mark.parametrize("shape", [DUAL, PRIMAL])
@pytest.mark.parametrize("change", ["rotated", "shifted"])
def test_rotating_or_shifting_the_features_changes_no_prediction(shape, change):
    rows, outputs, weights = problem(shape)
    changed = rows @ ortho_group.rvs(shape[1], random_state=0) if change == "rotated" else rows + 7.0
    blocks = folds(len(rows), 6)
    before, after = span(rows, weights), span(changed, weights)
    np.testing.assert_allclose(
        held_out(after, outputs, [0.1], blocks), held_out(before, outputs, [0.1], blocks), atol=1e-8
    )
    np.testing.assert_allclose(ridge(after, outputs, 0.1)(changed), ridge(before, outputs, 0.1)(rows), atol=1e-8)


def test_an_endless_penalty_leaves_the_weighted_mean_of_the_others():
    rows, outputs, weights = problem(DUAL)
    predicted = held_out(span(rows, weights), outputs, [1e12], folds(20, 20))[0]
    for left_out in range(20):
        others = np.delete(np.arange(20), left_out)
        np.testing.assert_allclose(predicted[left_out], np.average(outputs[others], 0, weights[others]), atol=1e-6)


def test_coordinates_keep_the_inner_products_of_centred_rows():
    for shape in (DUAL, PRIMAL):
        rows, _, weights = problem(shape)
        space = span(rows, weights)
        centred = rows - np.average(rows, axis=0, weights=weights)
        np.testing.assert_allclose(space.coordinates @ space.coordinates.T, centred @ centred.T, atol=1e-8)
        np.testing.assert_allclose(space.coordinates @ space.back.T, centred, atol=1e-8)


def test_the_unit_penalty_is_the_mean_squared_norm_of_a_centred_row():
    rows, _, _ = problem(DUAL)
    assert span(rows).unit_penalty == pytest.approx(np.square(rows - rows.mean(0)).sum(1).mean())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_are_not_finite_are_refused(bad):
    rows, _, _ = problem(DUAL)
    rows[3, 4] = bad
    with pytest.raises(DataError, match=r"finite matrix \(rows, dimensions\), got shape \(20, 50\)"):
        span(rows)
    with pytest.raises(DataError, match="finite matrix"):
        span(np.zeros(5))


def test_leaving_everything_out_is_refused():
    rows, outputs, _ = problem(DUAL)
    with pytest.raises(DataError, match="nothing to fit on"):
        held_out(span(rows), outputs, [1.0], [np.arange(20)])


def test_blocks_cover_every_row_once():
    labels = np.array([4, 1, 4, 0, 1, 4])
    assert [block.tolist() for block in blocks_of(labels)] == [[3], [1, 4], [0, 2, 5]]


def test_balanced_weights_give_every_class_the_same_total():
    targets = np.array([0, 0, 0, 1, 2, 2])
    weights = balanced_weights(targets)
    assert weights.mean() == pytest.approx(1)
    np.testing.assert_allclose(weights @ one_hot(targets, 3), [2, 2, 2])
