import numpy as np
import onnx
import pytest

from handful.bundle.inputs import TextInputs
from handful.nn.onnx_runtime import open_session
from handful.nn.sentence_encoder import SentenceEncoder
from handful.nn.text_graph import over_windows

LONG = "one two three apples and a pear " * 60  # two windows and more
TEXTS = ["How far is it from Denver to Aspen ?", LONG, "gorgeous", "Half \ud83d a character"]


@pytest.fixture(scope="module")
def encoder():
    return SentenceEncoder()


@pytest.fixture(scope="module")
def session(encoder):
    return open_session(over_windows(encoder.graph_bytes))


def run(session, encoder, texts):
    found = np.empty((len(texts), sum(layer.dim for layer in encoder.layers)), np.float32)
    for feed in TextInputs(encoder.tokenizer_bytes, encoder.spec.max_length).feeds(texts):
        found[feed.places] = session.run(["features"], feed.arrays)[0]
    return found


def test_texts_have_the_features_that_the_encoder_measures_whatever_stands_beside_them(session, encoder):
    measured = encoder.embed(TEXTS)
    found = run(session, encoder, TEXTS)
    np.testing.assert_allclose(found, measured, rtol=2**-10, atol=1e-5)  # one rounding to float16
    alone = np.concatenate([run(session, encoder, [text]) for text in TEXTS])
    np.testing.assert_allclose(alone, found, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(run(session, encoder, TEXTS[::-1])[::-1], found, rtol=1e-5, atol=1e-5)


def test_a_text_is_the_weighted_mean_of_its_windows(session, encoder):
    ids = np.array([[101, 2204, 102], [101, 2919, 102]])
    mask, windows = np.ones_like(ids), np.eye(2, dtype=np.float32)
    first, second = session.run(["features"], {"ids": ids, "mask": mask, "share": windows})[0]
    mixed = session.run(["features"], {"ids": ids, "mask": mask, "share": np.array([[0.75, 0.25]], np.float32)})[0][0]
    np.testing.assert_allclose(mixed, 0.75 * first + 0.25 * second, atol=1e-5)


def test_the_same_encoder_gives_the_same_bytes_and_free_names(encoder):
    first = over_windows(encoder.graph_bytes)
    assert first == over_windows(encoder.graph_bytes)
    graph = onnx.load_model_from_string(first).graph
    assert [port.name for port in graph.input] == ["ids", "mask", "share"]
    *inner, last = (output for node in graph.node for output in node.output)
    assert last == "features"
    assert all(name.startswith("window.") for name in [*inner, *(weight.name for weight in graph.initializer)])
