import torch
from torch import nn

from handful.unsupervised.projector import Projected


class Encoder(nn.Module):
    """Two layers of features: the mean of each channel, and its maximum."""

    def forward(self, images):
        return torch.cat([images.mean((2, 3)), images.amax((2, 3))], dim=1)


def test_only_the_last_layer_is_projected():
    images = torch.randn(4, 3, 8, 8, requires_grad=True)
    projected = Projected(Encoder(), slice(3, 6), (16, 5)).eval()(images)
    assert projected.shape == (4, 5)
    projected.sum().backward()
    assert (images.grad != 0).flatten(1).sum(1).max() <= 3  # the three maxima, not all that a mean looks at


def test_with_frozen_statistics_nothing_learns_any():
    with_norm, without = (Projected(Encoder(), slice(3, 6), (16, 5), frozen) for frozen in (False, True))
    assert list(with_norm.buffers())
    assert not list(without.buffers())
