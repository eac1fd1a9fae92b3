import numpy as np
import onnx
import pytest
import torch

from handful.core.errors import UsageError
from handful.nn.features import _torch_embedder, embedder
from handful.nn.small_network import SIZES, STAGE_DIMS, SmallNetworkBackbone, layer_dims
from handful.nn.small_network_torch import SmallNetwork

MEAN, STD = (120.0, 110.0, 100.0), (60.0, 61.0, 62.0)


@pytest.fixture(scope="module")
def weights():
    """As after some training: BatchNorm has seen pictures, so that folding it in changes something."""
    torch.manual_seed(0)
    network = SmallNetwork()
    for _ in range(3):
        network(2 * torch.randn(8, 3, 32, 32) + 0.5)
    for name, value in network.named_parameters():
        if ".norm." in name:
            value.data += 0.3 * torch.randn_like(value)
    return {name: value.numpy() for name, value in network.state_dict().items()}


def pixels_of(size, n=4):
    return np.random.default_rng(size).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [24, 32, 96])
def test_graph_and_module_compute_the_same(weights, size):
    backbone, pixels = SmallNetworkBackbone(size, MEAN, STD, weights), pixels_of(size)
    graph, module = embedder(backbone, "cpu")(pixels), _torch_embedder(backbone, "cpu")(pixels)
    assert graph.shape == (4, sum(layer_dims().values()))
    assert np.ptp(graph) > 1
    np.testing.assert_allclose(graph, module, atol=1e-3)


def test_features_are_rectified_and_the_strongest_response_is_no_weaker_than_the_mean(weights):
    backbone = SmallNetworkBackbone(32, MEAN, STD, weights)
    features = embedder(backbone, "cpu")(pixels_of(32))
    mean, strongest = backbone.columns(("stage2.mean", "stage2.max"))
    assert features.min() >= 0
    assert (features[:, strongest] >= features[:, mean] - 1e-5).all()


@pytest.mark.parametrize("size", [24, 32, 96])
def test_maps_are_an_eighth_of_the_picture_and_the_last_layers_are_pooled_from_them(weights, size):
    backbone = SmallNetworkBackbone(size, MEAN, STD, weights)
    network, images = backbone.module(), torch.randn(2, 3, size, size)
    with torch.no_grad():
        maps, features = network.maps(images), network(images).numpy()
    assert maps.shape == (2, STAGE_DIMS[-1], size // 8, size // 8)
    np.testing.assert_allclose(maps.mean((2, 3)), features[:, backbone.columns(backbone.last)[0]], atol=1e-5)


def test_columns_stand_side_by_side_in_the_order_of_the_layers(weights):
    backbone = SmallNetworkBackbone(32, MEAN, STD, weights)
    (output,) = onnx.load_model_from_string(backbone.graph_bytes).graph.output
    last = backbone.columns(tuple(layer_dims()))[-1]
    assert output.type.tensor_type.shape.dim[1].dim_value == last.stop


def test_the_fingerprint_follows_weights_size_and_preparation(weights):
    other = weights | {"stem.norm.bias": weights["stem.norm.bias"] + 1}
    found = {
        SmallNetworkBackbone(32, MEAN, STD, weights).fingerprint,
        SmallNetworkBackbone(40, MEAN, STD, weights).fingerprint,
        SmallNetworkBackbone(32, STD, STD, weights).fingerprint,
        SmallNetworkBackbone(32, MEAN, STD, other).fingerprint,
    }
    assert len(found) == 4
    copied = {name: value.copy() for name, value in reversed(weights.items())}
    assert SmallNetworkBackbone(32, MEAN, STD, copied).fingerprint in found


@pytest.mark.parametrize("size", [0, 16, 28, 104])
def test_another_size_is_refused(weights, size):
    assert size not in SIZES
    with pytest.raises(UsageError, match=rf"no pictures of {size} pixels; size; use a multiple of 8 from 24 to 96"):
        SmallNetworkBackbone(size, MEAN, STD, weights)
