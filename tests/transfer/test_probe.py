from dataclasses import dataclass

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LinearRegression, Ridge

from handful.evaluate.arrays import softmax
from handful.evaluate.metrics import log_loss
from handful.nn.backbone import Backbone, InputSpec, Layer
from handful.nn.linear import PENALTIES, balanced_weights
from handful.transfer.probe import LOGISTIC_PENALTY, LOGISTIC_REPEATS, Probe, ProbeRows, prepare

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


def features(dims=(12, 20), seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(N_CLASSES, 1, sum(dims)))[TARGETS]
    return (np.abs(centres + rng.normal(size=(N, N_VIEWS, sum(dims)))) * 3).astype(np.float16)


def rows_of(probe, net=None, found=None):
    found = features() if found is None else found
    return ProbeRows(probe, found, net or Net(), TARGETS, N_CLASSES, UNITS)


def refitted(probe, found, net, penalty, labels):
    """The slow way: for each label, fit on all views of the other examples and predict the test views."""
    prepared = prepare(found, net.columns(probe.layers), probe.power).astype(np.float64)
    weights = np.ones(N)
    if probe.class_weights == "balanced":
        weights = balanced_weights(TARGETS)
    scores = np.empty((N, N_CLASSES))
    for label in np.unique(labels):
        train, test = labels != label, labels == label
        rows = prepared[train][:, list(probe.views)].reshape(-1, prepared.shape[-1])
        wanted = np.repeat(np.eye(N_CLASSES)[TARGETS[train]], len(probe.views), axis=0)
        model = LinearRegression() if penalty == 0 else Ridge(alpha=penalty, solver="svd")
        model.fit(rows, wanted, sample_weight=np.repeat(weights[train], len(probe.views)))
        scores[test] = np.mean([model.predict(prepared[test, view]) for view in probe.test_views], axis=0)
    return scores


PROBES = {
    "one view": Probe(("deep",), power=1),
    "all layers, root": Probe(("shallow", "deep"), power=0.5),
    "all views": Probe(("shallow", "deep"), views=(0, 1, 2)),
    "mirrored at test": Probe(("deep",), views=(0, 1), test_views=(0, 1)),
    "views out of order": Probe(("deep",), views=(2, 0), test_views=(0,)),
    "balanced": Probe(("deep",), views=(0, 1, 2), test_views=(0, 1), class_weights="balanced"),
}


@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)
def test_leave_one_out_is_refitting_without_the_unit_and_all_its_views(probe):
    rows = rows_of(probe)
    relative = [1e-3, 0.1, 10.0]
    scores = rows.leave_one_out(relative)
    for at, penalty in enumerate(relative):
        expected = refitted(probe, features(), Net(), penalty * rows.space.unit_penalty, UNITS)
        np.testing.assert_allclose(scores[at], expected, atol=1e-4)  # features are float32


def test_with_a_vanishing_penalty_it_is_least_squares():
    """Two layers of three columns: rows outnumber dimensions, so least squares is defined."""
    net, found, probe = Net((Layer("shallow", 3), Layer("deep", 3))), features((3, 3)), PROBES["all views"]
    scores = rows_of(probe, net, found).leave_one_out([1e-9])[0]
    np.testing.assert_allclose(scores, refitted(probe, found, net, 0, UNITS), atol=1e-4)


@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)
def test_out_of_fold_is_refitting_without_the_fold(probe):
    rows = rows_of(probe)
    folds = np.stack([np.random.default_rng(seed).permutation(N) % 4 for seed in range(3)])
    scores = rows.out_of_fold(folds, 0.1)
    assert scores.shape == (3, N, N_CLASSES)
    for repeat, fold in enumerate(folds):
        expected = refitted(probe, features(), Net(), 0.1 * rows.space.unit_penalty, fold)
        np.testing.assert_allclose(scores[repeat], expected, atol=1e-4)


def test_leave_one_out_never_sees_the_label_that_it_predicts():
    """An example that is alone in its unit is scored the same whatever it is called."""
    probe = PROBES["all views"]
    before = rows_of(probe).leave_one_out([0.1])[0]
    renamed = TARGETS.copy()
    renamed[-1] = (renamed[-1] + 1) % N_CLASSES
    after = ProbeRows(probe, features(), Net(), renamed, N_CLASSES, UNITS).leave_one_out([0.1])[0]
    np.testing.assert_allclose(after[-1], before[-1], atol=1e-9)
    assert not np.allclose(after[:-1], before[:-1])


def test_the_mirrored_view_at_test_time_is_the_average_of_both():
    both = rows_of(Probe(("deep",), views=(0, 1), test_views=(0, 1))).leave_one_out([0.1])
    plain, mirrored = (rows_of(Probe(("deep",), views=(0, 1), test_views=(v,))).leave_one_out([0.1]) for v in (0, 1))
    np.testing.assert_allclose(both, (plain + mirrored) / 2)


def test_the_head_predicts_what_ridge_regression_does():
    probe = PROBES["balanced"]
    rows = rows_of(probe)
    head = rows.fit(0.1)
    expected = Ridge(alpha=0.1 * rows.space.unit_penalty, solver="svd").fit(
        rows.rows, rows.outputs, sample_weight=balanced_weights(rows.row_targets)
    )
    np.testing.assert_allclose(head(rows.rows), expected.predict(rows.rows), atol=1e-5)


def test_the_penalty_is_chosen_once_and_for_all():
    chosen = {rows_of(PROBES["all views"]).best_penalty() for _ in range(3)}
    assert len(chosen) == 1
    assert chosen <= set(PENALTIES.tolist())


def test_the_penalty_does_not_depend_on_the_size_of_the_features():
    """Its unit is the mean squared norm of a row, and layers are brought to unit length."""
    plain, louder = (rows_of(PROBES["one view"], found=features() * np.float16(factor)) for factor in (1, 8))
    assert louder.best_penalty() == plain.best_penalty()


@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)
def test_the_penalty_has_the_least_log_loss_once_each_has_its_best_temperature(probe):
    rows = rows_of(probe)

    def best_loss(scores):
        return minimize_scalar(lambda log: log_loss(TARGETS, softmax(np.exp(log) * scores)), bounds=(-3, 6)).fun

    losses = np.array([best_loss(scores) for scores in rows.leave_one_out(PENALTIES)])
    assert losses[PENALTIES.tolist().index(rows.best_penalty())] < losses.min() + 0.01
    assert losses.max() > losses.min() + 0.05  # there was something to choose


def test_each_layer_weighs_the_same_whatever_its_scale():
    columns = Net().columns(("shallow", "deep"))
    found = features()[:, 0].astype(np.float32)
    louder = found.copy()
    louder[:, columns[1]] *= 100
    for power in (0.5, 1):
        prepared = prepare(found, columns, power)
        np.testing.assert_allclose(prepare(louder, columns, power), prepared, atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(prepared, axis=1), 1, atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(prepared[:, :12], axis=1), np.sqrt(0.5), atol=1e-6)


def test_the_power_keeps_the_sign_and_a_row_of_zeros_stays_zero():
    prepared = prepare(np.array([[-4.0, 9.0], [0.0, 0.0]]), [slice(0, 2)], 0.5)
    np.testing.assert_allclose(prepared, [np.array([-2, 3]) / np.sqrt(13), [0, 0]], atol=1e-6)


def test_the_logistic_head_is_refitted_for_a_few_repeats():
    rows = rows_of(Probe(("shallow", "deep"), head="logistic"))
    folds = np.stack([np.random.default_rng(seed).permutation(N) % 4 for seed in range(5)])
    scores = rows.out_of_fold(folds, rows.best_penalty())
    assert rows.best_penalty() == LOGISTIC_PENALTY
    assert scores.shape == (LOGISTIC_REPEATS, N, N_CLASSES)
    assert (scores.argmax(axis=2) == TARGETS).mean() > 0.6
    fitted = softmax(rows.fit(LOGISTIC_PENALTY)(rows.rows))
    assert (fitted.argmax(axis=1) == TARGETS).mean() > 0.95
