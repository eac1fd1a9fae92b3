import json
import shutil

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("tokenizers")

from handful.core.errors import ModelError
from handful.nn.backbone import Layer
from handful.nn.backbones import text_backbone_named
from handful.nn.huggingface import HuggingFaceBackbone
from handful.nn.huggingface_text import HuggingFaceTextBackbone

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"w{at}" for at in range(40))]
SIZES = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 40}
TEXTS = ["w1 w2 w3", "w3", "", "w1 " + "w7 w8 w9 w11 " * 20]


def write_tokenizer(folder):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token=WORDS[1]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A BERT of two layers as `save_pretrained` leaves it; the weights are random, drawn from a seed."""
    import torch
    from transformers import BertConfig, BertModel
    from transformers.utils import logging

    folder = tmp_path_factory.mktemp("models") / "bert"
    logging.disable_progress_bar()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = BertModel(BertConfig(vocab_size=len(WORDS), num_hidden_layers=2, initializer_range=0.3, **SIZES))
    network.save_pretrained(folder)
    write_tokenizer(folder)
    return folder


@pytest.fixture(scope="module")
def backbone(folder):
    return HuggingFaceTextBackbone(folder)


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_the_upper_half_of_the_depths_is_pooled(backbone):
    assert backbone.layers == tuple(Layer(f"layer{depth}.mean", 16) for depth in (1, 2))
    assert backbone.last == ("layer2.mean",)
    assert backbone.spec.max_length == 40


def test_features_are_means_over_the_tokens_of_what_transformers_computes(backbone, folder):
    import torch
    from transformers import AutoModel

    network = AutoModel.from_pretrained(folder).eval()
    found = backbone.embed(TEXTS[:3])
    for text, row in zip(TEXTS, found, strict=False):  # one by one: no padding, no mask
        ids = [2, *(WORDS.index(word) for word in text.split()), 3]
        with torch.inference_mode():
            states = network(torch.tensor([ids]), output_hidden_states=True).hidden_states
        expected = np.concatenate([states[depth][0].mean(0).numpy() for depth in (1, 2)])
        np.testing.assert_allclose(row, expected, atol=3e-3)
    assert np.abs(found).max() > 0.1


def test_a_longer_text_is_the_mean_of_its_windows(backbone):
    words = TEXTS[3].split()
    size = backbone.windows.size
    assert size == 38
    starts = np.linspace(0, len(words) - size, 4).round().astype(int)
    windows = [" ".join(words[start : start + size]) for start in starts]
    np.testing.assert_allclose(
        backbone.embed([TEXTS[3]])[0], backbone.embed(windows).astype(np.float64).mean(0), atol=3e-3
    )


def test_graph_and_module_compute_the_same_whatever_stands_behind_the_mask(backbone):
    import torch

    ids, mask = np.array([[2, 5, 6, 3, 0, 0, 0, 0], [2, 7, 8, 9, 10, 11, 12, 3]]), np.ones((2, 8), np.int64)
    mask[0, 4:] = 0
    graph = backbone._runner()(ids, mask)
    with torch.inference_mode():
        module = backbone.module()(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
    np.testing.assert_allclose(graph, module, atol=1e-4)
    ids[0, 4:] = 20
    np.testing.assert_allclose(backbone._runner()(ids, mask)[0], graph[0], atol=1e-5)


def test_a_folder_is_a_name(backbone, folder):
    found = text_backbone_named(str(folder))
    assert (found.fingerprint, found.name) == (backbone.fingerprint, str(folder))
    assert HuggingFaceTextBackbone(folder, max_length=16).fingerprint != backbone.fingerprint


def test_an_image_model_and_a_text_model_are_told_apart(copy):
    with pytest.raises(ModelError, match=r"the folder holds a text model \(bert\), an image model was expected"):
        HuggingFaceBackbone(copy)
    (copy / "tokenizer.json").rename(copy / "preprocessor_config.json")
    with pytest.raises(ModelError, match=r"the folder holds an image model \(bert\), a text model was expected"):
        HuggingFaceTextBackbone(copy)


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_file_is_named(copy, missing):
    (copy / missing).unlink()
    with pytest.raises(
        ModelError, match=f"folder has no {missing}; .*; give a folder with config.json, tokenizer.json"
    ):
        HuggingFaceTextBackbone(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"is_encoder_decoder": True}, r"holds an encoder and a decoder \(bert\), an encoder alone was expected"),
        (
            {"vocab_size": 20},
            "tokenizer.json has 44 words, but the network has 20; .*; give the tokenizer and the weights",
        ),
        ({"max_position_embeddings": 8}, "windows of 8 tokens are too short, at least 16 were expected"),
    ],
)
def test_what_is_no_encoder_is_refused_before_it_is_loaded(copy, changes, message):
    config = json.loads((copy / "config.json").read_text()) | changes
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=message):
        HuggingFaceTextBackbone(copy)


def test_weights_of_another_shape_are_named(copy):
    config = json.loads((copy / "config.json").read_text()) | {"intermediate_size": 24}
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"6 tensors of another shape .* \(16,\), expected \(24,\)"):
        HuggingFaceTextBackbone(copy).module()


@pytest.mark.parametrize("content", ["", "{}", '{"model": {"type": "Evil"}}'])
def test_a_damaged_tokenizer_is_refused_in_one_line(copy, content):
    (copy / "tokenizer.json").write_text(content)
    with pytest.raises(ModelError, match=r"tokenizer.json is damaged \(.*\); .*; download the model again") as refused:
        HuggingFaceTextBackbone(copy)
    assert "\n" not in str(refused.value)
