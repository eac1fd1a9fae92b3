import json
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest

pytest.importorskip("transformers")

from handful.bundle.graph import Head, splice
from handful.core.errors import ModelError
from handful.nn.backbone import Layer
from handful.nn.features import _torch_embedder, embedder
from handful.nn.huggingface import HuggingFaceBackbone, input_spec
from handful.nn.onnx_runtime import open_session

SIZE = 32
PREPARATION = {
    "do_center_crop": True,
    "crop_size": {"height": SIZE, "width": SIZE},
    "size": {"shortest_edge": 40},
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.25, 0.2, 0.3],
    "rescale_factor": 1 / 255,
}


def saved(network, folder):
    """A folder as `save_pretrained` leaves it; the weights are random, drawn from a seed."""
    import torch
    from transformers.utils import logging

    generator = torch.Generator().manual_seed(0)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            fan_in = max(tensor[0].numel(), 1) if tensor.ndim else 1
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5 if tensor.ndim < 2 else tensor)
            if tensor.ndim > 1:
                tensor.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
    logging.disable_progress_bar()
    network.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPARATION))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from transformers import ResNetConfig, ResNetModel

    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 12, 16], depths=[1, 2, 1], layer_type="basic")
    return saved(ResNetModel(config), tmp_path_factory.mktemp("models") / "resnet")


@pytest.fixture(scope="module")
def backbone(folder):
    return HuggingFaceBackbone(folder)


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def images(n=5, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, SIZE, SIZE, 3), dtype=np.uint8)


def test_layers_are_the_last_state_of_each_resolution_and_the_pooled_output(backbone):
    """The third stage is the pooled output, so it is there once."""
    assert backbone.layers == (Layer("hidden1.mean", 8), Layer("hidden2.mean", 12), Layer("pooled", 16))
    assert backbone.columns(backbone.last) == [slice(20, 36)]


def test_graph_and_module_compute_the_same(backbone):
    pixels = images()
    graph, module = embedder(backbone, "cpu")(pixels), _torch_embedder(backbone, "cpu")(pixels)
    assert graph.shape == (5, 36)
    assert np.abs(graph).max() > 0.1
    np.testing.assert_allclose(graph, module, atol=1e-3)
    np.testing.assert_allclose(embedder(backbone, "cpu")(pixels[:1]), graph[:1], atol=1e-5)


def test_pooled_layers_are_what_transformers_computes(backbone, folder):
    import torch
    from transformers import AutoModel

    pixels = images()
    normalised = (pixels / 255 - PREPARATION["image_mean"]) / PREPARATION["image_std"]
    with torch.inference_mode():
        seen = AutoModel.from_pretrained(folder)(
            torch.from_numpy(normalised.transpose(0, 3, 1, 2)).float(), output_hidden_states=True
        )
    expected = [seen.hidden_states[1].mean((2, 3)), seen.hidden_states[2].mean((2, 3)), seen.pooler_output.flatten(1)]
    np.testing.assert_allclose(embedder(backbone, "cpu")(pixels), torch.cat(expected, 1).numpy(), atol=1e-4)


def test_the_graph_is_one_file_that_older_runtimes_read(backbone):
    model = onnx.load_model_from_string(backbone.graph_bytes)
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version <= 8
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    assert not model.functions
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)
    assert b"/huggingface_torch.py" not in backbone.graph_bytes


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_head_can_be_spliced_onto_the_graph(backbone, mirrored):
    pixels, rng = images(3), np.random.default_rng(0)
    columns = backbone.columns(("hidden2.mean", "pooled"))
    weight, bias = rng.normal(size=(28, 4)), rng.normal(size=4)
    head = Head(columns, 0.5, weight, bias, mirrored, columns[1])
    session = open_session(splice(backbone.graph_bytes, head))
    found, embedding = session.run(["scores", "embedding"], {"pixels": pixels})

    def scores(seen):
        rows = embedder(backbone, "cpu")(seen)
        parts = [np.sign(rows[:, c]) * np.sqrt(np.abs(rows[:, c])) for c in columns]
        units = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in parts]
        return np.hstack(units) / np.sqrt(2) @ head.weight + head.bias, units[1]

    expected, last = scores(pixels)
    if mirrored:
        expected = (expected + scores(pixels[:, :, ::-1])[0]) / 2
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(embedding, last, atol=1e-4)


def test_the_exporter_and_transformers_are_silent(folder, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("HANDFUL_CACHE", str(tmp_path))
    assert HuggingFaceBackbone(folder).graph_bytes == HuggingFaceBackbone(folder).graph_bytes
    assert capfd.readouterr() == ("", "")


def test_with_its_graph_in_the_cache_neither_torch_nor_transformers_is_imported(backbone, folder):
    assert backbone.graph_bytes
    script = f"""
import sys, numpy as np
from handful.nn.backbones import backbone_named
from handful.nn.features import embedder
net = backbone_named({str(folder)!r})
print(embedder(net, "cpu")(np.zeros((1, 32, 32, 3), np.uint8)).shape, net.layers[-1].dim)
print([name for name in ("torch", "transformers") if name in sys.modules])
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines() == ["(1, 36) 16", "[]"]


def test_the_fingerprint_changes_with_every_file(copy):
    before = {HuggingFaceBackbone(copy).fingerprint}
    for name in ("config.json", "preprocessor_config.json"):
        (copy / name).write_text((copy / name).read_text() + "\n")
        before.add(HuggingFaceBackbone(copy).fingerprint)
    (copy / "model.safetensors").write_bytes((copy / "model.safetensors").read_bytes() + b"\0")
    before.add(HuggingFaceBackbone(copy).fingerprint)
    assert len(before) == 4


def test_a_network_of_tokens_gives_every_quarter_of_its_depth(tmp_path):
    """The classifier's weights bring no pooler: the last state is averaged instead of passing through noise."""
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=8, num_hidden_layers=8, num_attention_heads=2, intermediate_size=8, image_size=SIZE, patch_size=8
    )
    network = HuggingFaceBackbone(saved(ViTForImageClassification(config), tmp_path / "vit")).module()
    assert not network.has_pooler
    assert list(network.layer_dims) == ["hidden2.mean", "hidden4.mean", "hidden6.mean", "hidden8.mean", "pooled"]


def test_batch_normalisation_of_mobilenet_is_made_fit_for_training(tmp_path):
    from torch.nn import BatchNorm2d
    from transformers import MobileNetV2Config, MobileNetV2Model

    config = MobileNetV2Config(depth_multiplier=0.25, image_size=SIZE)
    network = HuggingFaceBackbone(saved(MobileNetV2Model(config), tmp_path / "mobilenet")).module()
    assert {module.momentum for module in network.modules() if isinstance(module, BatchNorm2d)} == {0.1}
    assert list(network.layer_dims)[-1] == "pooled"
    assert len(network.layer_dims) == 5
    assert not network.training


@pytest.mark.parametrize("missing", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_a_missing_file_is_named(copy, missing):
    (copy / missing).unlink()
    with pytest.raises(ModelError, match=f"folder has no {missing}; .*copy; give a folder with config.json, "):
        HuggingFaceBackbone(copy)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", "{", "config.json is damaged"),
        ("config.json", "[" * 100_000, "config.json is damaged"),
        ("config.json", "[1]", "config.json is not a JSON object"),
        ("config.json", "{}", "config.json names no model_type"),
        ("config.json", " " * 5_000_000, "config.json has 5000000 bytes, at most 4194304 are read"),
        ("preprocessor_config.json", '{"image_mean": "x"}', "no usable mean, std or rescale factor"),
        ("preprocessor_config.json", "null", "preprocessor_config.json is not a JSON object"),
    ],
)
def test_a_hostile_description_is_refused_in_one_line(copy, file, content, message):
    (copy / file).write_text(content)
    with pytest.raises(ModelError, match=message) as refused:
        HuggingFaceBackbone(copy)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "does-not-exist"}, "transformers cannot load the network"),
        ({"model_type": "bert"}, "197 tensors of the network without weights"),
        ({"hidden_sizes": [8, 12, 17]}, r"15 tensors of another shape .* \(16, 12, 3, 3\), expected \(17, 12, 3, 3\)"),
        ({"depths": [1, 2, 3]}, r"\d+ tensors of the network without weights, such as encoder"),
        ({"num_channels": 1}, r"1 tensor of another shape .* \(8, 3, 7, 7\), expected \(8, 1, 7, 7\)"),
    ],
)
def test_a_description_that_does_not_fit_the_weights_is_refused_in_one_line(copy, changes, message):
    config = json.loads((copy / "config.json").read_text()) | changes
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=message) as refused:
        HuggingFaceBackbone(copy).module()
    assert "\n" not in str(refused.value)


def test_a_folder_of_a_text_model_is_called_that(copy):
    (copy / "preprocessor_config.json").unlink()
    (copy / "tokenizer_config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"holds a text model \(resnet\), an image model was expected; .*copy; give"):
        HuggingFaceBackbone(copy)


def test_a_network_of_texts_that_pretends_is_found_out(tmp_path):
    from transformers import BertConfig, BertModel

    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    folder = saved(BertModel(BertConfig(vocab_size=9, **sizes)), tmp_path / "bert")
    with pytest.raises(ModelError, match=r"network \(bert\) reads input_ids, one that reads pixel_values was expected"):
        HuggingFaceBackbone(folder).module()


def test_a_pickle_is_named_and_not_opened(copy):
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(
        ModelError, match=r"has no model.safetensors; .*; pytorch_model.bin is never opened, as it could"
    ):
        HuggingFaceBackbone(copy)


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"\x80\x04pickle"])
def test_damaged_weights_are_refused_in_one_line(copy, content):
    (copy / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match="transformers cannot load the network") as refused:
        HuggingFaceBackbone(copy).module()
    assert "\n" not in str(refused.value)


def test_code_in_the_folder_is_never_run(copy):
    config = json.loads((copy / "config.json").read_text())
    config |= {"model_type": "foreign", "auto_map": {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"}}
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "evil.py").write_text(f"open({str(copy / 'was here')!r}, 'w')")
    with pytest.raises(ModelError, match="transformers cannot load the network"):
        HuggingFaceBackbone(copy).module()
    assert not (copy / "was here").exists()


def spec_of(tmp_path, **changes):
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps({name: value for name, value in (PREPARATION | changes).items() if value is not None}))
    return input_spec(path)


def test_preparation_is_one_subtraction_and_one_division(tmp_path):
    spec, pixels = spec_of(tmp_path), np.arange(256)[:, None]
    expected = (pixels / 255 - PREPARATION["image_mean"]) / PREPARATION["image_std"]
    np.testing.assert_allclose((pixels - np.array(spec.mean)) / spec.std, expected)
    assert spec.size == SIZE


@pytest.mark.parametrize(
    ("changes", "size", "mean"),
    [
        ({"do_center_crop": False, "crop_size": None}, 40, 127.5),
        ({"do_center_crop": False, "size": {"height": 48, "width": 48}}, 48, 127.5),
        ({"do_center_crop": False, "size": 64}, 64, 127.5),
        ({"do_rescale": False}, SIZE, 0.5),
        ({"do_normalize": False, "image_mean": None, "image_std": None}, SIZE, 0.0),
    ],
)
def test_the_ways_to_write_a_preparation(tmp_path, changes, size, mean):
    spec = spec_of(tmp_path, **changes)
    assert (spec.size, spec.mean[0]) == (size, pytest.approx(mean))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop_size": {"height": 100_000, "width": 1}}, "no image size of 16 to 1024 pixels"),
        ({"crop_size": None, "size": None}, "no image size"),
        ({"crop_size": True, "size": {}}, "no image size"),
        ({"image_std": [0.0, 1.0, 1.0]}, "no usable mean, std or rescale factor"),
        ({"image_mean": [float("nan")] * 3}, "no usable mean, std or rescale factor"),
        ({"image_mean": [0.5]}, "no usable mean, std or rescale factor"),
        ({"rescale_factor": 0}, "no usable mean, std or rescale factor"),
        ({"do_flip_channel_order": True}, "do_flip_channel_order, which is not supported"),
    ],
)
def test_a_preparation_that_makes_no_sense_is_refused(tmp_path, changes, message):
    with pytest.raises(ModelError, match=message):
        spec_of(tmp_path, **changes)
