import cv2
import numpy as np
import onnx
import pytest

from handful.core.errors import ModelError
from handful.nn import embedded
from handful.nn.efficientnet_lite import BLOCKS, layer_dims, same_padding
from handful.nn.embedded import EfficientNetLite0Backbone
from handful.nn.features import _torch_embedder, embedder


@pytest.fixture(scope="module", params=[224, 160])
def backbone(request):
    return EfficientNetLite0Backbone(request.param)


def images(size, seed=0):
    """Noise, a smooth picture, black and white."""
    rng = np.random.default_rng(seed)
    smooth = cv2.resize(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8), (size, size), interpolation=cv2.INTER_CUBIC)
    noise = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
    return np.stack([noise, smooth, np.zeros_like(noise), np.full_like(noise, 255)])


def test_graph_and_module_compute_the_same(backbone):
    pixels = images(backbone.spec.size)
    graph, module = embedder(backbone, "cpu")(pixels), _torch_embedder(backbone, "cpu")(pixels)
    assert graph.shape == (4, sum(layer.dim for layer in backbone.layers))
    np.testing.assert_allclose(graph, module, atol=1e-3)
    assert graph.min() >= 0  # all layers are pooled after ReLU6, so a square root is defined
    assert graph.max() <= 6


def test_an_image_has_the_same_features_in_any_batch(backbone):
    pixels, embed = images(backbone.spec.size), embedder(backbone, "cpu")
    together = embed(pixels)
    for row in range(4):
        np.testing.assert_array_equal(embed(pixels[row : row + 1])[0], together[row])


def test_columns_stand_side_by_side_in_the_order_of_the_layers(backbone):
    columns = backbone.columns(tuple(layer.name for layer in backbone.layers))
    assert [column.stop - column.start for column in columns] == [layer.dim for layer in backbone.layers]
    assert [column.start for column in columns] == [0, *(column.stop for column in columns[:-1])]
    (output,) = onnx.load_model_from_string(backbone.graph_bytes).graph.output
    assert output.type.tensor_type.shape.dim[1].dim_value == columns[-1].stop == sum(layer_dims().values())


def test_the_strongest_response_is_no_weaker_than_the_mean(backbone):
    found = embedder(backbone, "cpu")(images(backbone.spec.size))
    for name in ("block7", "block10", "block14"):
        mean, strongest = backbone.columns((f"{name}.mean", f"{name}.max"))
        assert (found[:, strongest] >= found[:, mean] - 1e-5).all()


def test_the_network_is_the_published_one():
    """Sixteen blocks, five of them halve the picture or less: 224 to 7."""
    assert len(BLOCKS) == 16
    assert 224 // (2 * np.prod([block.stride for block in BLOCKS])) == 7
    assert [block.n_out for block in BLOCKS] == [16, *[24] * 2, *[40] * 2, *[80] * 3, *[112] * 3, *[192] * 4, 320]
    assert sum(block.is_residual for block in BLOCKS) == 9


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (5, 1), (5, 2)])
def test_padding_makes_the_output_exactly_stride_times_smaller(kernel, stride):
    before, after = same_padding(kernel, stride)
    size = 56
    assert (size + before + after - kernel) // stride + 1 == size // stride
    assert 0 <= after - before <= 1  # TensorFlow puts the odd zero behind


def test_weights_that_are_not_the_pinned_ones_are_refused(monkeypatch):
    monkeypatch.setattr(embedded, "WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(ModelError, match=r"SHA-256 579344248a93\.\.\., expected 000000000000\.\.\..*reinstall"):
        embedded.published_weights()
