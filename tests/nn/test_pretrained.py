import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from handful.core.errors import ModelError
from handful.nn import efficientnet_lite, embedded, small_network
from handful.nn.backbones import backbone_named
from handful.nn.embedded import EfficientNetLite0Backbone
from handful.nn.pretrained import CONFIG, FILES, WEIGHTS, backbone_files, is_pretrained, pretrained_backbone
from handful.nn.small_network import SmallNetworkBackbone
from handful.nn.small_network_torch import SmallNetwork


def own(module):
    return {name: value.numpy() for name, value in module.state_dict().items()}


def written(folder, backbone):
    folder.mkdir()
    for name, content in backbone_files(backbone, backbone.weights, {"made": {"n": 1}}, "card").items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return SmallNetworkBackbone(32, (120.0, 110.0, 100.0), (60.0, 61.0, 62.0), own(SmallNetwork()))


@pytest.fixture
def folder(small, tmp_path):
    return written(tmp_path / "backbone", small)


def changed(folder, **values):
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**config, **values}))


def tensors_changed(folder, change):
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS)


def test_the_shapes_are_those_of_the_modules():
    for module, shapes in (
        (SmallNetwork(), small_network.weight_shapes()),
        (EfficientNetLite0Backbone().module(), efficientnet_lite.weight_shapes()),
    ):
        assert shapes == {name: tuple(value.shape) for name, value in module.state_dict().items()}


def test_the_small_network_comes_back_as_it_was(small, folder):
    found = backbone_named(str(folder))
    assert {entry.name for entry in folder.iterdir()} == FILES
    assert (found.spec, found.fingerprint, found.licence) == (small.spec, small.fingerprint, small.licence)
    assert found.graph_bytes == small.graph_bytes


def test_an_efficientnet_comes_back_as_one_that_can_be_fine_tuned(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "SIZES", (32, 224))
    weights = {
        name: value + np.float32(0.1) if name.endswith("norm.bias") else value
        for name, value in own(EfficientNetLite0Backbone().module()).items()
    }
    before = EfficientNetLite0Backbone(32, weights)
    found = backbone_named(str(written(tmp_path / "backbone", before)))
    assert isinstance(found, EfficientNetLite0Backbone)
    assert (found.name, found.fingerprint) == (before.name, before.fingerprint)
    assert all(
        torch.equal(a, b) for a, b in zip(found.module().parameters(), before.module().parameters(), strict=True)
    )


def test_other_folders_are_not_taken_for_one(tmp_path):
    assert not is_pretrained(tmp_path)
    (tmp_path / CONFIG).write_text('{"model_type": "vit"}')
    assert not is_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"handful_backbone": 2}, "of version 2, 1 was expected"),
        ({"architecture": "resnet"}, "of architecture 'resnet', expected small-network or efficientnet-lite0"),
        ({"architecture": ["small-network"]}, "of architecture"),
        ({"size": 10**9}, "takes no pictures of 1000000000 pixels"),
        ({"size": True}, "size is no whole number"),
        ({"licence": None}, "or licence no text"),
        ({"mean": [1, 2]}, "mean is not one number or three from 0 to 255"),
        ({"mean": "128"}, "mean is not one number"),
        ({"std": [0, 1, 1]}, "std is not one number or three from 0.001"),
        ({"std": [float("nan")]}, "std is not one number"),
        ({"architecture": "efficientnet-lite0", "size": 224}, "the weights are not those|bytes"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(folder, values, said):
    changed(folder, **values)
    with pytest.raises(ModelError, match=said) as refused:
        pretrained_backbone(folder)
    assert str(folder) in str(refused.value)


def drop(tensors):
    del tensors["stem.norm.bias"]


def add(tensors):
    tensors["extra"] = np.zeros(3, np.float32)


def reshape(tensors):
    tensors["stem.norm.bias"] = tensors["stem.norm.bias"][:3]


def retype(tensors):
    tensors["stem.norm.bias"] = tensors["stem.norm.bias"].astype(np.float64)


def spoil(tensors):
    tensors["stem.norm.bias"][0] = np.nan


def negate(tensors):
    tensors["stem.norm.running_var"][0] = -1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drop, "stem.norm.bias is missing"),
        (add, "extra is too much"),
        (reshape, r"stem.norm.bias is F32 of shape \(3,\), not float32 of \(16,\)"),
        (retype, "stem.norm.bias is F64"),
        (spoil, "hold what no training gives: stem.norm.bias"),
        (negate, "hold what no training gives: stem.norm.running_var"),
    ],
)
def test_weights_of_anything_else_are_refused(folder, change, said):
    tensors_changed(folder, change)
    with pytest.raises(ModelError, match=said):
        pretrained_backbone(folder)


def test_a_large_file_is_refused_before_it_is_opened(folder):
    with (folder / WEIGHTS).open("r+b") as file:
        file.truncate(10**9)  # takes no disk
    with pytest.raises(ModelError, match="has 1000000000 bytes, about"):
        pretrained_backbone(folder)


@pytest.mark.parametrize("content", [None, b"", b"\x80\x04pickle", b"\xff" * 100])
def test_damaged_weights_are_refused(folder, content):
    (folder / WEIGHTS).unlink() if content is None else (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(ModelError, match="is missing or damaged"):
        pretrained_backbone(folder)
