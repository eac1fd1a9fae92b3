import numpy as np
import pytest
import torch

from handful.core.errors import UsageError
from handful.nn.minilm import layer_dims
from handful.nn.onnx_runtime import open_session
from handful.nn.sentence_encoder import SentenceEncoder, published_weights

TEXTS = [
    "What films featured the character Popeye Doyle ?",
    "a stirring , funny and finally transporting re-imagining of beauty and the beast and 1930s horror films",
    "Naïve cafés; 東京タワー \U0001f600",
    "no",
    " ".join(["It was the best of times, it was the worst of times."] * 15),
]


@pytest.fixture(scope="module")
def encoder():
    return SentenceEncoder()


@pytest.fixture(scope="module")
def session(encoder):
    return open_session(encoder.graph_bytes)


@pytest.fixture(scope="module")
def batch(encoder):
    """All texts padded to the longest."""
    encodings = [encoder.windows.tokenizer.encode(text).ids for text in TEXTS]
    ids = np.zeros((len(TEXTS), max(map(len, encodings))), np.int64)
    mask = np.zeros_like(ids)
    for row, encoding in enumerate(encodings):
        ids[row, : len(encoding)], mask[row, : len(encoding)] = encoding, 1
    return ids, mask


def run(session, ids, mask):
    return session.run(["features"], {"ids": ids, "mask": mask})[0]


def test_every_pooled_layer_is_that_of_transformers(encoder, session, batch):
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
    )  # all else is as published by default
    network = transformers.BertModel(config, add_pooling_layer=False).eval()
    weights = {name: torch.from_numpy(value) for name, value in published_weights().items()}
    missing, _ = network.load_state_dict(weights, strict=False)
    assert not missing
    inner = []
    for layer in network.encoder.layer:
        layer.intermediate.register_forward_hook(lambda *hooked: inner.append(hooked[-1]))
    ids, mask = batch
    with torch.inference_mode():
        outer = network(torch.tensor(ids), torch.tensor(mask), output_hidden_states=True).hidden_states[1:]
    found = run(session, ids, mask)
    for name, column in zip(layer_dims(), encoder.columns(tuple(layer_dims())), strict=True):
        depth, how = name.removeprefix("layer").split(".")
        for row in range(len(TEXTS)):
            hidden = (inner if how == "inner" else outer)[int(depth) - 1]
            tokens = hidden[row, : mask[row].sum()].numpy()  # without the padding
            pooled = tokens.max(0) if how == "max" else tokens.mean(0)
            np.testing.assert_allclose(found[row, column], pooled, atol=1e-4, err_msg=f"{name} of text {row}")


def test_the_module_gives_the_features_of_the_graph(encoder, session, batch):
    ids, mask = map(torch.tensor, batch)
    with torch.inference_mode():
        found = encoder.module()(ids, mask).numpy()
    np.testing.assert_allclose(found, run(session, *batch), atol=1e-4)


def test_the_module_learns_in_every_weight_that_its_input_reaches(encoder, batch):
    ids, mask = torch.tensor(batch[0][:2, :24]), torch.tensor(batch[1][:2, :24])
    network = encoder.module()
    network(ids, mask).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    untouched = [name for name, parameter in network.named_parameters() if not parameter.grad.any()]
    assert untouched == []


def test_padding_and_its_ids_change_nothing(session, batch):
    ids, mask = batch
    row, n = 0, int(batch[1][0].sum())
    alone = run(session, ids[:1, :n], mask[:1, :n])
    padded_with_words = np.where(mask == 1, ids, 2023)
    np.testing.assert_allclose(run(session, padded_with_words, mask)[row], alone[0], atol=1e-5)


def test_the_order_of_words_counts(encoder, session):
    dog, man = (encoder.windows.tokenizer.encode(text).ids for text in ("dog bites man", "man bites dog"))
    assert sorted(dog) == sorted(man)
    found = run(session, np.array([dog, man]), np.ones((2, len(dog)), np.int64))
    assert np.abs(found[0] - found[1]).max() > 0.1


def test_the_published_weights_come_back(encoder):
    network, published = encoder.module(), published_weights()
    found = network.as_published()
    assert set(published) - set(found) <= {name for name in published if "pooler" in name or "position_ids" in name}
    kinds = "embeddings.token_type_embeddings.weight"
    positions = "embeddings.position_embeddings.weight"
    np.testing.assert_array_equal(found[positions] + found[kinds][:1], published[positions] + published[kinds][:1])
    for name in set(found) - {kinds, positions}:
        np.testing.assert_array_equal(found[name], published[name], err_msg=name)


@pytest.mark.parametrize("n_frozen", [0, 3, 5])
def test_the_two_parts_are_the_network(encoder, batch, n_frozen):
    ids, mask = map(torch.tensor, batch)
    network = encoder.module()
    lower, upper = network.split(n_frozen)
    with torch.inference_mode():
        flow, below = lower(ids, mask)
        np.testing.assert_array_equal(upper(flow, below, mask), network(ids, mask))
    names = {name for name, _ in upper.named_parameters()}
    assert {name.split(".")[1] for name in names} == {str(at) for at in range(6 - n_frozen)}
    with pytest.raises(UsageError, match="n_frozen=6 is not from 0 to 5"):
        network.split(6)
