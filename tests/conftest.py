import shutil
from functools import cached_property

import cv2
import numpy as np
import pytest
from hypothesis import settings
from PIL import Image
from threadpoolctl import threadpool_limits

from handful.data.readers import read
from handful.nn.backbone import Backbone, InputSpec, Layer
from handful.nn.graph import GraphWriter, floats, pixels_input
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


class TinyBackbone(Backbone):
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
            lambda name, named=named: tiny_backbone if name == "efficientnet-lite0" else named(name),
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
        patch.setattr(fit_images, "backbone_named", lambda _: tiny_backbone)
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
