import numpy as np
import onnx
import pytest

from handful.bundle.graph import EMBEDDING_POWER, Head, splice
from handful.evaluate.arrays import softmax
from handful.nn.embedded import EfficientNetLite0Backbone
from handful.nn.onnx_runtime import open_session
from handful.transfer.probe import prepare

N_CLASSES = 4


def head_of(backbone, layers, power, mirrored, seed=0):
    rng = np.random.default_rng(seed)
    columns = backbone.columns(layers)
    width = sum(column.stop - column.start for column in columns)
    weight, bias = rng.normal(size=(width, N_CLASSES)), rng.normal(size=N_CLASSES)
    last = backbone.columns(backbone.last)[0]
    return Head(columns, power, weight, bias, 1.7, rng.normal(size=N_CLASSES), mirrored, last)


def by_numpy(backbone, head, pixels):
    """The probe as it is measured: features, prepare, head, mean over both views, calibration, softmax."""
    session = open_session(backbone.graph_bytes)
    copies = [pixels, pixels[:, :, ::-1].copy()] if head.mirrored else [pixels]
    features = [session.run(["features"], {"pixels": copy})[0] for copy in copies]
    scores = [prepare(found, head.columns, head.power) @ head.weight + head.bias for found in features]
    probabilities = softmax(head.scale * np.mean(scores, axis=0) + head.shift)
    return probabilities, prepare(features[0], [head.embedding], EMBEDDING_POWER)


@pytest.mark.parametrize("mirrored", [False, True], ids=["plain", "mirrored"])
@pytest.mark.parametrize("power", [1.0, 0.5])
@pytest.mark.parametrize("layers", [("grid",), ("whole", "grid"), ("grid", "whole")], ids="+".join)
def test_the_graph_is_the_probe(layers, power, mirrored, tiny_backbone):
    head = head_of(tiny_backbone, layers, power, mirrored)
    pixels = np.random.default_rng(1).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    session = open_session(splice(tiny_backbone.graph_bytes, head, "about"))
    probabilities, embedding = session.run(["probabilities", "embedding"], {"pixels": pixels})
    expected, seen = by_numpy(tiny_backbone, head, pixels)
    np.testing.assert_allclose(probabilities, expected, atol=2e-6)
    np.testing.assert_allclose(embedding, seen, atol=2e-6)


def test_it_is_the_probe_on_the_backbone_that_ships_too():
    backbone = EfficientNetLite0Backbone()
    head = head_of(backbone, tuple(layer.name for layer in backbone.layers), 0.5, mirrored=True)
    pixels = np.random.default_rng(1).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    graph = splice(backbone.graph_bytes, head, "about")
    probabilities, embedding = open_session(graph).run(["probabilities", "embedding"], {"pixels": pixels})
    expected, seen = by_numpy(backbone, head, pixels)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    np.testing.assert_allclose(embedding, seen, atol=1e-5)


def test_a_mirrored_graph_gives_a_photo_and_its_mirror_image_the_same_probabilities(tiny_backbone):
    head = head_of(tiny_backbone, ("grid",), 0.5, mirrored=True)
    pixels = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    session = open_session(splice(tiny_backbone.graph_bytes, head, ""))
    plain, turned = (session.run(["probabilities"], {"pixels": p})[0] for p in (pixels, pixels[:, :, ::-1].copy()))
    np.testing.assert_allclose(plain, turned, atol=1e-6)
    assert plain.shape == (3, N_CLASSES)


def test_a_batch_is_its_photos_one_by_one_and_rows_sum_to_one(tiny_backbone):
    head = head_of(tiny_backbone, ("whole", "grid"), 0.5, mirrored=True)
    pixels = np.random.default_rng(1).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    session = open_session(splice(tiny_backbone.graph_bytes, head, ""))
    together = session.run(["probabilities"], {"pixels": pixels})[0]
    alone = [session.run(["probabilities"], {"pixels": pixels[row : row + 1]})[0][0] for row in range(4)]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-6)


def test_a_picture_without_features_divides_by_nothing(tiny_backbone):
    head = head_of(tiny_backbone, ("whole", "grid"), 0.5, mirrored=False)
    black = np.zeros((1, 32, 32, 3), dtype=np.uint8)
    probabilities, embedding = open_session(splice(tiny_backbone.graph_bytes, head, "")).run(None, {"pixels": black})
    np.testing.assert_allclose(probabilities[0], softmax(head.scale * head.bias + head.shift), atol=1e-6)
    assert not embedding.any()


def test_the_same_inputs_give_the_same_bytes_and_the_backbone_is_left_alone(tiny_backbone):
    before = tiny_backbone.graph_bytes
    head = head_of(tiny_backbone, ("grid",), 1.0, mirrored=True)
    first, second = (splice(tiny_backbone.graph_bytes, head, "which recipe") for _ in range(2))
    assert first == second
    assert tiny_backbone.graph_bytes == before
    assert onnx.load_model_from_string(first).doc_string == "which recipe"
