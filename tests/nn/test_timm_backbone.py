"""Against a stand-in for timm that has the functions used here, as timm 1.0 documents them."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from handful.core.errors import MissingPackage, ModelError, UsageError
from handful.nn import timm_backbone as room
from handful.nn.backbone import InputSpec
from handful.nn.backbones import backbone_named


class Network(nn.Module):
    """Eight blocks, whose ends `feature_info` lists, and a classifier unless there are no classes."""

    def __init__(self, num_classes=10):
        super().__init__()
        self.blocks = nn.Sequential(*(nn.Conv2d(3, 3, 1) for _ in range(8)))
        self.feature_info = [{"module": f"blocks.{at}", "num_chs": 3} for at in range(8)]
        self.classifier = nn.Linear(3, num_classes) if num_classes else nn.Identity()

    def forward(self, images):
        return self.classifier(self.blocks(images).square().mean((2, 3)))


def create_model(name, pretrained, num_classes, pretrained_cfg_overlay):
    network = Network(num_classes)
    network.load_state_dict(load_file(pretrained_cfg_overlay["file"]))
    return network


@pytest.fixture
def timm(monkeypatch, tmp_path):
    """The stand-in; what was asked of the hub is its `asked`, the weights are in a folder of their own."""
    stand_in = ModuleType("timm")
    stand_in.__version__, stand_in.create_model, stand_in.asked = "1.0", create_model, []
    stand_in.models = SimpleNamespace(
        is_model=lambda name: name.startswith("tiny"),
        get_pretrained_cfg=lambda *_, **__: SimpleNamespace(hf_hub_id="timm/tiny.in1k"),
    )
    config = {"input_size": (3, 32, 32), "mean": (0.5, 0.5, 0.4), "std": (0.25, 0.2, 0.2)}
    stand_in.data = SimpleNamespace(resolve_model_data_config=lambda _: config)
    monkeypatch.setitem(sys.modules, "timm", stand_in)
    save_file(Network(num_classes=0).state_dict(), tmp_path / "model.safetensors")
    monkeypatch.setattr(room, "hub_folder", lambda *asked: stand_in.asked.append(asked) or tmp_path)
    return stand_in


def test_a_name_is_a_network_without_classifier_with_a_depth_in_each_quarter(timm):
    backbone = backbone_named("timm:tiny", offline=True)
    assert [layer.name for layer in backbone.layers] == ["blocks.1", "blocks.3", "blocks.5", "blocks.7", "output"]
    assert [layer.dim for layer in backbone.layers] == [3] * 5
    assert backbone.spec == InputSpec(32, (127.5, 127.5, 102.0), (63.75, 51.0, 51.0))
    assert (backbone.name, backbone.licence) == ("timm:tiny", "see the model card of timm/tiny.in1k")
    assert backbone.module()(torch.zeros(2, 3, 32, 32)).shape == (2, 15)


def test_only_safetensors_of_the_hub_are_asked_for_and_offline_is_passed_on(timm):
    backbone_named("timm:tiny", offline=True)
    ((name, files, offline),) = timm.asked
    assert (name, list(files), offline) == ("timm/tiny.in1k", ["model.safetensors"], True)


def test_weights_that_do_not_fit_are_refused_in_one_line(timm, tmp_path):
    save_file({"blocks.0.weight": torch.zeros(3)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=r"timm cannot load tiny \(RuntimeError: ") as refused:
        backbone_named("timm:tiny")
    assert "\n" not in str(refused.value)


def test_an_unknown_name_is_refused(timm):
    with pytest.raises(
        UsageError, match=r"timm 1\.0 knows no model 'nonsense' with weights on the hub; backbone; timm"
    ):
        backbone_named("timm:nonsense")


@pytest.mark.parametrize(
    "failure", [ModuleNotFoundError("No module named 'timm'"), RuntimeError("no operator nms\nat")]
)
def test_without_timm_or_with_another_torchvision_the_error_says_what_to_install(monkeypatch, failure):
    def fails(name):
        raise failure

    monkeypatch.setattr(room.importlib, "import_module", fails)
    with pytest.raises(MissingPackage, match=r"cannot be imported .*pip install timm, and the torchvision .* torch 2"):
        backbone_named("timm:resnet18")
