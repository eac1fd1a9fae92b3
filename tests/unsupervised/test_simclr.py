import math

import numpy as np
import pytest
import torch
from torch import nn

from handful.core.errors import DataError, UsageError
from handful.unsupervised.simclr import SimClr, nt_xent


def projections(n=4, dim=5, seed=0):
    return torch.randn(2 * n, dim, generator=torch.Generator().manual_seed(seed))


def test_the_loss_is_equation_1_of_the_paper_written_out():
    projected, temperature = projections().numpy().astype(np.float64), 0.3
    units = projected / np.linalg.norm(projected, axis=1, keepdims=True)
    losses = []
    for i in range(8):
        partner = (i + 4) % 8
        others = [math.exp(units[i] @ units[k] / temperature) for k in range(8) if k != i]
        losses.append(-math.log(math.exp(units[i] @ units[partner] / temperature) / sum(others)))
    assert float(nt_xent(torch.from_numpy(projected), temperature)) == pytest.approx(np.mean(losses))


def test_where_all_views_are_alike_it_is_the_logarithm_of_the_choices():
    assert float(nt_xent(torch.ones(10, 3), 0.2)) == pytest.approx(math.log(9))


def test_partners_that_agree_and_lie_apart_from_all_others_cost_nothing():
    assert float(nt_xent(torch.eye(6).repeat(2, 1), 0.02)) == pytest.approx(0, abs=1e-6)


def test_neither_lengths_nor_the_order_of_pictures_nor_which_view_is_first_matter():
    projected = projections()
    loss, order = float(nt_xent(projected, 0.2)), torch.tensor([2, 0, 3, 1])
    lengths = torch.linspace(0.1, 9, 8)[:, None]
    assert float(nt_xent(projected * lengths, 0.2)) == pytest.approx(loss, rel=1e-5)
    assert float(nt_xent(projected[torch.cat([order, order + 4])], 0.2)) == pytest.approx(loss, rel=1e-5)
    assert float(nt_xent(projected.roll(4, 0), 0.2)) == pytest.approx(loss, rel=1e-5)
    assert float(nt_xent(projected[[1, 0, *range(2, 8)]], 0.2)) != pytest.approx(loss, rel=1e-5)


def test_a_step_against_the_gradient_draws_partners_together():
    projected = projections().requires_grad_()
    SimClr().loss(nn.Identity(), projected, np.random.default_rng(0)).total.backward()
    with torch.no_grad():
        moved = projected - 0.5 * projected.grad
    before, after = (nn.functional.cosine_similarity(each[:4], each[4:]).mean() for each in (projected, moved))
    assert after > before


@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 4)])
def test_what_is_no_two_views_is_refused(shape):
    with pytest.raises(DataError, match="two views of every picture were expected, got shape"):
        nt_xent(torch.ones(shape), 0.2)


@pytest.mark.parametrize("temperature", [0, -1, math.inf, math.nan])
def test_a_temperature_is_above_0(temperature):
    with pytest.raises(UsageError, match="is not above 0; SimClr"):
        SimClr(temperature)


def test_the_description_has_the_settings():
    assert SimClr(0.5).description != SimClr(0.2).description
