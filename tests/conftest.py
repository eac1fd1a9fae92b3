import shutil
from functools import cached_property

import cv2
import numpy as np
import onnx
import pytest
import tokenizers
from hypothesis import settings
from PIL import Image
from threadpoolctl import threadpool_limits
from tokenizers import normalizers, pre_tokenizers
from tokenizers.models import WordLevel
from tokenizers.processors import TemplateProcessing

from handful.bundle.inputs import text_digest
from handful.bundle.manifest import Manifest
from handful.bundle.save import write_model
from handful.data.readers import read
from handful.nn.backbone import ImageBackbone, InputSpec, Layer
from handful.nn.graph import GraphWriter, floats, pixels_input
from handful.nn.minilm import tokens_input
from handful.nn.text_graph import over_windows
from handful.tasks import check_images, fit_images

settings.register_profile("same every time", derandomize=True, deadline=None)
settings.load_profile("same every time")


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory):
    """One cache folder for the whole run, not the user's: the backbone's graph is written once."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANDFUL_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def one_thread_each():
    """Workers side by side with two BLAS threads each spend their time waiting for one another."""
    with threadpool_limits(1):
        yield


# A network so small that a whole fit takes a second, and photos so small that it can still tell them apart.


COLOURS = {"blue": (75, 75, 130), "green": (75, 130, 75), "red": (130, 75, 75)}


class TinyBackbone(ImageBackbone):
    """Mean colours of the whole picture and of a 4 x 4 grid, by ONNX Runtime as any other backbone."""

    name, licence, fingerprint = "tiny", "none", "tiny-v1"
    spec = InputSpec(32, (0.0,), (1.0,))
    layers = (Layer("whole", 3), Layer("grid", 48))
    last = ("grid",)

    @cached_property
    def graph_bytes(self):
        writer = GraphWriter()
        planes = writer.node(
            "Cast", [writer.node("Transpose", ["pixels"], "planes", perm=[0, 3, 1, 2])], "floats", to=1
        )
        small = writer.node("Mul", [planes, writer.weight("scale", np.float32(1 / 255))], "small")
        whole = writer.node("Flatten", [writer.node("GlobalAveragePool", [small], "mean")], "whole")
        grid = writer.node("AveragePool", [small], "cells", kernel_shape=[8, 8], strides=[8, 8])
        writer.node("Concat", [whole, writer.node("Flatten", [grid], "grid")], "features", axis=1)
        return writer.model([pixels_input("pixels", 32, 32)], [floats("features", "n", 51)], "tiny").SerializeToString()

    def module(self):
        raise NotImplementedError


def photo(name, rng):
    """Noise with a faint disc of the class's colour, and another one of any colour; RGB, (32, 32, 3)."""
    image = rng.integers(40, 140, (32, 32, 3)).astype(np.uint8)
    for colour in (rng.integers(70, 110, 3).tolist(), COLOURS.get(name, (110, 110, 60))):
        centre = [int(place) for place in rng.integers(8, 24, 2)]
        image = cv2.circle(image, centre, int(rng.integers(3, 8)), colour, -1)
    return image


def write_folder(folder, n=8, classes=("blue", "green", "red"), seed=0):
    rng = np.random.default_rng(seed)
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for at in range(n):
            Image.fromarray(photo(name, rng)).save(folder / name / f"{at}.png")
    return folder


@pytest.fixture(scope="session")
def write_photos():
    """`write_photos(folder, n=8, classes=..., seed=0)`: a folder of noisy coloured discs, one folder a class."""
    return write_folder


@pytest.fixture(scope="session")
def tiny_backbone():
    return TinyBackbone()


@pytest.fixture
def tiny(tiny_backbone, monkeypatch):
    """Every fit and check uses the tiny network, unless it names another one."""
    for task in (fit_images, check_images):
        named = task.backbone_named
        monkeypatch.setattr(
            task,
            "backbone_named",
            lambda name, *more, named=named: tiny_backbone if name == "efficientnet-lite0" else named(name, *more),
        )
    return tiny_backbone


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """`train/` with 3 classes of 8 and `test/` with 3 classes of 4; read only."""
    folder = tmp_path_factory.mktemp("photos")
    write_folder(folder / "train")
    write_folder(folder / "test", n=4, seed=1)
    return folder


@pytest.fixture(scope="session")
def fitted(photos, tiny_backbone):
    """One finished fit of the tiny network, in memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_images, "backbone_named", lambda *_: tiny_backbone)
        return fit_images.fit_images(read(photos), fit_images.Settings(budget="40fits"))


@pytest.fixture(scope="session")
def saved(fitted, tmp_path_factory):
    """The folder of that model; read only."""
    folder = tmp_path_factory.mktemp("saved") / "model"
    fitted.save(folder)
    return folder


@pytest.fixture
def model_folder(saved, tmp_path):
    """A copy of it, to alter."""
    return shutil.copytree(saved, tmp_path / "model")


# A model for texts so small that its answers can be computed by hand: it counts good and bad words.


WORDS = {"good": 0, "great": 0, "bad": 1, "awful": 1, "film": 2, "song": 2}  # what each word adds to, of three channels
WINDOW = 16  # tokens, of which two are special


def tiny_tokenizer():
    """One token a word, in lower case, between [CLS] and [SEP]."""
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
    tokenizer = tokenizers.Tokenizer(WordLevel({name: at for at, name in enumerate(names)}, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    tokenizer.post_processor = TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer.to_str().encode()


def tiny_encoder():
    """ONNX: token ids and mask of windows to the mean over their tokens, three channels."""
    table = np.zeros((4 + len(WORDS), 3), np.float32)
    table[1] = (0, 0, 0.5)
    for at, channel in enumerate(WORDS.values(), start=4):
        table[at, channel] = 1
    writer = GraphWriter()
    seen = writer.node("Gather", [writer.weight("words", table), "ids"], "seen")
    present = writer.node("Cast", ["mask"], "present", to=1)
    writer.weight("axis", np.array([1]))
    total = writer.node("ReduceSum", [present, "axis"], "share", keepdims=1)  # a name that is also that of an input
    row = writer.node("Unsqueeze", [writer.node("Div", [present, total], "shares"), "axis"], "row")
    writer.node("Squeeze", [writer.node("MatMul", [row, seen], "mean"), "axis"], "features")
    model = writer.model([tokens_input("ids"), tokens_input("mask")], [floats("features", "n", 3)], "tiny")
    return model.SerializeToString()


def tiny_text_graph(classes):
    """The encoder with a head: four times the first two channels, and the features at unit length."""
    model, writer = onnx.load_model_from_string(over_windows(tiny_encoder())), GraphWriter()
    weight = np.float32(4) * np.eye(3, len(classes), dtype=np.float32)
    logits = writer.node("MatMul", ["features", writer.weight("head.weight", weight)], "logits")
    writer.node("Softmax", [logits], "probabilities", axis=1)
    norm = writer.node("ReduceL2", ["features"], "norm", axes=[1])
    writer.node(
        "Div", ["features", writer.node("Max", [norm, writer.weight("least", np.float32(1e-6))], "safe")], "embedding"
    )
    model.graph.node.extend(writer.nodes)
    model.graph.initializer.extend(writer.weights)
    del model.graph.output[:]
    model.graph.output.extend([floats("probabilities", "n", len(classes)), floats("embedding", "n", 3)])
    return model.SerializeToString()


TRAINING_TEXTS = [
    "good film",
    "great song",
    "bad film",
    "awful song",
    "Good good film",
    "bad bad song",
    *("good",) * 20,
]


@pytest.fixture(scope="session")
def text_model_saved(tmp_path_factory):
    """The folder of that model; read only."""
    folder = tmp_path_factory.mktemp("texts") / "model"
    manifest = Manifest(
        task="text classification",
        classes=("praise", "rant"),
        size=None,
        window=WINDOW,
        seen_texts=tuple(sorted({text_digest(text) for text in TRAINING_TEXTS})),
        conformal_scores=tuple(np.linspace(0, 0.6, 20).tolist()),
        familiar_distances=tuple(np.linspace(0.01, 0.3, 40).tolist()),
        recipe={},
        calibration={},
        data={"name": "texts", "n": len(TRAINING_TEXTS), "sha256": "0" * 64},
        licences=({"what": "nothing", "licence": "none"},),
        versions={},
        files={},
    )
    references = np.array([[1, 0, 1], [0, 1, 1], [2, 0, 1], [0, 2, 1], [1, 0, 0]], np.float16)
    metrics = {"score": None, "score_missing": "never measured"}
    tensors = {"reference.embedding": references}
    write_model(folder, tiny_text_graph(manifest.classes), tensors, manifest, metrics, "page", tiny_tokenizer())
    return folder


@pytest.fixture
def text_model_folder(text_model_saved, tmp_path):
    """A copy of it, to alter."""
    return shutil.copytree(text_model_saved, tmp_path / "text model")
