import errno
import os
import shutil

import numpy as np
import pytest
import torch

from handful.augment.views import MIRRORED, ORIGINAL
from handful.core.errors import JobError, ModelError, UsageError
from handful.core.progress import Progress
from handful.nn.efficientnet_lite_torch import boundary
from handful.nn.embedded import EfficientNetLite0Backbone
from handful.transfer import activations_torch as activations
from handful.transfer.activations_torch import cached_activations, measured_speed

SIZE = 64  # the network's own 224 takes ten times as long and says no more


@pytest.fixture(scope="module")
def backbone():
    return EfficientNetLite0Backbone()


@pytest.fixture(scope="module")
def pixels():
    small = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    return small.repeat(SIZE // 8, axis=1).repeat(SIZE // 8, axis=2)


class Notes(Progress):
    def __init__(self):
        self.said = []

    def note(self, message):
        self.said.append(message)


@torch.no_grad()
def whole(backbone, pixels):
    return backbone.module()((torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 127) / 128).numpy()


@torch.no_grad()
@pytest.mark.parametrize("n_frozen", [0, 8, 11, 15])
def test_activations_then_the_tail_are_the_whole_network(backbone, pixels, n_frozen):
    expected = np.stack([whole(backbone, pixels), whole(backbone, pixels[:, :, ::-1].copy())], axis=1)
    assert np.abs(expected[:, 0] - expected[:, 1]).max() > 0.5  # the views differ
    network, edge = backbone.module(), boundary(n_frozen, SIZE)
    upper = network.split(n_frozen)[1]
    for compute in (
        activations._by_graph(backbone, edge, SIZE),
        activations._by_torch(backbone, network, n_frozen, "cpu"),
    ):
        unrounded = upper(*map(torch.tensor, compute(pixels))).numpy()
        np.testing.assert_allclose(unrounded, expected[:, 0], atol=1e-4)
    kept = cached_activations(backbone, pixels, (ORIGINAL, MIRRORED), n_frozen, device="cpu")
    assert kept.flow.dtype == kept.below.dtype == np.float16
    for view in (0, 1):
        rounded = upper(*kept.batch(np.array([2, 0]), np.full(2, view))).numpy()
        np.testing.assert_allclose(rounded, expected[[2, 0], view], atol=2e-2)  # of features from 0 to 6


def test_large_activations_lie_in_a_file_that_leaves_nothing_behind(backbone, pixels, tmp_path):
    notes = Notes()
    near = cached_activations(backbone, pixels, (ORIGINAL, MIRRORED), 11, device="cpu", progress=notes)
    far = cached_activations(
        backbone, pixels, (ORIGINAL, MIRRORED), 11, device="cpu", progress=notes, memory_limit=1000, folder=tmp_path
    )
    assert far.on_disk
    assert not near.on_disk
    for part, other in ((near.flow, far.flow), (near.below, far.below)):
        np.testing.assert_array_equal(part, other)
    n_numbers = 3 * 2 * (112 * 4 * 4 + sum(boundary(11, SIZE).below.values()))
    assert near.n_bytes == far.n_bytes == 2 * n_numbers
    assert notes.said == ["activations take 0 MB of memory", f"activations take 0 MB in {tmp_path}"]
    assert not list(tmp_path.iterdir())  # it has no name, so a kill leaves nothing either


def test_a_first_boundary_without_pooled_layers_fits_into_a_file_too(backbone, pixels, tmp_path):
    far = cached_activations(backbone, pixels, (ORIGINAL,), 0, device="cpu", memory_limit=0, folder=tmp_path)
    assert far.below.shape == (3, 1, 0)
    assert far.flow.any()


def test_sizes_are_judged_before_anything_is_taken(backbone, tmp_path, monkeypatch):
    """A million photos, which are one photo seen a million times: nothing may be computed or allocated."""
    many = np.broadcast_to(np.zeros((1, SIZE, SIZE, 3), np.uint8), (1_000_000, SIZE, SIZE, 3))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 10**12, 5 * 10**9))
    monkeypatch.setattr(np, "empty", pytest.fail)
    with pytest.raises(JobError, match=r"need 8672 MB, more than the 1074 MB of memory .* 5000 MB free on disk; .*;"):
        cached_activations(backbone, many, (ORIGINAL,), 11, device="cpu", folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_is_said_in_one_line(backbone, pixels, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(JobError, match="the disk is full"):
        cached_activations(backbone, pixels, (ORIGINAL,), 11, device="cpu", memory_limit=0, folder=tmp_path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e5])
def test_what_float16_cannot_hold_is_refused(bad):
    with pytest.raises(ModelError, match="an activation is not finite or too large for float16; net"):
        activations._halves(np.array([1.0, bad], np.float32), "net")
    assert activations._halves(np.array([-60000.0], np.float32), "net") == -60000


def test_other_networks_and_small_images_are_refused(backbone, tiny_backbone, pixels, monkeypatch):
    monkeypatch.setattr(type(tiny_backbone), "module", lambda _: torch.nn.Identity())
    with pytest.raises(UsageError, match="only inside an EfficientNet-Lite0; tiny; use efficientnet-lite0, or"):
        cached_activations(tiny_backbone, pixels, (ORIGINAL,), 3, device="cpu")
    with pytest.raises(UsageError, match=r"images of 16 pixels are too small.*at least 32"):
        cached_activations(backbone, pixels[:, :16, :16], (ORIGINAL,), 3, device="cpu")
    with pytest.raises(UsageError, match="16 blocks, of which 17 cannot be frozen"):
        cached_activations(backbone, pixels, (ORIGINAL,), 17, device="cpu")


def test_a_step_from_cached_activations_is_the_faster_one(backbone):
    """On a quiet machine it is ten times; on a busy one no more is asked than that it wins."""
    speed = measured_speed(backbone, 15, 96, batch_size=4, n_steps=3)
    assert speed.ratio == speed.cached / speed.whole > 1
