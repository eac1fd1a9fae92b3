import numpy as np
import pytest
import torch
from PIL import Image

from handful.core.budget import TimeIsUp
from handful.core.errors import UsageError
from handful.core.progress import SILENT
from handful.nn import embedded
from handful.training.checkpoint import Checkpoint
from handful.training.loop import Diverged
from handful.training.objective import LossTerms, Objective
from handful.unsupervised import pretraining_torch
from handful.unsupervised.image_pool import LEAST, image_pool
from handful.unsupervised.pretraining import CONTRASTING, METHODS, SIZES, check_choice
from handful.unsupervised.pretraining_torch import pretraining, weights_of


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """Discs of different colours and places."""
    folder, rng, files = tmp_path_factory.mktemp("pool"), np.random.default_rng(0), []
    y, x = np.mgrid[:24, :24]
    for at in range(LEAST + 3):
        row, column, radius = rng.integers(6, 18), rng.integers(6, 18), rng.integers(3, 9)
        inside = (y - row) ** 2 + (x - column) ** 2 < radius**2
        pixels = np.where(inside[..., None], rng.integers(0, 256, 3), rng.integers(0, 256, 3)).astype(np.uint8)
        files.append(folder / f"{at}.png")
        Image.fromarray(pixels).save(files[-1])
    return image_pool(files, 24, "pool")


def ran(job, folder, n_steps=4, every=100, watch=id):
    return job.run(n_steps, Checkpoint(folder / "state", every), watch, SILENT)


def same(one, other):
    return all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_and_gives_a_backbone(method, pool, tmp_path):
    job = pretraining(method, "small", pool, 0, "cpu")
    backbone, history, stopped = ran(job, tmp_path, 16)
    losses = [row["loss"] for row in history]
    assert (len(history), stopped) == (16, "")
    assert np.mean(losses[-4:]) < np.mean(losses[:4])
    assert backbone.spec == job.backbone.spec
    assert not same(backbone.weights, job.backbone.weights)
    assert backbone.weights["stem.norm.num_batches_tracked"] == 16


def test_the_same_seed_gives_the_same_bytes_also_when_interrupted(pool, tmp_path):
    whole, _, _ = ran(pretraining("simclr", "small", pool, 0, "cpu"), tmp_path / "whole")

    def kill(run):
        if run.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ran(pretraining("simclr", "small", pool, 0, "cpu"), tmp_path / "parts", every=2, watch=kill)
    resumed, history, _ = ran(pretraining("simclr", "small", pool, 0, "cpu"), tmp_path / "parts", every=2)
    other, _, _ = ran(pretraining("simclr", "small", pool, 1, "cpu"), tmp_path / "other")
    assert len(history) == 4
    assert same(whole.weights, resumed.weights)
    assert not same(whole.weights, other.weights)
    first, again, another = (pretraining("simclr", "small", pool, seed, "cpu").backbone.weights for seed in (0, 0, 1))
    assert same(first, again)
    assert not same(first, another)


def test_when_the_time_is_up_it_keeps_what_it_has(pool, tmp_path):
    seen = {}

    def watch(run):
        seen[run.step] = weights_of(run.module)
        if run.step == 2:
            raise TimeIsUp

    backbone, history, stopped = ran(pretraining("simclr", "small", pool, 0, "cpu"), tmp_path, watch=watch)
    assert (len(history), stopped) == (2, "the time was up after 2 of 4 steps")
    assert same(backbone.weights, seen[2])


class Breaking(Objective):
    """The mean of the projections, and no number from the fourth step on."""

    description = "breaking"

    def __init__(self):
        self.n = 0

    def loss(self, module, batch, _):
        self.n += 1
        return LossTerms(module(batch * (float("nan") if self.n >= 4 else 1.0)).square().mean())


def test_a_training_that_diverges_goes_back_to_the_last_good_state(pool, tmp_path, monkeypatch):
    monkeypatch.setitem(pretraining_torch.OBJECTIVES, "simclr", Breaking())
    kept = {}
    backbone, history, stopped = ran(
        pretraining("simclr", "small", pool, 0, "cpu"),
        tmp_path,
        every=2,
        watch=lambda run: kept.setdefault(run.step, weights_of(run.module)),
    )
    assert "became nan at step 4 of 4" in stopped
    assert "the last good state, of step 2, is kept" in stopped
    assert len(history) == 2
    assert same(backbone.weights, kept[2])
    assert all(np.isfinite(value).all() for value in backbone.weights.values())


def test_without_a_good_state_it_says_that_it_diverged(pool, tmp_path, monkeypatch):
    monkeypatch.setitem(pretraining_torch.OBJECTIVES, "simclr", Breaking())
    with pytest.raises(Diverged, match="became nan at step 4"):
        ran(pretraining("simclr", "small", pool, 0, "cpu"), tmp_path)


def test_the_embedded_network_goes_on_from_its_weights_with_its_statistics(pool, tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "SIZES", (32, 224))
    larger = image_pool(pool.files, 32, "pool")
    job = pretraining("vicreg", embedded.NAME, larger, 0, "cpu")
    before = weights_of(job.module)
    backbone, _, _ = ran(job, tmp_path, 1)
    changed = {name for name in before if not np.array_equal(before[name], backbone.weights[name])}
    assert any(name.endswith("convolution.weight") for name in changed)
    assert not any("running" in name for name in changed)
    drift = np.abs(backbone.weights["stem.convolution.weight"] - before["stem.convolution.weight"]).max()
    assert 0 < drift < 1e-2


def test_batches_are_even(pool):
    """23 images in batches of at most 256 are one batch; more are cut into parts of about one size."""
    assert pretraining("simclr", "small", pool, 0, "cpu").how.batch_size == len(pool)


def test_a_step_takes_some_time_and_measuring_changes_nothing(pool):
    job = pretraining("simclr", "small", pool, 0, "cpu")
    before = {name: value.clone() for name, value in job.module.state_dict().items()}
    assert 0 < job.seconds_a_step() < 60
    assert all(torch.equal(before[name], value) for name, value in job.module.state_dict().items())


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (("dino", "small", 32), "there is no method 'dino'; method; use simclr, vicreg"),
        (("simclr", "resnet", 32), "there is no network 'resnet' to start from; from"),
        (("simclr", "small", 224), "small takes no pictures of 224 pixels; size"),
        (("simclr", embedded.NAME, 32), "takes no pictures of 32 pixels; size"),
        (("masked", embedded.NAME, 128), "masked needs the maps of the network small"),
    ],
)
def test_what_does_not_go_together_is_refused(choice, said):
    with pytest.raises(UsageError, match=said):
        check_choice(*choice)


def test_what_goes_together_is_not():
    for start, sizes in SIZES.items():
        for method in CONTRASTING:
            check_choice(method, start, sizes[0])
