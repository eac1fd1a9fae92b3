import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from handful.core.errors import DataError, UsageError
from handful.training.objective import Distillation, Supervised


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


# Distillation


def taught_by_hand(logits, answers, temperature):
    total = 0.0
    for student, teacher in zip(logits, answers, strict=True):
        q, p = (np.exp(row / temperature) / np.exp(row / temperature).sum() for row in (student, teacher))
        total += sum(a * (np.log(a) - np.log(b)) for a, b in zip(p, q, strict=True))
    return temperature**2 * total / len(logits)


@pytest.fixture
def answers():
    return torch.tensor(np.random.default_rng(2).normal(size=(6, 4)), dtype=torch.float32)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_the_divergence_against_the_formula(batch, answers, temperature):
    expected = taught_by_hand(batch[0].double().numpy(), answers.double().numpy(), temperature)
    assert float(loss_of(Distillation(temperature), batch[0], answers)) == pytest.approx(expected, rel=1e-4)


def test_a_student_that_answers_as_its_teacher_has_nothing_to_learn(answers):
    assert float(loss_of(Distillation(2.0), answers + 3, answers)) == pytest.approx(0, abs=1e-6)


def test_a_teacher_without_doubts_is_a_label(batch):
    certain = 100 * functional.one_hot(batch[1], 4).float()
    torch.testing.assert_close(loss_of(Distillation(), batch[0], certain), functional.cross_entropy(*batch))


def test_at_a_high_temperature_logits_are_matched(batch, answers):
    """Half the mean squared difference of centred logits (Hinton et al. 2015, section 2.1)."""
    apart = (batch[0] - batch[0].mean(1, keepdim=True)) - (answers - answers.mean(1, keepdim=True))
    found = loss_of(Distillation(100.0), batch[0].double(), answers.double())
    assert float(found) == pytest.approx(float(apart.square().mean()) / 2, rel=0.05)


def test_features_count_by_their_angle(batch, answers):
    features = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])
    wanted = torch.tensor([[5.0, 0.0], [0.0, -1.0], [1.0, 0.0]])  # cosines 1, -1, and that of 45 degrees
    given = (batch[0][:3], features), (answers[:3], wanted)
    terms = Distillation(features=10.0).loss(nn.Identity(), given, np.random.default_rng(0))
    angle = 1 - 0.5**0.5 / 3
    assert float(terms.named["features"]) == pytest.approx(angle)
    torch.testing.assert_close(terms.named["logits"], loss_of(Distillation(), batch[0][:3], answers[:3]))
    torch.testing.assert_close(terms.total, terms.named["logits"] + 10 * terms.named["features"])


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"temperature": 0}, "temperature=0 is not above 0; Distillation"),
        ({"temperature": np.inf}, "temperature=inf is not above 0; Distillation"),
        ({"features": -1}, "features=-1 is not 0 or more; Distillation"),
    ],
)
def test_a_distillation_that_makes_no_sense_is_refused(settings, text):
    with pytest.raises(UsageError, match=text):
        Distillation(**settings)


def test_another_number_of_classes_is_refused(batch, answers):
    what = r"the student's logits \(6, 4\) and the teacher's \(6, 3\) do not fit"
    with pytest.raises(DataError, match=what):
        loss_of(Distillation(), batch[0], answers[:, :3])
