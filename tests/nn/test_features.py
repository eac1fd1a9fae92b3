import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from handful.augment.views import MIRRORED, ORIGINAL, View
from handful.core.progress import Progress
from handful.data.cache import FeatureCache
from handful.nn import features as room
from handful.nn.backbone import Backbone, InputSpec, Layer
from handful.nn.embedded import EfficientNetLite0Backbone
from handful.nn.features import frozen_features

SIZE, DIM = 16, 6


class Means(Backbone):
    """Six mean colours; what it computes it writes down."""

    name, licence, fingerprint = "means", "none", "means-v1"
    spec = InputSpec(SIZE, (0.0,), (1.0,))
    layers = (Layer("left", 3), Layer("right", 3))
    last = ("right",)

    def __init__(self):
        self.computed = []

    @property
    def graph_bytes(self):
        raise NotImplementedError

    def module(self):
        raise NotImplementedError

    def embed(self, batch):
        self.computed.extend(batch)
        half = SIZE // 2
        halves = batch[:, :, :half].mean((1, 2)), batch[:, :, half:].mean((1, 2))
        return np.concatenate(halves, axis=1).astype(np.float32)


class Notes(Progress):
    def __init__(self):
        self.said = []

    def note(self, message):
        self.said.append(message)


@pytest.fixture
def backbone(monkeypatch):
    monkeypatch.setattr(room, "embedder", lambda backbone, _: backbone.embed)
    return Means()


def images(n, size=SIZE, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def test_features_are_those_of_every_view_in_order(backbone):
    pixels, views = images(20), (ORIGINAL, MIRRORED, View("rotate=5", 2))
    found = frozen_features(backbone, pixels, views)
    assert found.shape == (20, 3, DIM)
    assert found.dtype == np.float16
    for at, view in enumerate(views):
        expected = backbone.embed(np.stack([view(image) for image in pixels]))
        np.testing.assert_array_equal(found[:, at], expected.astype(np.float16))


def test_the_second_call_computes_nothing_and_gives_the_same_bytes(backbone, tmp_path):
    cache, pixels = FeatureCache(tmp_path), images(20)
    fresh = frozen_features(backbone, pixels, (ORIGINAL, MIRRORED), cache)
    assert len(backbone.computed) == 40
    cached = frozen_features(backbone, pixels, (ORIGINAL, MIRRORED), FeatureCache(tmp_path))
    assert len(backbone.computed) == 40
    assert cached.tobytes() == fresh.tobytes() == frozen_features(backbone, pixels, (ORIGINAL, MIRRORED)).tobytes()


def test_only_what_is_new_is_computed(backbone, tmp_path):
    cache, pixels = FeatureCache(tmp_path), images(20)
    frozen_features(backbone, pixels[:15], (ORIGINAL,), cache)
    backbone.computed.clear()
    frozen_features(backbone, pixels[:15], (ORIGINAL, MIRRORED), cache)
    np.testing.assert_array_equal(backbone.computed, pixels[:15, :, ::-1])
    backbone.computed.clear()
    reordered = frozen_features(backbone, pixels[::-1], (MIRRORED, ORIGINAL), cache)
    assert len(backbone.computed) == 10
    assert reordered.tobytes() == frozen_features(backbone, pixels, (ORIGINAL, MIRRORED))[::-1, ::-1].tobytes()


def test_another_backbone_shares_nothing(backbone, tmp_path):
    cache, pixels = FeatureCache(tmp_path), images(3)
    frozen_features(backbone, pixels, (ORIGINAL,), cache)
    other = Means()
    other.fingerprint = "means-v2"
    frozen_features(other, pixels, (ORIGINAL,), cache)
    assert len(other.computed) == 3


def test_a_damaged_entry_is_computed_again_and_put_right(backbone, tmp_path):
    cache, pixels = FeatureCache(tmp_path), images(8)
    fresh = frozen_features(backbone, pixels, (ORIGINAL,), cache)
    damaged = sorted(tmp_path.glob("??/*.f16"))[3]
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    backbone.computed.clear()
    assert frozen_features(backbone, pixels, (ORIGINAL,), cache).tobytes() == fresh.tobytes()
    assert len(backbone.computed) == 1
    frozen_features(backbone, pixels, (ORIGINAL,), cache)
    assert len(backbone.computed) == 1


@pytest.mark.parametrize("trouble", ["no folder can be made", "the disk fills up"])
def test_a_cache_that_cannot_be_written_is_mentioned_once_and_done_without(backbone, tmp_path, monkeypatch, trouble):
    pixels, notes, cache = images(40), Notes(), FeatureCache(tmp_path / "in the way")
    if trouble == "the disk fills up":
        put, room_left = FeatureCache.put, iter([True, True])

        def fills_up(self, key, vector):
            if not next(room_left, False):
                raise OSError(28, "No space left on device")
            put(self, key, vector)

        monkeypatch.setattr(FeatureCache, "put", fills_up)
    else:
        cache.folder.write_text("a file")
    found = frozen_features(backbone, pixels, (ORIGINAL,), cache, progress=notes)
    assert found.tobytes() == frozen_features(backbone, pixels, (ORIGINAL,)).tobytes()
    (said,) = notes.said
    assert said.startswith(f"features are not kept for the next run: cannot write to {cache.folder} (")


def test_a_run_that_wrote_leaves_the_cache_below_its_limit(backbone, tmp_path):
    cache = FeatureCache(tmp_path, limit=10 * (4 + 2 * DIM))
    frozen_features(backbone, images(30), (ORIGINAL,), cache)
    assert cache.state().n_entries == 9


def test_features_of_no_images_are_an_empty_matrix(backbone):
    assert frozen_features(backbone, images(0), (ORIGINAL, MIRRORED)).shape == (0, 2, DIM)


def test_real_features_are_the_same_bytes_warm_or_cold_and_in_any_batch(tmp_path):
    backbone, cache = EfficientNetLite0Backbone(), FeatureCache(tmp_path)
    pixels = images(5, backbone.spec.size)
    fresh = frozen_features(backbone, pixels, (ORIGINAL, MIRRORED), device="cpu")
    frozen_features(backbone, pixels[3:], (MIRRORED,), cache, device="cpu")
    assert frozen_features(backbone, pixels, (ORIGINAL, MIRRORED), cache, device="cpu").tobytes() == fresh.tobytes()
    assert frozen_features(backbone, pixels, (ORIGINAL, MIRRORED), cache, device="cpu").tobytes() == fresh.tobytes()


def test_a_fresh_interpreter_with_a_cached_graph_imports_no_torch():
    assert EfficientNetLite0Backbone().graph_bytes
    script = """
import sys, numpy as np
from handful.augment.views import ORIGINAL
from handful.nn.backbones import backbone_named
from handful.nn.features import frozen_features
frozen_features(backbone_named("efficientnet-lite0"), np.zeros((1, 224, 224, 3), np.uint8), (ORIGINAL,), device="cpu")
print([name for name in ("torch", "transformers", "sklearn", "scipy", "pandas") if name in sys.modules])
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert told.stdout.strip() == "[]"
    assert told.stderr == ""
