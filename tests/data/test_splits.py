import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handful.core.errors import UsageError
from handful.data.splits import choose_n_folds, repeated_folds


def counts(values, n):
    return np.bincount(values, minlength=n)


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(2, 23), min_size=1, max_size=6), n_folds=st.integers(2, 6), seed=st.integers(0, 9))
def test_single_examples_are_stratified_exactly(sizes, n_folds, seed):
    rng = np.random.default_rng(seed)
    targets = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    n_folds = min(n_folds, len(targets))
    for folds in repeated_folds(targets, np.arange(len(targets)), n_folds, 3, rng):
        assert np.ptp(counts(folds, n_folds)) <= 1
        for target in range(len(sizes)):
            assert np.ptp(counts(folds[targets == target], n_folds)) <= 1


@settings(max_examples=50, deadline=None)
@given(
    examples=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 20)), min_size=4, max_size=80),
    seed=st.integers(0, 9),
)
def test_a_unit_is_never_parted_and_every_fold_is_used(examples, seed):
    targets, units = np.array(examples).T
    n_folds = min(4, len(np.unique(units)))
    if n_folds < 2:
        return
    for folds in repeated_folds(targets, units, n_folds, 2, np.random.default_rng(seed)):
        assert all(len(set(folds[units == unit])) == 1 for unit in units)
        assert set(folds) == set(range(n_folds))


def test_patients_of_many_sizes_are_spread_evenly():
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 12, 60)
    units = np.repeat(np.arange(60), sizes)
    targets = np.repeat(rng.integers(0, 3, 60), sizes)
    (folds,) = repeated_folds(targets, units, 5, 1, rng)
    for target in range(3):
        assert np.ptp(counts(folds[targets == target], 5)) <= sizes.max() / 2


def test_every_class_with_enough_units_is_in_every_fold():
    units = np.array([0, 0, 0, 0, 1, 2, 3, 4, 5, 6])
    targets = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
    n_folds = choose_n_folds(targets, units)
    assert n_folds == 3
    for folds in repeated_folds(targets, units, n_folds, 5, np.random.default_rng(0)):
        assert all(set(folds[targets == target]) == {0, 1, 2} for target in (0, 1))


def test_repeats_differ_and_seeds_repeat():
    targets = np.repeat([0, 1], 20)
    first, again = (repeated_folds(targets, np.arange(40), 5, 4, np.random.default_rng(3)) for _ in range(2))
    assert (first == again).all()
    assert first.shape == (4, 40)
    assert first.dtype == np.int64
    assert len(np.unique(first, axis=0)) == 4


def test_who_sits_with_whom_is_uniform():
    together = repeated_folds(np.zeros(6, int), np.arange(6), 3, 3000, np.random.default_rng(0))
    share = (together[:, :1] == together[:, 1:]).mean(axis=0)
    assert np.abs(share - 1 / 5).max() < 0.03


def test_number_of_folds():
    targets = np.array([0] * 30 + [1] * 7)
    assert choose_n_folds(targets, np.arange(37)) == 7
    assert choose_n_folds(targets, np.arange(37), most=5) == 5
    assert choose_n_folds(targets, np.r_[np.arange(30), np.repeat([50, 51], [3, 4])]) == 2
    assert choose_n_folds(targets, np.r_[np.arange(30), np.repeat(50, 7)]) == 0
    assert choose_n_folds(np.array([0, 1]), np.arange(2)) == 0


@pytest.mark.parametrize("n_folds", [1, 5])
def test_folds_that_cannot_be_are_refused(n_folds):
    with pytest.raises(UsageError, match=f"{n_folds} folds of 4 units; n_folds; choose at least 2"):
        repeated_folds(np.array([0, 0, 1, 1]), np.arange(4), n_folds, 1, np.random.default_rng(0))
