import pytest
import torch
from torch import nn

from handful.training.ema import Ema


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def walk(module, ema, n_steps):
    """Random steps of the weights; every weight it ever had."""
    seen = [[each.detach().clone() for each in module.parameters()]]
    for step in range(n_steps):
        with torch.no_grad():
            for each in module.parameters():
                each.add_(torch.randn_like(each))
        ema.update(module, step + 1)
        seen.append([each.detach().clone() for each in module.parameters()])
    return seen


@pytest.mark.parametrize("decay", [0.3, 0.9, 0.999])
def test_against_a_loop(decay):
    module = net()
    ema = Ema(module, decay)
    seen = walk(module, ema, 30)
    ema.copy_to(module)
    for at, found in enumerate(module.parameters()):
        average = seen[0][at].double()
        for step in range(1, 31):
            d = min(decay, (1 + step) / (10 + step))
            average = d * average + (1 - d) * seen[step][at].double()
        torch.testing.assert_close(found.detach().double(), average, rtol=1e-5, atol=1e-5)


def test_no_decay_is_the_last_weights():
    module = net()
    ema = Ema(module, 0.0)
    last = walk(module, ema, 3)[-1]
    assert all(torch.equal(average, weights) for average, weights in zip(ema.average.values(), last, strict=True))


def test_frozen_weights_and_buffers_stay_the_module_s():
    module = net()
    module[0].requires_grad_(False)
    ema = Ema(module, 0.9)
    walk(module, ema, 3)
    module[1].running_mean.fill_(7.0)
    frozen = module[0].weight.clone()
    ema.copy_to(module)
    assert torch.equal(module[0].weight, frozen)
    assert torch.equal(module[1].running_mean, torch.full((4,), 7.0))
