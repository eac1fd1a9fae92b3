import json
import os
import zipfile

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
pytest.importorskip("keras")

import keras
from keras import layers

from handful.core.errors import ModelError, UsageError
from handful.nn.backbone import InputSpec, Layer
from handful.nn.backbones import backbone_named
from handful.nn.features import _torch_embedder, embedder
from handful.nn.keras_backbone import keras_backbone

if keras.config.backend() != "torch":
    pytest.skip("Keras runs on another backend", allow_module_level=True)
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras under NumPy 2


def network(*inside, size=16, channels=3):
    seen = keras.Input((size, size, channels))
    flow = seen
    for layer in inside:
        flow = layer(flow)
    return keras.Model(seen, flow)


@pytest.fixture(scope="module")
def model():
    """Channels last, with one more convolution than channels, so that a wrong axis would show."""
    keras.utils.set_random_seed(0)
    convolutions = [layers.Conv2D(5, 3, strides=2, name="mid"), layers.ReLU(), layers.Conv2D(7, 3, name="top")]
    return network(layers.Rescaling(1 / 255), *convolutions)


@pytest.fixture(scope="module")
def file(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("keras") / "model.keras"
    model.save(path)
    return path


def images(n=3):
    return np.random.default_rng(0).integers(0, 256, (n, 16, 16, 3), dtype=np.uint8)


def test_features_are_the_means_over_the_picture_of_what_keras_computes(model):
    backbone, pixels = keras_backbone(model, layers=("mid",)), images()
    mid = model.get_layer("mid")(pixels / np.float32(255)).detach().numpy().mean((1, 2))
    expected = np.hstack([mid, model.predict(pixels.astype(np.float32), verbose=0).mean((1, 2))])
    assert backbone.layers == (Layer("mid", 5), Layer("output", 7))
    np.testing.assert_allclose(embedder(backbone, "cpu")(pixels), expected, atol=1e-4)
    np.testing.assert_allclose(_torch_embedder(backbone, "cpu")(pixels), expected, atol=1e-4)
    assert len(list(backbone.module().parameters())) == 4


def test_a_file_is_a_name_and_the_same_network(model, file):
    backbone, pixels = backbone_named(str(file)), images()
    assert (backbone.name, backbone.spec) == (str(file), InputSpec(16, (0.0,), (1.0,)))
    found = _torch_embedder(backbone, "cpu")(pixels)
    np.testing.assert_allclose(found, _torch_embedder(keras_backbone(model), "cpu")(pixels), atol=1e-5)


def test_sequential_models_and_vectors_are_welcome():
    body = [layers.Rescaling(1 / 255), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D()]
    assert keras_backbone(keras.Sequential([keras.Input((16, 16, 3)), *body])).layers == (Layer("output", 4),)


def test_a_spec_says_what_the_model_does_not():
    bare = network(layers.Conv2D(4, 3), size=None)
    assert keras_backbone(bare, InputSpec(24, (127.5,), (127.5,))).spec.size == 24
    with pytest.raises(
        UsageError, match=r"has no layer Rescaling or Normalization; .*give keras_backbone an InputSpec"
    ):
        keras_backbone(bare)
    with pytest.raises(UsageError, match=r"inputs of shape \(None, None, None, 3\), a square of RGB was expected"):
        keras_backbone(network(layers.Rescaling(1 / 255), size=None))


@keras.saving.register_keras_serializable("theirs")
class Own(layers.Layer):
    def call(self, inputs):
        return inputs


@pytest.mark.parametrize(
    ("layer", "message"), [(lambda: layers.Lambda(lambda x: x), "Lambda"), (lambda: Own(), "Own of ")]
)
def test_a_file_that_needs_code_is_refused(tmp_path, layer, message):
    network(layers.Rescaling(1 / 255), layer()).save(tmp_path / "model.keras")
    with pytest.raises(ModelError, match=f"needs code of its own, which is never run: {message}.*model.keras; save it"):
        keras_backbone(tmp_path / "model.keras")


def test_a_class_of_another_module_is_refused(file, tmp_path):
    with zipfile.ZipFile(file) as whole, zipfile.ZipFile(tmp_path / "evil.keras", "w") as evil:
        config = json.loads(whole.read("config.json"))
        config["config"]["layers"][1] |= {"module": "os", "class_name": "system"}
        evil.writestr("config.json", json.dumps(config))
        for name in ("metadata.json", "model.weights.h5"):
            evil.writestr(name, whole.read(name))
    with pytest.raises(ModelError, match="which is never run: system of os; "):
        keras_backbone(tmp_path / "evil.keras")


@pytest.mark.parametrize("content", [b"", b"\x89HDF", b"[" * 9])
def test_what_is_no_keras_file_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "model.keras").write_bytes(content)
    with pytest.raises(ModelError, match=r"this is no whole .keras file \(BadZipFile: ") as refused:
        backbone_named(str(tmp_path / "model.keras"))
    assert "\n" not in str(refused.value)


def test_weights_that_do_not_fit_are_refused_in_one_line(file, tmp_path):
    with zipfile.ZipFile(file) as whole, zipfile.ZipFile(tmp_path / "torn.keras", "w") as torn:
        for name in ("metadata.json", "config.json"):
            torn.writestr(name, whole.read(name))
        torn.writestr("model.weights.h5", b"torn")
    with pytest.raises(ModelError, match=r"Keras cannot load the model \(") as refused:
        keras_backbone(tmp_path / "torn.keras")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: 3, "one input, a picture, and one output was expected, got a int"),
        (lambda: keras.Sequential([layers.Dense(3)]), "one output was expected, got a Sequential"),
        (lambda: network(layers.Rescaling(1.0), channels=1), r"inputs of shape \(None, 16, 16, 1\), a square of RGB"),
    ],
)
def test_what_is_no_model_of_pictures_is_refused(wrong, message):
    with pytest.raises((ModelError, UsageError), match=message):
        keras_backbone(wrong())


def test_an_unknown_layer_is_refused(model):
    with pytest.raises(UsageError, match=r"the Keras model has no layer 'blocks'; .*; it has input_layer"):
        keras_backbone(model, layers=("blocks",))
