import numpy as np
import pytest
import torch
from torch import nn

from handful.core.errors import ModelError, UsageError
from handful.nn import exporting_torch
from handful.nn.backbone import InputSpec, Layer
from handful.nn.exporting_torch import check_parity
from handful.nn.features import _torch_embedder, embedder
from handful.nn.module_backbone import ModuleBackbone

SPEC = InputSpec(16, mean=(127.5, 120.0, 110.0), std=(50.0, 60.0, 70.0))


def network(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3))


class Gives(nn.Module):
    """A network that gives whatever it is told."""

    def __init__(self, what):
        super().__init__()
        self.what = what

    def forward(self, images):
        return self.what(images)


@pytest.fixture(scope="module")
def backbone():
    return ModuleBackbone(network(), SPEC, layers=("2",), licence="ours")


def images(n):
    return np.random.default_rng(0).integers(0, 256, (n, 16, 16, 3), dtype=np.uint8)


def test_graph_and_module_are_the_means_of_what_the_network_gives(backbone):
    pixels = images(5)
    normalised = (pixels - np.array(SPEC.mean)) / SPEC.std
    with torch.inference_mode():
        inside = network().eval()[:3](torch.from_numpy(normalised.transpose(0, 3, 1, 2)).float())
        expected = torch.cat([inside.mean((2, 3)), network()[3](inside).mean((2, 3))], dim=1).numpy()
    assert backbone.layers == (Layer("2", 4), Layer("output", 6))
    assert backbone.last == ("output",)
    np.testing.assert_allclose(embedder(backbone, "cpu")(pixels), expected, atol=1e-4)
    np.testing.assert_allclose(_torch_embedder(backbone, "cpu")(pixels), expected, atol=1e-4)


def test_the_fingerprint_is_of_weights_and_preparation(backbone, monkeypatch):
    def fingerprint(network, spec):
        return ModuleBackbone(network, spec, layers=("2",), licence="ours").fingerprint

    assert fingerprint(network(), SPEC) == backbone.fingerprint
    assert fingerprint(network(1), SPEC) != backbone.fingerprint
    monkeypatch.setattr(exporting_torch, "check_parity", lambda *_: None)  # it takes its part of the time
    assert fingerprint(network(), InputSpec(16, (0.0,), (1.0,))) != backbone.fingerprint


def test_the_module_that_was_given_is_left_alone():
    given = network().train()
    backbone = ModuleBackbone(given, SPEC)
    assert given.training
    assert not backbone.module().training
    with torch.no_grad():
        given[0].weight.zero_()
        backbone.module().body[0].weight.zero_()
    assert backbone.module().body[0].weight.abs().max() > 0


@pytest.mark.parametrize(
    ("what", "dims"),
    [
        (lambda images: images.flatten(1)[:, :7], {"output": 7}),  # vectors
        (lambda images: images.flatten(2).transpose(1, 2), {"output": 3}),  # tokens
        (lambda images: {"low": images, "high": images.mean((2, 3))[:, :2]}, {"low": 3, "high": 2}),
    ],
)
def test_vectors_tokens_maps_and_dictionaries_are_pooled(what, dims):
    backbone = ModuleBackbone(Gives(what), SPEC)
    assert {layer.name: layer.dim for layer in backbone.layers} == dims
    assert backbone.last == (list(dims)[-1],)
    assert backbone.module()(torch.zeros(4, 3, 16, 16)).shape == (4, sum(dims.values()))


def test_a_layer_inside_that_is_the_output_is_there_once():
    assert ModuleBackbone(network(), SPEC, layers=("0", "3")).layers == (Layer("0", 4), Layer("output", 6))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (lambda images: (images, None), "output is a tuple of Tensor, NoneType; one tensor of rank 2, 3 or 4"),
        (lambda images: {"a": images, "b": 3}, "b is of type int"),
        (lambda _: None, "output is nothing"),
        (lambda images: images.mean((1, 2, 3)), r"output is a tensor of shape \(2,\) for 2 images"),
        (lambda images: images.mean(0), r"output is a tensor of shape \(3, 16, 16\) for 2 images"),
        (lambda images: images.flatten(1).argmax(1, keepdim=True), "output is a tensor of torch.int64"),
        (lambda images: images / 0, "output is not finite"),
    ],
)
def test_what_is_no_encoder_is_told_what_it_gives(what, message):
    with pytest.raises(ModelError, match=f"the module is not an encoder: {message}"):
        ModuleBackbone(Gives(what), SPEC)


def test_a_module_of_other_images_is_refused_in_one_line():
    with pytest.raises(
        ModelError, match=r"cannot take float images of shape \(2, 3, 16, 16\) \(RuntimeError: "
    ) as refused:
        ModuleBackbone(nn.Conv2d(1, 2, 3), SPEC)
    assert "\n" not in str(refused.value)


def test_what_is_no_module_or_no_submodule_is_refused():
    with pytest.raises(UsageError, match=r"a torch.nn.Module was expected, got function"):
        ModuleBackbone(network, SPEC)
    with pytest.raises(UsageError, match="no submodule 'blocks'; Sequential; it has 0, 1, 2, 3"):
        ModuleBackbone(network(), SPEC, layers=("blocks",))


def test_a_graph_of_another_network_is_refused(backbone):
    with pytest.raises(ModelError, match=r"the exported graph and the network differ by \d"):
        check_parity(
            backbone.graph_bytes,
            Gives(lambda pixels: torch.ones(len(pixels), 10)),
            {"pixels": torch.from_numpy(images(2))},
            "",
        )


def test_a_network_that_branches_on_its_images_cannot_be_exported():
    branching = Gives(lambda images: images if images.sum() > 0 else -images)
    with pytest.raises(ModelError, match="torch cannot export the network to ONNX") as refused:
        _ = ModuleBackbone(branching, SPEC).graph_bytes
    assert "\n" not in str(refused.value)
