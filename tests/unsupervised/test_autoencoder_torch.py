"""The parts of the networks, against slow references."""

from math import log

import numpy as np
import torch
from torch.distributions import Normal, kl_divergence

from handful.unsupervised.autoencoder_torch import Codec, Design, Gaussian, KSparse, Variational, codec


def test_the_bound_is_that_of_torch_distributions():
    torch.manual_seed(0)
    network = codec(Design((5,), 3, (8,), False, "variational", 3))
    examples = torch.randn(7, 5)
    torch.manual_seed(1)
    found = Variational().loss(network, (examples, examples), np.random.default_rng(0))
    mean, log_variance = network.code.moments(network.body(examples))
    codes = Normal(mean, (log_variance / 2).exp())
    divergence = kl_divergence(codes, Normal(0.0, 1.0)).sum(dim=1).mean()
    torch.testing.assert_close(found.named["divergence"], divergence)
    torch.manual_seed(1)
    error = (network.decoder(codes.rsample()) - examples).square().mean()
    torch.testing.assert_close(found.named["error"], error, rtol=1e-4, atol=1e-6)
    # minus the log-likelihood of a normal distribution whose variance is the error, per number, a constant less
    likelihood = Normal(0.0, error.sqrt()).log_prob(error.sqrt())
    torch.testing.assert_close(found.total, -likelihood - (log(2 * np.pi) + 1) / 2 + divergence / 5)


def test_the_largest_numbers_of_a_sparse_code_are_kept_as_they_are():
    torch.manual_seed(0)
    layer, flow = KSparse(6, 10, active=3), torch.randn(20, 6)
    linear, kept = layer.linear(flow), layer(flow)
    expected = torch.where(linear >= linear.sort(dim=1).values[:, -3:-2], linear, 0.0)
    torch.testing.assert_close(kept, expected)


def test_a_variational_code_is_the_mean_of_its_distribution():
    layer, flow = Gaussian(4, 2), torch.randn(3, 4)
    torch.testing.assert_close(layer(flow), layer.moments(flow)[0])


def test_every_network_gives_back_the_shape_that_it_was_given():
    for shape, convolutional in (((5,), False), ((3, 9, 21), False), ((1, 9, 21), True), ((3, 64, 8), True)):
        network = codec(Design(shape, 4, (16, 8), convolutional, "plain", 4))
        assert isinstance(network, Codec)
        examples = torch.randn(2, *shape)
        assert network.encode(examples).shape == (2, 4)
        assert network(examples).shape == examples.shape
