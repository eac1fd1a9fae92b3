import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from handful.core.errors import DataError, UsageError
from handful.training.objective import Supervised


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    return torch.tensor(rng.normal(size=(6, 4)), dtype=torch.float32), torch.tensor([0, 3, 1, 1, 2, 0])


def by_hand(logits, targets, smoothing, weights):
    """The formula of the docstring, one number at a time."""
    n, n_classes = logits.shape
    total = 0.0
    for row in range(n):
        chances = np.exp(logits[row]) / np.exp(logits[row]).sum()
        for each in range(n_classes):
            target = (1 - smoothing) * targets[row, each] + smoothing / n_classes
            total -= weights[each] * target * np.log(chances[each])
    return total / n


def loss_of(objective, inputs, targets):
    return objective.loss(nn.Identity(), (inputs, targets), np.random.default_rng(0)).total


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("weights", [None, (1.0, 0.5, 2.0, 0.5)])
def test_class_indices_against_the_formula(batch, smoothing, weights):
    logits, targets = batch
    expected = by_hand(logits.double().numpy(), np.eye(4)[targets], smoothing, weights or (1,) * 4)
    assert float(loss_of(Supervised(smoothing, weights), logits, targets)) == pytest.approx(expected, rel=1e-5)


def test_soft_labels_against_the_formula(batch):
    logits, _ = batch
    soft = np.random.default_rng(1).dirichlet(np.ones(4), 6)
    expected = by_hand(logits.double().numpy(), soft, 0.2, (1, 1, 3, 1))
    found = loss_of(Supervised(0.2, (1.0, 1.0, 3.0, 1.0)), logits, torch.tensor(soft))
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_it_is_torch_s_cross_entropy_where_classes_weigh_alike(batch):
    torch.testing.assert_close(loss_of(Supervised(0.1), *batch), functional.cross_entropy(*batch, label_smoothing=0.1))


def test_with_weights_a_batch_is_the_mean_of_its_parts(batch):
    logits, targets = batch
    objective = Supervised(0.1, (1.0, 0.1, 5.0, 2.0))
    parts = [(4, loss_of(objective, logits[:4], targets[:4])), (2, loss_of(objective, logits[4:], targets[4:]))]
    torch.testing.assert_close(loss_of(objective, logits, targets), sum(n * part for n, part in parts) / 6)


def test_what_does_not_fit_is_refused(batch):
    logits, targets = batch
    with pytest.raises(DataError, match=r"logits \(6, 4\) and targets \(5,\) do not fit: expected \(n, n_classes\)"):
        loss_of(Supervised(), logits, targets[:5])
    with pytest.raises(DataError, match="2 class weights for 4 logits"):
        loss_of(Supervised(class_weights=(1.0, 1.0)), logits, targets)
    with pytest.raises(UsageError, match="label_smoothing=1"):
        Supervised(1.0)
    with pytest.raises(UsageError, match="class_weights"):
        Supervised(class_weights=(1.0, -1.0))
