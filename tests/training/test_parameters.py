import pytest
import torch
from torch import nn

from handful.core.errors import UsageError
from handful.training.batch_norm import freeze_statistics, learns_statistics
from handful.training.parameters import layerwise, parameter_groups


def net():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.LazyLinear(2))


def test_biases_and_norms_are_not_decayed():
    module = net()
    module(torch.zeros(2, 3, 4, 4))
    decay = {name: group["weight_decay"] for group in parameter_groups(module, 0.1) for name in group["names"]}
    assert decay == {"0.weight": 0.1, "0.bias": 0, "1.weight": 0, "1.bias": 0, "3.weight": 0.1, "3.bias": 0}


def test_frozen_parameters_are_in_no_group():
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    module[0].requires_grad_(False)
    assert {name for group in parameter_groups(module, 0.1) for name in group["names"]} == {"1.weight", "1.bias"}
    with pytest.raises(UsageError, match="nothing is to be trained"):
        parameter_groups(module.requires_grad_(False), 0.1)


def test_layers_by_the_longest_prefix_of_whole_words():
    share = layerwise(["blocks.1", "blocks.10", "blocks.1.late", "head"], 0.1)
    shares = [share(f"{block}.weight") for block in ("blocks.1", "blocks.10", "blocks.1.late", "head")]
    assert shares == pytest.approx([0.001, 0.01, 0.1, 1.0])
    with pytest.raises(UsageError, match=r"the parameter blocks\.12\.weight is in none of the blocks"):
        share("blocks.12.weight")
    with pytest.raises(UsageError, match="decay=0"):
        layerwise(["head"], 0)


def test_frozen_statistics_stay_and_scale_and_shift_still_learn():
    module = nn.Sequential(nn.BatchNorm1d(3), nn.Sequential(nn.BatchNorm1d(3))).train()
    assert learns_statistics(module)
    freeze_statistics(module)
    assert not learns_statistics(module)
    module(torch.randn(8, 3) + 5).sum().backward()
    assert torch.equal(module[1][0].running_mean, torch.zeros(3))
    assert module[1][0].weight.grad is not None
