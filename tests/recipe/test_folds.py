from collections import Counter

import numpy as np
import pytest

from handful.recipe.folds import LEAST_REPEATS, MOST_FOLDS, MOST_REPEATS, folds_of

SETTINGS = {
    "balanced": (np.arange(60) % 3, np.arange(60)),
    "unbalanced": (np.r_[np.zeros(40, int), np.ones(7, int)], np.arange(47)),
    "pairs": (np.arange(60) // 2 % 3, np.arange(60) // 2),
    "two of each class": (np.arange(6) % 3, np.arange(6)),
}


@pytest.fixture(params=SETTINGS.values(), ids=list(SETTINGS))
def setting(request):
    return request.param


def test_every_model_sees_every_class_and_no_unit_is_parted(setting):
    targets, units = setting
    folds = folds_of(targets, units, seed=0)
    for row in (*folds.many, *folds.few):
        assert all(len(set(row[units == unit])) == 1 for unit in units)
        for fold in np.unique(row):
            assert set(targets[row != fold]) == set(targets)


def test_the_few_are_whole_folds_of_the_first_repeat(setting):
    folds = folds_of(*setting, seed=0)
    assert folds.few.shape == (1, len(setting[0]))
    assert all(len(set(folds.few[0, folds.many[0] == fold])) == 1 for fold in np.unique(folds.many[0]))
    assert len(np.unique(folds.few)) == min(5, folds.n_folds)
    assert len(np.unique(folds_of(*setting, seed=0, few=2).few)) == 2


def test_classes_are_spread_evenly_over_the_many_and_the_few():
    targets, units = SETTINGS["balanced"]
    folds = folds_of(targets, units, seed=0)
    assert folds.n_folds == MOST_FOLDS == 20
    for row in (*folds.many, *folds.few):
        for target in range(3):
            counts = Counter(row[targets == target]).values()
            assert max(counts) - min(counts) == 0  # 60 examples, three classes: one of each in every fold


def test_small_sets_are_repeated_more_often_within_limits():
    repeats = {n: len(folds_of(np.arange(n) % 2, np.arange(n), seed=0).many) for n in (20, 250, 4000)}
    assert repeats == {20: MOST_REPEATS, 250: 4, 4000: LEAST_REPEATS}


def test_a_class_of_one_unit_leaves_nothing_to_validate_on():
    assert folds_of(np.array([0, 0, 0, 1]), np.arange(4), seed=0) is None
    assert folds_of(np.array([0, 0, 0, 1, 1]), np.array([0, 1, 2, 3, 3]), seed=0) is None


def test_the_seed_deals():
    first, again, other = (folds_of(*SETTINGS["balanced"], seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.many, again.many)
    assert (first.many != other.many).any()
    assert first.of(is_trained=True) is first.few
    assert first.of(is_trained=False) is first.many
