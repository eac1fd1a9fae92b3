import hashlib
import json
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from handful.bundle.inputs import ImageInputs, TextInputs, text_digest
from handful.bundle.manifest import read_manifest
from handful.bundle.model import load
from handful.core.errors import DataError, ModelError, UsageError
from handful.evaluate.arrays import softmax
from handful.nn.text_windows import CHUNK, MOST_AT_ONCE, MOST_TOKENS, window_starts

LONG = "good film " * 5 + "bad bad song " * 20  # six windows
TEXTS = ["good film", "Awful!", LONG, "song", "great great", "neither nor", "good"]
CHANNEL = {"good": 0, "great": 0, "bad": 1, "awful": 1, "film": 2, "song": 2}


@pytest.fixture(scope="module")
def model(text_model_saved):
    return load(text_model_saved)


@pytest.fixture(scope="module")
def inputs(text_model_saved):
    return TextInputs((text_model_saved / "tokenizer.json").read_bytes(), 16)


def by_hand(text):
    """Probabilities: every window is 14 words between two special tokens; the mean of its words, then over windows."""
    words = text.lower().replace("!", " !").split()
    features = []
    for start in window_starts(len(words), 14):
        window = words[start : start + 14]
        counts = Counter(CHANNEL[word] for word in window if word in CHANNEL)
        features.append([counts[0] / (len(window) + 2), counts[1] / (len(window) + 2)])
    return softmax(4 * np.mean(features, axis=0)[None])[0]


def test_probabilities_are_those_computed_by_hand_long_texts_included(model):
    assert len(window_starts(70, 14)) > 2
    found = model.predict(TEXTS)
    np.testing.assert_allclose(found.probabilities, [by_hand(text) for text in TEXTS], atol=1e-6)
    assert found.names == tuple(TEXTS)
    assert [model.classes[index] for index in found.indices[:3]] == ["praise", "rant", "rant"]


def test_a_text_is_judged_the_same_whatever_stands_beside_it(model):
    rng = np.random.default_rng(0)
    crowd = [" ".join(rng.choice(list(CHANNEL), n)) for n in rng.integers(1, 60, CHUNK + 20)]  # two chunks
    mixed = model.predict([*crowd, *TEXTS])
    alone = np.concatenate([model.predict([text]).probabilities for text in TEXTS])
    np.testing.assert_allclose(mixed.probabilities[-len(TEXTS) :], alone, atol=1e-6)
    np.testing.assert_allclose(mixed.probabilities[0], by_hand(crowd[0]), atol=1e-6)
    np.testing.assert_allclose(mixed.probabilities[CHUNK], by_hand(crowd[CHUNK]), atol=1e-6)


def test_every_run_has_one_length_whole_texts_and_a_bounded_size(inputs):
    rng = np.random.default_rng(0)
    texts = ["good " * n for n in rng.integers(1, 120, 300)]
    answered = []
    for feed in inputs.feeds(texts):
        ids, mask, share = (feed.arrays[name] for name in ("ids", "mask", "share"))
        assert len(ids) <= MOST_AT_ONCE or len(feed.places) == 1
        assert ids.size <= MOST_TOKENS or len(feed.places) == 1
        assert share.shape == (len(feed.places), len(ids))
        np.testing.assert_allclose(share.sum(axis=1), 1, rtol=1e-6)
        n_windows = [len(window_starts(len(texts[place].split()), 14)) for place in feed.places]
        assert (share > 0).sum(axis=1).tolist() == n_windows
        assert (mask.sum(axis=1) > ids.shape[1] - 8).all()
        answered += feed.places.tolist()
    assert sorted(answered) == list(range(300))


def test_a_megabyte_is_read_in_as_many_passages_as_in_training(model, inputs):
    text = "good film " * 100_000
    (feed,) = inputs.feeds([text])
    assert feed.arrays["ids"].shape == (32, 16)
    np.testing.assert_allclose(model.predict([text]).probabilities[0], by_hand("good film " * 7), atol=1e-6)


def test_a_path_is_a_file_that_holds_the_text(model, tmp_path):
    path = tmp_path / "note.txt"
    path.write_text("\ufeffgood film", encoding="utf-8")
    found = model.predict([path, "good film", str(path)])
    np.testing.assert_array_equal(found.probabilities[0], found.probabilities[1])
    assert found.names[0] == str(path)
    assert (found.probabilities[2] != found.probabilities[0]).any()  # a string is the text itself


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ("", "the text is empty; input 1; replace or remove it"),
        (" \n\t", "the text is empty; input 1"),
        ("good\0film", "it holds NUL characters: it is no text; input 1"),
        (None, "expected a text or the `Path` of a text file, found NoneType; input 1"),
        (np.zeros((32, 32, 3), np.uint8), "expected a text or the `Path` of a text file, found ndarray; input 1"),
        ("FILE", r"the file is not UTF-8 text \(byte 1\); .*odd.txt; replace or remove it"),
        ("GONE", r"the file cannot be read: No such file or directory; .*gone.txt; replace or remove it"),
    ],
    ids=["empty", "blank", "NUL", "none", "an image", "not UTF-8", "gone"],
)
def test_what_cannot_be_read_is_named_and_its_neighbours_are_predicted(item, reason, model, tmp_path):
    (tmp_path / "odd.txt").write_bytes(b"n\xefve")
    if isinstance(item, str):
        item = {"FILE": tmp_path / "odd.txt", "GONE": tmp_path / "gone.txt"}.get(item, item)
    with pytest.raises(DataError, match=reason) as refused:
        model.predict(["good film", item])
    assert "\n" not in str(refused.value)
    ((found, problems),) = model.stream([item, "good film"])
    assert (len(found), [problem.row for problem in problems]) == (1, [0])
    np.testing.assert_allclose(found.probabilities[0], by_hand("good film"), atol=1e-6)


def test_half_a_character_is_read_as_a_question_mark(model):
    found = model.predict(["good \ud83d", "good ?"])
    np.testing.assert_array_equal(found.probabilities[0], found.probabilities[1])


def test_a_single_text_and_none_are_refused(model):
    with pytest.raises(UsageError, match=r"one text was given; a list of texts was expected; good; pass \[text\]"):
        model.predict("good")
    with pytest.raises(UsageError, match="there is nothing to predict; give at least one text"):
        model.predict([])


def test_nothing_like_it_seen_is_unfamiliar_and_sets_are_as_for_images(model):
    found = model.predict(["good film", "bad " * 10])
    assert found.unfamiliar.tolist() == [False, True]
    limit = sorted(model.manifest.conformal_scores)[-2]  # 90 % of 20: the 19th
    np.testing.assert_array_equal(found.sets, found.probabilities >= 1 - limit)


def test_what_it_was_made_from_is_known_again_by_its_words(model):
    texts = ["GOOD  film", "good song", "awful song", "song awful"]
    embedding = np.zeros((4, 3), np.float32)  # near to everything or not: words decide
    assert model.seen(texts, embedding).tolist() == [True, False, True, False]
    assert text_digest("A  b\n") == text_digest("a b") != text_digest("ab")


def test_the_folder_holds_the_tokenizer_and_moves(text_model_saved, model, tmp_path):
    assert sorted(path.name for path in text_model_saved.iterdir()) == [
        "README.md", "handful.json", "metrics.json", "model.onnx", "report.html", "tokenizer.json",
        "weights.safetensors",
    ]  # fmt: skip
    moved = load(shutil.copytree(text_model_saved, tmp_path / "ein Ordner"))
    np.testing.assert_array_equal(moved.predict(TEXTS).probabilities, model.predict(TEXTS).probabilities)
    card = (text_model_saved / "README.md").read_text()
    assert "--text" in card
    assert "at most 16 tokens" in card
    assert "photo" not in card


def test_the_card_tells_how_to_predict_with_the_two_libraries_alone(text_model_saved):
    import onnxruntime
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(text_model_saved / "tokenizer.json"))
    ids = np.array([tokenizer.encode("good film").ids])
    session = onnxruntime.InferenceSession(text_model_saved / "model.onnx")
    feed = {"ids": ids, "mask": np.ones_like(ids), "share": np.ones((1, 1), np.float32)}
    np.testing.assert_allclose(session.run(["probabilities"], feed)[0][0], by_hand("good film"), atol=1e-6)


@pytest.mark.parametrize("damage", ["missing", "altered", "of another model"])
def test_a_missing_or_changed_tokenizer_is_named(damage, text_model_folder):
    path = text_model_folder / "tokenizer.json"
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes().replace(b"good", b"goof") if damage == "altered" else b"{}")
    what = "incomplete: tokenizer.json is missing" if damage == "missing" else "tokenizer.json is not the file that was"
    with pytest.raises(ModelError, match=rf"{what}.*; .*text model.*; copy the folder again or fit the model again"):
        load(text_model_folder)


def reseal(folder, **changes):
    """Change the manifest and seal it and the files again, as a forger would."""
    manifest = read_manifest(folder)
    sealed = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in manifest.files}
    (folder / "handful.json").write_bytes(replace(manifest, files=sealed, **changes).to_bytes())


def test_a_forged_tokenizer_or_kind_is_refused(text_model_folder):
    (text_model_folder / "tokenizer.json").write_bytes(b"{}")
    reseal(text_model_folder)
    with pytest.raises(ModelError, match=r"the tokenizer cannot be read \(.*\); tokenizer.json; copy the folder") as no:
        load(text_model_folder)
    assert "\n" not in str(no.value)
    reseal(text_model_folder, window=None, size=32)
    with pytest.raises(ModelError, match=r"model.onnx and handful.json disagree: .*'ids'.* expected .*'pixels'"):
        load(text_model_folder)


def test_image_inputs_come_as_they_are_decoded(tmp_path):
    Image.new("RGB", (40, 40), "red").save(tmp_path / "red.png")
    (tmp_path / "no.png").write_text("no image")
    (batch,) = ImageInputs(32).batches([tmp_path / "no.png", tmp_path / "red.png"])
    (feed,) = batch.feeds
    assert (batch.rows.tolist(), feed.places.tolist()) == ([1], [0])
    assert (feed.arrays["pixels"] == [[[[255, 0, 0]]]]).all()
    assert [problem.row for problem in batch.problems] == [0]


def test_a_fresh_interpreter_predicts_texts_with_onnxruntime_tokenizers_and_numpy_alone(text_model_saved):
    script = """
import json, sys
import handful
found = handful.load(sys.argv[1]).predict(["good film", "bad song"])
heavy = {"torch", "transformers", "sklearn", "scipy", "pandas", "onnx", "cv2", "PIL", "jinja2"} & sys.modules.keys()
print(json.dumps([[record["label"] for record in found.records()], sorted(heavy)]))
"""
    command = [sys.executable, "-c", script, str(text_model_saved)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(told.stdout) == [["praise", "rant"], []]
    assert told.stderr == ""
