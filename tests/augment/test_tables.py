import sys

import numpy as np
import pytest
from scipy import stats

from handful.augment.tables import jittered, mixed_within_class, smote
from handful.core.errors import DataError, MissingPackage, UsageError

N, D = 60, 3
TARGETS = np.array(["a"] * 40 + ["b"] * 15 + ["c"] * 5)


def table(seed=0, n=N, d=D):
    return np.random.default_rng(seed).normal(size=(n, d)) * [1, 10, 0.1][:d]


def lies_between_two(row, members, atol=1e-9):
    """Whether a row lies on the segment between some two of the members."""
    a, b = members[:, None], members[None]
    lengths = np.linalg.norm(a - b, axis=-1)
    detour = np.linalg.norm(row - a, axis=-1) + np.linalg.norm(row - b, axis=-1) - lengths
    return bool((detour <= atol * (1 + lengths)).any())


def test_a_mixed_row_lies_between_two_of_its_class():
    features = table()
    rows, labels = mixed_within_class(features, TARGETS, 200, np.random.default_rng(1))
    assert rows.shape == (200, D)
    assert all(lies_between_two(row, features[label == TARGETS]) for row, label in zip(rows, labels, strict=True))
    strangers = [lies_between_two(row, features[label != TARGETS]) for row, label in zip(rows, labels, strict=True)]
    assert not any(strangers)


def test_classes_keep_their_shares_and_both_ends_are_used_alike():
    features = np.arange(N, dtype=np.float64)[:, None]
    rows, labels = mixed_within_class(features, TARGETS, 6000, np.random.default_rng(0), alpha=2.0)
    for label, share in (("a", 40 / 60), ("b", 15 / 60), ("c", 5 / 60)):
        low, high = stats.binom(6000, share).ppf([1e-6, 1 - 1e-6])
        assert low <= (labels == label).sum() <= high
        of_class = features[label == TARGETS]
        assert rows[labels == label].mean() == pytest.approx(of_class.mean(), abs=0.1 * np.ptp(of_class))


def test_the_share_is_drawn_from_beta():
    features = np.array([[0.0], [1.0]])
    rows, _ = mixed_within_class(features, np.zeros(2), 5000, np.random.default_rng(0), alpha=0.4)
    assert stats.kstest(rows[:, 0], stats.beta(0.4, 0.4).cdf).pvalue > 1e-4


def test_the_partner_is_another_row_and_each_as_likely():
    features, targets = np.eye(4), np.array([0, 0, 0, 1])
    rows, labels = mixed_within_class(features, targets, 6000, np.random.default_rng(0))
    assert all(np.count_nonzero(row) == 2 for row in rows[labels == 0])
    np.testing.assert_array_equal(rows[labels == 1], np.tile(features[3], ((labels == 1).sum(), 1)))  # it is alone
    pairs = [tuple(np.flatnonzero(row)) for row in rows[labels == 0]]
    counts = np.array([pairs.count(pair) for pair in ((0, 1), (0, 2), (1, 2))])
    assert stats.chisquare(counts).pvalue > 1e-4


def test_missing_and_categorical_cells_come_whole_from_the_nearer_row():
    features = np.array([[0.0, 3.0, np.nan], [1.0, 7.0, 5.0]])
    rows, _ = mixed_within_class(features, np.zeros(2), 300, np.random.default_rng(0), categorical=[1])
    nearer = features[(rows[:, 0] > 0.5).astype(int)]
    np.testing.assert_array_equal(rows[:, 1:], nearer[:, 1:])


def test_jitter_has_the_spread_that_was_asked_for():
    features = table(n=20000)
    noise = (jittered(features, 0.2, np.random.default_rng(1)) - features) / features.std(axis=0)
    np.testing.assert_allclose(noise.std(axis=0), 0.2, rtol=0.03)
    np.testing.assert_allclose(noise.mean(axis=0), 0, atol=0.01)
    assert all(stats.kstest(column / 0.2, "norm").pvalue > 1e-4 for column in noise.T)
    assert abs(np.corrcoef(noise.T) - np.eye(D)).max() < 0.05


def test_jitter_leaves_constant_missing_and_categorical_cells():
    features = np.column_stack([np.full(50, 0.1), np.arange(50.0), np.full(50, np.nan), np.arange(50.0)])
    features[:10, 3] = np.nan
    noisy = jittered(features, 0.5, np.random.default_rng(0), categorical=[1])
    np.testing.assert_array_equal(noisy[:, :3], features[:, :3])
    np.testing.assert_array_equal(np.isnan(noisy), np.isnan(features))
    assert (noisy[10:, 3] != features[10:, 3]).all()
    np.testing.assert_array_equal(jittered(features[:1], 0.5, np.random.default_rng(0)), features[:1])  # one row


def test_missing_cells_do_not_count_for_the_spread():
    features = np.where(np.random.default_rng(0).random((20000, 1)) < 0.5, np.nan, table(n=20000, d=1))
    noise = jittered(features, 1.0, np.random.default_rng(1)) - features
    assert np.nanstd(noise) == pytest.approx(np.nanstd(features), rel=0.03)


@pytest.mark.parametrize("n_smallest", [2, 5, 30])
def test_smote_balances_and_keeps_the_given_rows(n_smallest):
    features, targets = table(n=35 + n_smallest), np.array([0] * 35 + [7] * n_smallest)
    rows, labels = smote(features, targets, np.random.default_rng(0))
    assert np.unique(labels, return_counts=True)[1].tolist() == [35, 35]
    np.testing.assert_array_equal(rows[: len(features)], features)
    np.testing.assert_array_equal(labels[: len(targets)], targets)
    assert (labels[len(targets) :] == 7).all()
    assert all(lies_between_two(row, features[targets == 7]) for row in rows[len(features) :])


def test_smote_stays_among_the_near_neighbours():
    cluster = np.array([[0.0], [1.0], [2.0], [100.0], [101.0], [102.0]])
    features = np.concatenate([cluster, np.linspace(40, 60, 200)[:, None]])
    rows, labels = smote(features, np.repeat([1, 0], [6, 200]), np.random.default_rng(0), n_neighbours=2)
    new = rows[206:, 0]
    assert ((new <= 2) | (new >= 100)).all()
    assert new.min() < 1 < 101 < new.max()
    assert len(labels) == 400


def test_smote_takes_categories_over():
    features = np.column_stack([table(), np.random.default_rng(0).integers(0, 3, N)])
    rows, labels = smote(features, TARGETS, np.random.default_rng(0), categorical=[3])
    assert set(rows[:, 3]) == {0.0, 1.0, 2.0}
    np.testing.assert_array_equal(rows[:N], features)
    assert np.unique(labels, return_counts=True)[1].tolist() == [40] * 3


def test_balanced_classes_come_back_as_they_are():
    rows, labels = smote(table(), np.arange(N) % 3, np.random.default_rng(0))
    np.testing.assert_array_equal(rows, table())
    np.testing.assert_array_equal(labels, np.arange(N) % 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda x, _: (x, np.array(["a"] * 59 + ["rare"])),
            "the class 'rare' has a single row, SMOTE needs two; smote; ",
        ),
        (lambda x, y: (np.where(x == x[0, 1], np.nan, x), y), "column 1 has missing cells, SMOTE knows no distance"),
        (lambda x, y: (x, y[:-1]), r"targets have the shape (59,), expected (60,); targets"),
        (lambda x, y: (x[0], y), r"rows have the shape (3,), expected (n, d) with one or more of both; features"),
        (lambda x, y: (x[:0], y[:0]), r"rows have the shape (0, 3), expected (n, d) with one or more of both"),
        (lambda x, y: (np.where(x == x[0, 1], np.inf, x), y), "an infinite cell; features; write NaN where"),
    ],
)
def test_rows_that_smote_cannot_use_are_named(change, message):
    with pytest.raises(DataError) as raised:
        smote(*change(table(), TARGETS), np.random.default_rng(0))
    assert str(raised.value).startswith(message)


def test_smote_needs_a_number_to_go_by():
    with pytest.raises(DataError, match="every column is categorical, SMOTE needs a number to go by; smote"):
        smote(table(), TARGETS, np.random.default_rng(0), categorical=np.arange(D))


def test_what_two_rows_have_in_common_stays_exactly():
    features = np.column_stack([np.arange(10.0), np.full(10, 0.1)])
    rows, _ = mixed_within_class(features, np.zeros(10), 500, np.random.default_rng(0))
    assert set(rows[:, 1]) == {0.1}


def test_amounts_out_of_range_are_named():
    rng = np.random.default_rng(0)
    for alpha in (0, np.inf, np.nan):
        with pytest.raises(UsageError, match=rf"alpha is {alpha}, expected a number above 0"):
            mixed_within_class(table(), TARGETS, 5, rng, alpha=alpha)
    with pytest.raises(UsageError, match=r"n_rows is -1, expected 0 or more"):
        mixed_within_class(table(), TARGETS, -1, rng)
    for amount in (-0.1, np.inf, np.nan):
        with pytest.raises(UsageError, match=rf"the amount is {amount}, expected a number from 0 on"):
            jittered(table(), amount, rng)
    with pytest.raises(UsageError, match=r"there is no column 3, they run from 0 to 2; categorical"):
        jittered(table(), 0.1, rng, categorical=[3])
    with pytest.raises(UsageError, match=r"n_neighbours is 0, expected 1 or more"):
        smote(table(), TARGETS, rng, n_neighbours=0)


def test_smote_without_its_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "imblearn", None)
    monkeypatch.delitem(sys.modules, "imblearn.over_sampling", raising=False)
    with pytest.raises(MissingPackage, match=r"'imblearn', which is not installed; pip install 'handful\[tables\]'"):
        smote(table(), TARGETS, np.random.default_rng(0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "make",
    [
        lambda x, rng: mixed_within_class(x, TARGETS, 30, rng)[0],
        lambda x, rng: jittered(x, 0.1, rng),
        lambda x, rng: smote(x, TARGETS, rng)[0],
    ],
    ids=["mixed", "jittered", "smote"],
)
def test_the_same_seed_gives_the_same_and_the_input_is_untouched(make, dtype):
    features = table().astype(dtype)
    features.flags.writeable = False
    first, again, other = (make(features, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first.tobytes() == again.tobytes() != other.tobytes()
    assert first.dtype == dtype
