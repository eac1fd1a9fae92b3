import numpy as np
import pytest

from handful.nn.linear import one_hot, ridge_once
from handful.unsupervised import labelling
from handful.unsupervised.label_propagation import label_propagation
from handful.unsupervised.labelling import (
    PENALTY,
    Labelling,
    balanced,
    confidence,
    expected_shares,
    head_on_both,
    sharpened,
    typicality,
)
from handful.unsupervised.neighbour_graph import NeighbourGraph
from handful.unsupervised.self_training import self_training
from handful.unsupervised.soft_kmeans import SHARPNESS, soft_kmeans

CENTRES = 0.45 * np.eye(3, 8)
METHODS = [soft_kmeans, label_propagation, self_training]


def blobs(counts, seed, noise=0.08):
    """Round clusters in 8 dimensions of about the size that prepared features have, and which is which."""
    targets = np.repeat(np.arange(3), counts)
    return CENTRES[targets] + noise * np.random.default_rng(seed).normal(size=(len(targets), 8)), targets


def test_what_lies_as_near_as_labels_to_one_another_is_typical_and_what_lies_farther_is_not():
    labelled = np.array([[0.0, 0], [1, 0], [0, 1]])
    pool = np.array([[0.1, 0.1], [0.5, 0.5], [2.5, 0], [9, 9]])
    found = typicality(labelled, pool)
    assert (found[:2] > 0.99).all()
    assert (found[2:] < 0.01).all()


def test_confidence_is_nought_where_all_classes_are_alike_and_one_where_only_one_is_left():
    np.testing.assert_allclose(confidence(np.array([[0.25] * 4, [1, 0, 0, 0]])), [0, 1], atol=1e-6)


def test_sharpened_rows_are_powers_that_sum_to_one():
    np.testing.assert_allclose(sharpened(np.array([[0.2, 0.4]]), 2), [[0.2, 0.8]])


def test_balancing_brings_the_shares_of_what_counts_to_what_is_expected():
    rng = np.random.default_rng(0)
    shares, weights = rng.dirichlet([3, 1, 1], 200), (rng.random(200) < 0.5).astype(float)
    found = balanced(shares, np.array([0.2, 0.3, 0.5]), weights)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(found[weights > 0].mean(axis=0), [0.2, 0.3, 0.5], atol=0.01)


def test_guessed_shares_count_the_more_the_more_labels_they_rest_on():
    guessed, weights = one_hot(np.zeros(10, np.int64), 2), np.ones(10)
    few, many = (expected_shares(np.arange(2 * n) % 2, 2, guessed, weights)[0] for n in (1, 98))
    assert (few, many) == (pytest.approx(0.5 + 0.5 / 3), pytest.approx(0.99))


def test_the_head_of_a_pool_that_counts_nothing_is_that_of_the_labels():
    (rows, targets), (pool, _) = blobs([2, 2, 2], 0), blobs([9, 9, 9], 1)
    nothing = Labelling(np.full((27, 3), 1 / 3), np.zeros(27))
    expected = ridge_once(rows, one_hot(targets, 3), PENALTY)
    np.testing.assert_allclose(head_on_both(rows[:, None], targets, pool, nothing).weight, expected.weight, atol=1e-8)


def test_neither_a_larger_pool_nor_more_views_of_the_labels_shift_the_weight_between_them(monkeypatch):
    monkeypatch.setattr(labelling, "PENALTY", 1e-9)
    (rows, targets), (pool, truth) = blobs([2, 2, 2], 0, noise=0.2), blobs([9, 9, 9], 1, noise=0.2)
    expected = head_on_both(rows[:, None], targets, pool, Labelling(np.eye(3)[truth], np.ones(27)))
    for n_views, times in ((1, 20), (4, 1)):
        known = Labelling(np.eye(3)[np.tile(truth, times)], np.ones(27 * times))
        found = head_on_both(rows[:, None].repeat(n_views, axis=1), targets, np.tile(pool, (times, 1)), known)
        np.testing.assert_allclose(found.weight, expected.weight, atol=1e-5)


# What holds for every way to label a pool


@pytest.mark.parametrize("method", METHODS)
def test_clusters_are_labelled_from_one_example_each(method):
    (rows, targets), (pool, truth) = blobs([1, 1, 1], 0), blobs([60, 60, 60], 1)
    found = method(rows, targets, 3, NeighbourGraph(pool))
    assert (found.shares.argmax(axis=1) == truth).mean() > 0.97
    np.testing.assert_allclose(found.shares.sum(axis=1), 1)
    assert ((found.weights >= 0) & (found.weights <= 1)).all()
    assert found.weights.mean() > 0.3


@pytest.mark.parametrize("n_each", [1, 5])
@pytest.mark.parametrize("method", METHODS)
def test_a_pool_that_is_half_foreign_is_labelled_as_if_it_were_not_and_the_foreign_count_little(method, n_each):
    (rows, targets), (pool, truth) = blobs([n_each] * 3, 0), blobs([60, 60, 60], 1)
    foreign = np.r_[np.zeros(5), 0.9, 0.9, 0] + 0.1 * np.random.default_rng(2).normal(size=(180, 8))
    found = method(rows, targets, 3, NeighbourGraph(np.concatenate([pool, foreign])))
    assert (found.shares[:180].argmax(axis=1) == truth).mean() > 0.97
    assert found.weights[180:].mean() < 0.05 * found.weights[:180].mean()


@pytest.mark.parametrize("method", METHODS)
def test_a_pool_of_other_shares_than_the_labels_does_not_ruin_the_labels(method):
    (rows, targets), (pool, _) = blobs([5, 5, 5], 0), blobs([150, 20, 10], 1)
    found = method(rows, targets, 3, NeighbourGraph(pool))
    head = head_on_both(rows[:, None], targets, pool, found)
    tested, wanted = blobs([50, 50, 50], 3)
    assert (head(tested).argmax(axis=1) == wanted).mean() > 0.95


@pytest.mark.parametrize("method", METHODS)
def test_a_pool_of_one_and_one_of_copies_are_labelled(method):
    rows, targets = blobs([2, 2, 2], 0)
    for pool in (rows[:1] + 0.01, np.repeat(rows[:1] + 0.01, 30, axis=0)):
        found = method(rows, targets, 3, NeighbourGraph(pool))
        assert np.isfinite(found.shares).all()
        assert np.isfinite(head_on_both(rows[:, None], targets, pool, found).weight).all()


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_the_pool_does_not_matter(method):
    (rows, targets), (pool, _) = blobs([2, 2, 2], 0, noise=0.2), blobs([30, 20, 10], 1, noise=0.2)
    order = np.random.default_rng(5).permutation(60)
    one, other = (method(rows, targets, 3, NeighbourGraph(some)) for some in (pool, pool[order]))
    np.testing.assert_allclose(other.shares, one.shares[order], atol=1e-6)


def test_soft_kmeans_is_what_its_formulas_say():
    (rows, targets), (pool, _) = blobs([2, 3, 1], 0, noise=0.2), blobs([9, 9, 9], 1, noise=0.2)
    typical, labels = typicality(rows, pool), np.eye(3)[targets]
    means = np.stack([rows[targets == k].mean(axis=0) for k in range(3)])
    for _ in range(4):
        powers = np.array([[np.exp(-SHARPNESS * ((x - c) ** 2).sum()) for c in means] for x in pool])
        shares = powers / powers.sum(axis=1, keepdims=True)
        taken = 2 * 3 / typical.sum() * typical[:, None] * shares
        means = (labels.T @ rows + taken.T @ pool) / (labels.sum(axis=0) + taken.sum(axis=0))[:, None]
    np.testing.assert_allclose(soft_kmeans(rows, targets, 3, NeighbourGraph(pool)).shares, shares, atol=1e-9)


def test_propagation_follows_a_chain_where_distances_mislead():
    """Two half rings: the end of one lies nearer to the label of the other."""
    angles = np.linspace(0, np.pi, 60)
    upper, lower = np.c_[np.cos(angles), np.sin(angles)], np.c_[1 - np.cos(angles), 0.4 - np.sin(angles)]
    pool, truth = np.concatenate([upper, lower]), np.repeat([0, 1], 60)
    labelled = np.stack([upper[5], lower[5]]) + 1e-3
    found = label_propagation(labelled, np.array([0, 1]), 2, NeighbourGraph(pool))
    nearest = np.square(pool[:, None] - labelled).sum(axis=2).argmin(axis=1)
    assert (found.shares.argmax(axis=1) == truth).mean() > 0.95 > (nearest == truth).mean()
