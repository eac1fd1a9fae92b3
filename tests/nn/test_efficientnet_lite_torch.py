import pytest
import torch
from torch import nn

from handful.core.errors import UsageError
from handful.nn.efficientnet_lite import BLOCKS, POOLED_BLOCKS, POOLED_BY_MAX, layer_dims
from handful.nn.efficientnet_lite_torch import EfficientNetLite0, boundary


@pytest.fixture(scope="module")
def network():
    """Random weights, and statistics under which the numbers neither vanish nor explode."""
    torch.manual_seed(0)
    network = EfficientNetLite0().eval()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean, -0.1, 0.1)
            nn.init.uniform_(layer.running_var, 0.05, 0.2)
    return network


def plain_features(network, images):
    """The network written out: through every block, pooling on the way."""
    pooled, flow = {}, network.stem(images)
    for i, block in enumerate(network.blocks):
        flow, filtered = block(flow)
        if i in POOLED_BLOCKS:
            pooled[f"block{i}.mean"] = filtered.flatten(2).mean(2)
        if i in POOLED_BY_MAX:
            pooled[f"block{i}.max"] = filtered.flatten(2).max(2).values
    pooled["head.mean"] = network.head(flow).flatten(2).mean(2)
    return torch.cat([pooled[name] for name in layer_dims()], dim=1)


@torch.no_grad()
@pytest.mark.parametrize("n_frozen", [0, 5, 8, 11, 15, len(BLOCKS)])
def test_the_two_parts_are_the_network(network, n_frozen):
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    lower, upper = network.split(n_frozen)
    expected = plain_features(network, images)
    assert expected.std(dim=0).mean() > 1e-3  # the images differ
    torch.testing.assert_close(upper(*lower(images)), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(network(images), expected, atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("n_frozen", range(len(BLOCKS) + 1))
def test_the_boundary_is_known_before_anything_is_computed(network, n_frozen):
    flow, below = network.split(n_frozen)[0](torch.zeros(1, 3, 96, 96))
    edge = boundary(n_frozen, 96)
    assert flow.shape == (1, *edge.shape)
    assert below.shape == (1, sum(edge.below.values()))
    assert len(edge.nodes) == 1 + len(edge.below)


def test_training_the_upper_part_trains_the_network_and_leaves_the_lower_part():
    network = EfficientNetLite0().eval()
    lower, upper = network.split(15)
    shared = {id(each) for each in network.parameters()}
    assert {id(each) for part in (lower, upper) for each in part.parameters()} == shared
    assert not {id(each) for each in lower.parameters()} & {id(each) for each in upper.parameters()}
    with torch.no_grad():
        flow, below = lower(torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    upper(flow, below).sum().backward()
    assert network.head.convolution.weight.grad is not None
    assert all(each.grad is None for each in lower.parameters())


@pytest.mark.parametrize("n_frozen", [-1, 17])
def test_what_is_no_boundary_is_refused(network, n_frozen):
    with pytest.raises(UsageError, match=f"the network has 16 blocks, of which {n_frozen} cannot be frozen.*0 to 16"):
        network.split(n_frozen)
