import numpy as np
import pytest
import torch
from torch import nn

from handful.core.errors import DataError, UsageError
from handful.unsupervised.vicreg import EPSILON, VicReg, terms


def projections(n=6, dim=3, seed=0):
    return torch.randn(2 * n, dim, generator=torch.Generator().manual_seed(seed))


def test_the_terms_are_those_of_the_paper_written_out():
    projected = projections().numpy().astype(np.float64)
    a, b = projected[:6], projected[6:]
    invariance = np.mean([(a[i, j] - b[i, j]) ** 2 for i in range(6) for j in range(3)])
    variance = np.mean([max(0, 1 - np.sqrt(z[:, j].var(ddof=1) + EPSILON)) for z in (a, b) for j in range(3)])
    covariance = 0.0
    for z in (a, b):
        centred = z - z.mean(axis=0)
        table = centred.T @ centred / 5
        covariance += sum(table[j, k] ** 2 for j in range(3) for k in range(3) if j != k) / 3
    found = terms(torch.from_numpy(projected))
    np.testing.assert_allclose([float(each) for each in found], [invariance, variance, covariance])


def test_equal_views_whose_outputs_spread_and_are_independent_cost_nothing():
    view = 2 * torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert [float(each) for each in terms(view.repeat(2, 1))] == [0, 0, 0]


def test_one_answer_to_everything_is_invariant_and_costs_the_whole_variance():
    i, v, c = terms(torch.ones(8, 3))
    assert (float(i), float(c)) == (0, 0)
    assert float(v) == pytest.approx(1 - EPSILON**0.5)


def test_saying_the_same_twice_is_what_the_covariance_costs():
    one = projections(dim=1)
    apart, twice = projections(n=400, dim=2), torch.cat([one, one], dim=1)
    assert float(terms(apart)[2]) < 0.1 * float(terms(twice)[2])


def test_the_loss_weighs_the_terms_and_shows_them():
    projected = projections()
    loss = VicReg(2.0, 3.0, 5.0).loss(nn.Identity(), projected, np.random.default_rng(0))
    i, v, c = terms(projected)
    assert float(loss.total) == pytest.approx(float(2 * i + 3 * v + 5 * c))
    assert dict(loss.named) == {"invariance": i, "variance": v, "covariance": c}


@pytest.mark.parametrize("shape", [(2, 3), (7, 3), (4, 3, 2)])
def test_what_is_no_two_views_of_two_pictures_is_refused(shape):
    with pytest.raises(DataError, match="two views of two pictures or more were expected"):
        terms(torch.ones(shape))


def test_a_weight_is_0_or_more():
    with pytest.raises(UsageError, match=r"variance=-1 is not 0 or more; VicReg"):
        VicReg(variance=-1)
