import pytest

from handful.core.errors import ModelError, UsageError
from handful.nn.backbones import backbone_named


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
        UsageError, match=r"efficientnet-lite0 takes no pictures of \d+ pixels; --backbone; use one of 128"
    ):
        backbone_named(name)


@pytest.mark.parametrize(
    "name",
    [
        "efficientnet-lite0@",
        "efficientnet-lite0@big",
        "efficientnet",
        "google/mobilenet_v2",
        "",
        "no/such/folder",
        "a\nb",
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
