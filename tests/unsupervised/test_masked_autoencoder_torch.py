"""What is hidden, what counts, and that restoring teaches a network."""

import numpy as np
import pytest
import torch
from torch import nn

from handful.core.errors import UsageError
from handful.nn.small_network import STAGE_DIMS
from handful.nn.small_network_torch import SmallNetwork
from handful.training.loop import train
from handful.training.settings import Training
from handful.unsupervised.masked_autoencoder_torch import Reconstruction, Restorer, hidden_pixels


class Same(nn.Module):
    def forward(self, images):
        return images


def test_patches_are_hidden_whole_and_as_many_in_every_image():
    holes = hidden_pixels(50, 30, 28, 4, 0.6, np.random.default_rng(0))
    assert holes.shape == (50, 30, 28)
    for image in holes:
        cells = [image[top : top + 4, left : left + 4] for top in range(0, 30, 4) for left in range(0, 28, 4)]
        assert all(cell.all() or not cell.any() for cell in cells)
        assert sum(cell.all() for cell in cells) == round(0.6 * 8 * 7)
    assert holes.mean(axis=0).min() > 0.4  # every place has its turn
    assert not hidden_pixels(9, 8, 8, 4, 0.99, np.random.default_rng(0)).all(axis=(1, 2)).any()


def test_only_hidden_pixels_count_and_they_are_shown_as_the_mean():
    images = torch.randn(6, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    holes = torch.from_numpy(hidden_pixels(6, 16, 16, 4, 0.5, np.random.default_rng(3)))[:, None].expand(-1, 3, -1, -1)
    found = Reconstruction(hidden=0.5).loss(Same(), (images, images), np.random.default_rng(3)).total
    torch.testing.assert_close(found, images[holes].square().mean())  # 0 is given for each hidden pixel
    assert Reconstruction().loss(Same(), (images, images), np.random.default_rng(3)).total == 0


def test_parts_of_a_batch_cost_on_average_what_the_batch_costs():
    shown, wanted = torch.rand(8, 3, 16, 16), torch.rand(8, 3, 16, 16)

    def loss(rows):
        return Reconstruction().loss(Same(), (shown[rows], wanted[rows]), np.random.default_rng(0)).total

    torch.testing.assert_close((loss(slice(0, 4)) + loss(slice(4, 8))) / 2, loss(slice(0, 8)))


@pytest.mark.parametrize("hidden", [0.0, 0.6])
def test_restoring_trains_the_small_network(hidden):
    rng = np.random.default_rng(0)
    images = torch.from_numpy(np.repeat(np.repeat(rng.normal(size=(16, 3, 3, 3)), 8, 2), 8, 3).astype(np.float32))
    torch.manual_seed(0)
    module = Restorer(SmallNetwork(), STAGE_DIMS[-1])
    before = module.encoder.stem.convolution.weight.clone()
    how = Training(steps=30, batch_size=16, learning_rate=2e-3, frozen_statistics=False)
    history = train(module, Reconstruction(hidden), lambda rows, _: (images[rows], images[rows]), 16, how, 0)
    assert module(images).shape == images.shape
    assert history[-1]["loss"] < 0.6 * history[0]["loss"]
    assert not torch.equal(before, module.encoder.stem.convolution.weight)


def test_shares_and_patches_that_make_no_sense_are_refused():
    with pytest.raises(UsageError, match="hidden=1"):
        Reconstruction(hidden=1.0)
    with pytest.raises(UsageError, match="patch=0"):
        Reconstruction(patch=0)
