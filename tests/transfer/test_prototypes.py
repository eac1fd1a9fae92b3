from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid

from handful.core.errors import DataError
from handful.nn.backbone import Backbone, InputSpec, Layer
from handful.nn.linear import one_hot
from handful.transfer.probe import prepare
from handful.transfer.prototypes import PrototypeRows, Prototypes, class_sums

N, N_VIEWS, N_CLASSES = 24, 3, 3
TARGETS = np.arange(N) % N_CLASSES
UNITS = np.r_[0, 0, 1, 1, 1, np.arange(2, N - 3)]  # a pair and a triple stay together


@dataclass(frozen=True)
class Net(Backbone):
    """Two layers of features, and nothing behind them."""

    name = licence = fingerprint = "net"
    spec = InputSpec(8, (0.0,), (1.0,))
    last = ("deep",)
    layers: tuple[Layer, ...] = (Layer("shallow", 12), Layer("deep", 20))

    @property
    def graph_bytes(self):
        raise NotImplementedError

    def module(self):
        raise NotImplementedError


def features(targets=TARGETS, seed=0):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(N_CLASSES, 1, 32))[targets]
    return np.abs(centres + rng.normal(size=(len(targets), N_VIEWS, 32))).astype(np.float16)


def rows_of(settings, targets=TARGETS, units=UNITS):
    return PrototypeRows(settings, features(targets), Net(), targets, N_CLASSES, units)


def refitted(settings, targets, labels):
    """The slow way: for each label, means and scatter of all other examples, view by view; then squared distances."""
    prepared = prepare(features(targets), Net().columns(settings.layers), settings.power).astype(np.float64)
    scores = np.empty((len(targets), N_CLASSES))
    for label in np.unique(labels):
        train, test = labels != label, labels == label
        rows = prepared[train][:, list(settings.views)].mean(axis=1)
        groups = [rows[targets[train] == k] for k in range(N_CLASSES)]
        means = [group.mean(axis=0) for group in groups]
        within = sum(((group - mean) ** 2).sum() for group, mean in zip(groups, means, strict=True))
        scatter = within / (len(rows) - N_CLASSES)
        for k, (group, mean) in enumerate(zip(groups, means, strict=True)):
            by_view = [
                (np.square(view) - np.square(view - mean)).sum(axis=1)
                for view in (prepared[test, at] for at in settings.test_views)
            ]
            scores[test, k] = (np.mean(by_view, axis=0) + scatter / len(group)) / 2
    return scores


SETTINGS = {
    "one view": Prototypes(("deep",), power=1),
    "all views": Prototypes(("shallow", "deep"), views=(0, 1, 2)),
    "mirrored at test": Prototypes(("deep",), views=(0, 1), test_views=(0, 1)),
    "other views at test": Prototypes(("deep",), views=(2, 0), test_views=(1,)),
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_leave_one_out_is_refitting_without_the_unit_and_all_its_views(settings):
    expected = refitted(settings, TARGETS, UNITS)
    np.testing.assert_allclose(rows_of(settings).leave_one_out(), expected, atol=1e-6)
    apart = rows_of(settings, units=np.arange(N)).leave_one_out()
    assert np.abs(apart - expected)[:5].max() > 1e-4  # units matter


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_out_of_fold_is_refitting_without_the_fold(settings):
    folds = np.stack([np.random.default_rng(seed).permutation(N) % 4 for seed in range(3)])
    scores = rows_of(settings).out_of_fold(folds)
    assert scores.shape == (3, N, N_CLASSES)
    for repeat, fold in enumerate(folds):
        np.testing.assert_allclose(scores[repeat], refitted(settings, TARGETS, fold), atol=1e-6)


def test_the_head_is_the_nearest_mean_when_classes_are_equally_large():
    rows = rows_of(SETTINGS["all views"])
    others = np.random.default_rng(5).normal(size=(200, 32)) * 0.1 + rows.rows.mean(axis=0)
    expected = NearestCentroid().fit(rows.rows, TARGETS).predict(others)
    assert len(set(expected)) == N_CLASSES
    np.testing.assert_array_equal(rows.fit()(others).argmax(axis=1), expected)


def test_refitting_on_some_is_the_head_of_these():
    rows, kept, tested = rows_of(SETTINGS["mirrored at test"]), np.arange(12), np.arange(12, N)
    head = class_sums(rows.rows[kept], one_hot(TARGETS[kept], N_CLASSES)).head()
    np.testing.assert_allclose(rows.refitted(kept, tested), head(rows.tested[tested]))
    assert not np.allclose(rows.refitted(kept, tested), rows.fit()(rows.tested[tested]))


def test_a_rare_class_is_not_predicted_less_for_being_rare():
    """Pure noise, 2 examples against 60: the nearest raw mean is nearly always the class of 60."""
    rng = np.random.default_rng(0)
    shares, raw_shares = [], []
    for _ in range(30):
        rows, targets = rng.normal(size=(62, 40)), np.r_[0, 0, np.ones(60, dtype=int)]
        head, new = class_sums(rows, one_hot(targets, 2)).head(), rng.normal(size=(200, 40))
        shares.append((head(new).argmax(axis=1) == 0).mean())
        raw_shares.append((NearestCentroid().fit(rows, targets).predict(new) == 0).mean())
    assert 0.35 < np.mean(shares) < 0.65
    assert np.mean(raw_shares) < 0.05


def test_leave_one_out_never_sees_the_label_that_it_predicts():
    rows = rows_of(SETTINGS["all views"])
    renamed = TARGETS.copy()
    renamed[-1] = (renamed[-1] + 1) % N_CLASSES
    after = PrototypeRows(SETTINGS["all views"], features(), Net(), renamed, N_CLASSES, UNITS).leave_one_out()
    np.testing.assert_allclose(after[-1], rows.leave_one_out()[-1], atol=1e-9)
    assert not np.allclose(after[:-1], rows.leave_one_out()[:-1])


def test_without_its_only_example_a_class_cannot_win():
    targets = np.array([0, 1, 1, 2, 2])
    scores = rows_of(SETTINGS["one view"], targets, np.arange(5)).leave_one_out()
    assert np.isfinite(scores).all()
    assert scores[0, 0] == scores[0, 1:].min()
    assert scores[0].argmax() != 0


def test_a_single_example_of_each_class_is_its_own_prototype():
    targets = np.arange(N_CLASSES)
    rows = rows_of(SETTINGS["one view"], targets, targets)
    np.testing.assert_allclose(rows.fit().weight.T, rows.rows)
    assert (rows.fit()(rows.rows).argmax(axis=1) == targets).all()


def test_a_class_without_examples_and_one_unit_of_everything_are_refused():
    with pytest.raises(DataError, match="class number 1 has no example"):
        rows_of(SETTINGS["one view"], np.array([0, 0, 2, 2]), np.arange(4))
    with pytest.raises(DataError, match="all examples are left out together"):
        rows_of(SETTINGS["one view"], units=np.zeros(N, dtype=int)).leave_one_out()


# Unlabelled examples
