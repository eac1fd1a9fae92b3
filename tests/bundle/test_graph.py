import numpy as np
import onnx
import pytest

from handful.bundle.graph import EMBEDDING_POWER, Head, calibrated, mixed, resized, splice
from handful.evaluate.arrays import softmax
from handful.nn.embedded import EfficientNetLite0Backbone
from handful.nn.onnx_runtime import open_session
from handful.nn.shrink import shrunk
from handful.transfer.probe import prepare

N_CLASSES = 4


def head_of(backbone, layers, power, mirrored, seed=0):
    rng = np.random.default_rng(seed)
    columns = backbone.columns(layers)
    width = sum(column.stop - column.start for column in columns)
    weight, bias = rng.normal(size=(width, N_CLASSES)), rng.normal(size=N_CLASSES)
    last = backbone.columns(backbone.last)[0]
    return Head(columns, power, weight, bias, mirrored, last)


def run(graph, pixels, names=("scores", "embedding")):
    return open_session(graph).run(list(names), {"pixels": pixels})


def noise(n, size=32, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def by_numpy(backbone, head, pixels):
    """The probe as it is measured: features, prepare, head, mean over both views."""
    session = open_session(backbone.graph_bytes)
    copies = [pixels, pixels[:, :, ::-1].copy()] if head.mirrored else [pixels]
    features = [session.run(["features"], {"pixels": copy})[0] for copy in copies]
    scores = [prepare(found, head.columns, head.power) @ head.weight + head.bias for found in features]
    return np.mean(scores, axis=0), prepare(features[0], [head.embedding], EMBEDDING_POWER)


@pytest.mark.parametrize("mirrored", [False, True], ids=["plain", "mirrored"])
@pytest.mark.parametrize("power", [1.0, 0.5])
@pytest.mark.parametrize("layers", [("grid",), ("whole", "grid"), ("grid", "whole")], ids="+".join)
def test_the_graph_is_the_probe(layers, power, mirrored, tiny_backbone):
    head = head_of(tiny_backbone, layers, power, mirrored)
    pixels = noise(5)
    scores, embedding = run(splice(tiny_backbone.graph_bytes, head), pixels)
    expected, seen = by_numpy(tiny_backbone, head, pixels)
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    np.testing.assert_allclose(embedding, seen, atol=2e-6)


def test_it_is_the_probe_on_the_backbone_that_ships_too():
    backbone = EfficientNetLite0Backbone()
    head = head_of(backbone, tuple(layer.name for layer in backbone.layers), 0.5, mirrored=True)
    pixels = noise(2, 224)
    scores, embedding = run(splice(backbone.graph_bytes, head), pixels)
    expected, seen = by_numpy(backbone, head, pixels)
    np.testing.assert_allclose(scores, expected, atol=1e-4)
    np.testing.assert_allclose(embedding, seen, atol=1e-5)


def test_a_mirrored_graph_gives_a_photo_and_its_mirror_image_the_same_scores(tiny_backbone):
    graph, pixels = splice(tiny_backbone.graph_bytes, head_of(tiny_backbone, ("grid",), 0.5, mirrored=True)), noise(3)
    plain, turned = (run(graph, seen)[0] for seen in (pixels, pixels[:, :, ::-1].copy()))
    np.testing.assert_allclose(plain, turned, atol=1e-5)
    assert plain.shape == (3, N_CLASSES)


def test_a_batch_is_its_photos_one_by_one(tiny_backbone):
    head = head_of(tiny_backbone, ("whole", "grid"), 0.5, mirrored=True)
    graph, pixels = splice(tiny_backbone.graph_bytes, head), noise(4)
    together = run(graph, pixels)
    for row in range(4):
        for found, expected in zip(run(graph, pixels[row : row + 1]), together, strict=True):
            np.testing.assert_allclose(found[0], expected[row], atol=1e-5)


def test_a_picture_without_features_divides_by_nothing(tiny_backbone):
    head = head_of(tiny_backbone, ("whole", "grid"), 0.5, mirrored=False)
    scores, embedding = run(splice(tiny_backbone.graph_bytes, head), np.zeros((1, 32, 32, 3), dtype=np.uint8))
    np.testing.assert_allclose(scores[0], head.bias, atol=1e-6)
    assert not embedding.any()


# What follows the head


SHIFT = np.random.default_rng(5).normal(size=N_CLASSES)


@pytest.fixture(scope="module")
def spliced(tiny_backbone):
    """A plain and a mirrored probe on the tiny network."""
    heads = (("grid",), 1.0, False, 2), (("whole", "grid"), 0.5, True, 3)
    return [splice(tiny_backbone.graph_bytes, head_of(tiny_backbone, *head)) for head in heads]


@pytest.mark.parametrize("at", [0, 1], ids=["plain", "mirrored"])
def test_calibration_is_a_factor_a_shift_and_a_softmax(at, spliced):
    scores, seen = run(spliced[at], noise(3))
    probabilities, embedding = run(calibrated(spliced[at], 1.7, SHIFT, ""), noise(3), ("probabilities", "embedding"))
    np.testing.assert_allclose(probabilities, softmax(1.7 * scores + SHIFT), atol=2e-6)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(embedding, seen)


def test_a_graph_for_larger_pictures_makes_them_smaller_first(spliced):
    pixels = noise(3, 48)
    expected = run(spliced[1], shrunk(pixels, 32))
    for found, wanted in zip(run(resized(spliced[1], 48, 32), pixels), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-2)  # a sum at an exact half may be rounded otherwise
    assert resized(spliced[1], 32, 32) is spliced[1]


def test_a_mixture_is_the_weighted_sum_of_scores_beside_the_first_embedding(spliced):
    pixels, weights = noise(4), (0.3, 2.0)
    each = [run(graph, pixels) for graph in spliced]
    scores, embedding = run(mixed(spliced, weights), pixels)
    np.testing.assert_allclose(scores, weights[0] * each[0][0] + weights[1] * each[1][0], atol=1e-5)
    np.testing.assert_array_equal(embedding, each[0][1])


def test_members_that_see_pictures_of_several_sizes_share_one_input(spliced):
    """As an ensemble of sizes ships: shrinking, mixing, calibrating."""
    pixels = noise(2, 48)
    graph = calibrated(mixed([resized(each, 48, 32) for each in spliced], (1.0, 1.0)), 0.5, SHIFT, "both")
    (port,) = onnx.load_model_from_string(graph).graph.input
    assert [dim.dim_value for dim in port.type.tensor_type.shape.dim][1:] == [48, 48, 3]
    total = sum(run(each, shrunk(pixels, 32))[0] for each in spliced)
    found = run(graph, pixels, ("probabilities",))[0]
    np.testing.assert_allclose(found, softmax(0.5 * total + SHIFT), atol=5e-3)
    kinds = [node.op_type for node in onnx.load_model_from_string(graph).graph.node]
    assert kinds.count("Round") == 1  # made smaller once for both


def test_the_same_inputs_give_the_same_bytes_and_the_backbone_is_left_alone(tiny_backbone, spliced):
    before = tiny_backbone.graph_bytes
    head = head_of(tiny_backbone, ("grid",), 1.0, mirrored=True)

    def ship():
        graph = mixed([splice(tiny_backbone.graph_bytes, head), spliced[0]], (1.0, 2.0))
        return calibrated(resized(graph, 48, 32), 1.0, SHIFT, "which recipe")

    first, second = ship(), ship()
    assert first == second
    assert tiny_backbone.graph_bytes == before
    assert onnx.load_model_from_string(first).doc_string == "which recipe"
