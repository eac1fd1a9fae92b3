from itertools import islice

import numpy as np
import pytest

from handful.core.errors import DataError, UsageError
from handful.training.batches import Batches, balanced_order


@pytest.mark.parametrize("smallest", [1, 2, 4])
@pytest.mark.parametrize("size", [1, 2, 5, 8, 100])
def test_every_example_comes_once_an_epoch_and_no_batch_is_too_small(size, smallest):
    for n in range(1, 30):
        batches = Batches(n, size, 0, smallest)
        epoch = batches.epoch(3)
        assert sorted(np.concatenate(epoch)) == list(range(n))
        assert len(epoch) == batches.per_epoch
        assert [len(rows) for rows in epoch[:-1]] == [size] * (len(epoch) - 1)
        assert len(epoch[-1]) >= min(smallest, size, n)
        assert len(epoch[-1]) < size + smallest


def test_the_only_example_is_a_batch():
    assert [rows.tolist() for rows in Batches(1, 32, 0, smallest=2).epoch(0)] == [[0]]


def test_going_on_anywhere_is_the_same_as_having_come_there():
    batches = Batches(10, 3, 5)
    straight = [(epoch, rows.tolist()) for epoch, rows in islice(batches.after(0), 15)]
    for n_done in range(11):
        went_on = [(epoch, rows.tolist()) for epoch, rows in islice(batches.after(n_done), 4)]
        assert went_on == straight[n_done : n_done + 4]
    assert [epoch for epoch, _ in straight] == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 3


def test_epochs_and_seeds_differ_and_repeat():
    order = np.concatenate(Batches(50, 50, 0).epoch(0)).tolist()
    assert order == np.concatenate(Batches(50, 7, 0).epoch(0)).tolist()
    assert order != np.concatenate(Batches(50, 50, 0).epoch(1)).tolist()
    assert order != np.concatenate(Batches(50, 50, 1).epoch(0)).tolist()


def test_balanced_epochs_have_every_class_equally_often():
    labels = np.repeat([0, 1, 2], [50, 9, 2])
    for seed in range(20):
        order = balanced_order(labels, np.random.default_rng(seed))
        assert len(order) == 61
        assert sorted(np.bincount(labels[order])) == [20, 20, 21]
        often = np.bincount(order, minlength=61)
        assert often[:50].max() == 1  # the large class: a part of it, none twice
        assert set(often[50:59]) <= {2, 3}  # the others: all of them, as often as each other
        assert set(often[59:]) <= {10, 11}


def test_over_epochs_all_of_a_large_class_is_seen():
    labels = np.repeat([0, 1], [40, 4])
    batches = Batches(44, 8, 0, labels=labels)
    seen = {row for epoch in range(12) for rows in batches.epoch(epoch) for row in rows.tolist()}
    assert seen == set(range(44))


def test_nothing_to_train_on_is_said():
    with pytest.raises(DataError, match="no examples"):
        Batches(0, 8, 0)
    with pytest.raises(UsageError, match="batch_size=0"):
        Batches(5, 0, 0)
    with pytest.raises(DataError, match=r"labels of shape \(4,\) for 5 examples"):
        Batches(5, 2, 0, labels=np.zeros(4, np.int64))
