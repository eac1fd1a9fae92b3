"""Reasons are what a slow count by hand gives: of a linear model of pixels, and of one that counts words."""

import json
import re
import subprocess
import sys
from collections import Counter

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from handful.bundle.manifest import Manifest
from handful.bundle.model import Model, load
from handful.bundle.occlusion import MOST_PIECES, N_CELLS, covered, log_odds, pieces
from handful.bundle.why import Neighbour, Why, why
from handful.cli.predict import predict
from handful.core.errors import DataError, ImageError, JobError, ModelError, UsageError
from handful.nn.graph import GraphWriter, floats, pixels_input

SIZE, CELL, DIM = 28, 4, 5
HOSTILE = "<script>alert('x')</script>"


def linear_graph(weight, seen):
    """ONNX: the log-odds of the first of two classes are a weighted sum of pixels; so are the embeddings."""
    writer = GraphWriter()
    numbers = writer.node("Cast", ["pixels"], "numbers", to=1)
    flat = writer.node("Flatten", [numbers], "flat")
    both = np.stack([weight.ravel(), np.zeros(weight.size)], axis=1).astype(np.float32)
    writer.node("Softmax", [writer.node("MatMul", [flat, writer.weight("both", both)], "scores")], "probabilities")
    raw = writer.node("MatMul", [flat, writer.weight("seen", seen.astype(np.float32))], "raw")
    writer.node("Div", [raw, writer.node("ReduceL2", [raw], "norm", axes=[1])], "embedding")
    outputs = [floats("probabilities", "n", 2), floats("embedding", "n", DIM)]
    return writer.model([pixels_input("pixels", SIZE, SIZE)], outputs, "linear").SerializeToString()


def manifest_of(references=(), reference_targets=(), costs=None):
    return Manifest(
        task="image classification",
        classes=("cat", "dog"),
        size=SIZE,
        conformal_scores=(),
        familiar_distances=(),
        recipe={},
        calibration={},
        data={},
        licences=(),
        versions={},
        files={},
        references=tuple(references),
        reference_targets=tuple(reference_targets),
        costs=costs,
    )


@pytest.fixture(scope="module")
def weight():
    return np.random.default_rng(0).normal(0, 3e-4, (SIZE, SIZE, 3))


@pytest.fixture(scope="module")
def seen():
    return np.random.default_rng(1).normal(0, 1, (SIZE * SIZE * 3, DIM))


@pytest.fixture
def photo():
    return np.random.default_rng(2).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)


def model_of(weight, seen, embeddings=None, **named):
    embeddings = np.eye(1, DIM) if embeddings is None else embeddings
    return Model(manifest_of(**named), linear_graph(weight, seen), embeddings)


# Pictures


def heat_by_hand(photo, weight):
    """Of every cell, the mean over the four squares of two by two cells that cover it."""
    change = (weight * (photo - photo.reshape(-1, 3).mean(axis=0).round())).sum(axis=2)
    by_cell = change.reshape(N_CELLS, CELL, N_CELLS, CELL).sum(axis=(1, 3))
    bordered = np.pad(by_cell, 1)
    square = {(i, j): bordered[i : i + 2, j : j + 2].sum() for i in range(N_CELLS + 1) for j in range(N_CELLS + 1)}
    return [
        [np.mean([square[i + a, j + b] for a in (0, 1) for b in (0, 1)]) for j in range(N_CELLS)]
        for i in range(N_CELLS)
    ]


def test_the_heat_of_a_linear_model_is_what_it_adds_up_to(weight, seen, photo):
    found = why(model_of(weight, seen), photo)
    sign = 1 if found.label == "cat" else -1
    np.testing.assert_allclose(sign * found.heat, heat_by_hand(photo, weight), atol=2e-3)
    assert np.abs(found.heat).max() > 0.05
    assert (found.pixels == photo).all()


def test_what_speaks_for_one_of_two_classes_speaks_against_the_other(weight, seen, photo):
    model = model_of(weight, seen)
    cat, dog = (why(model, photo, label=label) for label in ("cat", "dog"))
    np.testing.assert_allclose(cat.heat, -dog.heat, atol=2e-3)
    assert cat.probability + dog.probability == pytest.approx(1)
    assert why(model, photo).label == max((cat, dog), key=lambda reasons: reasons.probability).label


def test_what_is_explained_is_the_answer_that_costs_decide(weight, seen, photo):
    likeliest = why(model_of(weight, seen), photo)
    other = {"cat": "dog", "dog": "cat"}[likeliest.label]
    # to miss the other class costs so much that it is answered whenever it is possible at all
    costs = ((0.0, 1.0), (1e4, 0.0)) if other == "dog" else ((0.0, 1e4), (1.0, 0.0))
    model = model_of(weight, seen, costs=costs)
    found = why(model, photo)
    assert found.label == other == model.predict([photo]).records()[0]["label"]
    assert found.probability == pytest.approx(1 - likeliest.probability)
    np.testing.assert_allclose(found.heat, -likeliest.heat, atol=2e-3)


def test_a_picture_of_one_colour_has_nothing_to_hide(weight, seen):
    plain = np.full((SIZE, SIZE, 3), 90, np.uint8)
    assert np.abs(why(model_of(weight, seen), plain).heat).max() == 0


def test_a_model_that_looks_at_one_place_is_found_out(seen, photo):
    weight = np.zeros((SIZE, SIZE, 3))
    weight[2 * CELL : 3 * CELL, 5 * CELL : 6 * CELL] = 1e-3
    heat = np.abs(why(model_of(weight, seen), photo).heat)
    assert np.unravel_index(heat.argmax(), heat.shape) == (2, 5)
    assert heat[4:].max() == heat[:, :4].max() == 0  # further than one cell away


@pytest.mark.parametrize("size", [28, 50, 224])
def test_every_pixel_is_covered_four_times(size):
    pixels = np.zeros((size, size, 3), np.uint8)
    pixels[: size // 2] = 200
    times = (covered(pixels) != pixels).any(axis=3).sum(axis=0)
    assert (times == 4).all()


def test_the_picture_shows_the_photo_and_beside_it_the_colours_of_for_and_against(photo):
    heat = np.zeros((N_CELLS, N_CELLS))
    heat[:3], heat[4:] = 2.0, -2.0
    photo = cv2.blur(photo, (9, 9))
    picture = Why("a.png", "cat", 0.9, heat=heat, pixels=photo).picture()
    side = picture.shape[0]
    assert picture.shape == (side, 2 * side + 8, 3)
    small = cv2.resize(picture[:, :side], (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(small - photo).mean() < 3
    red, blue = (picture[:, side + 8 :, channel].astype(int) for channel in (0, 2))
    assert (red[: side // 3] > blue[: side // 3]).all()
    assert (blue[-side // 3 :] > red[-side // 3 :]).all()
    assert np.abs(red[side // 2] - blue[side // 2]).max() <= 5  # half a pixel from where it is neither


def test_next_to_nothing_stays_pale(photo):
    def colourful(strength):
        heat = np.full((N_CELLS, N_CELLS), strength)
        right = Why("", "cat", 0.9, heat=heat, pixels=photo).picture()[:, 240:].astype(int)
        return (right[..., 0] - right[..., 2]).mean()

    assert colourful(0.01) < 0.05 * colourful(1)
    assert colourful(5) == colourful(1)


# Texts


@pytest.fixture(scope="module")
def text_model(text_model_saved):
    return load(text_model_saved)


def praise_by_hand(text):
    """Log-odds of praise: four times the share of good words less that of bad ones, both with two special tokens."""
    words = text.split()
    counts = Counter({"good": 1, "great": 1, "bad": -1, "awful": -1}.get(word, 0) for word in words)
    return 4 * (counts[1] - counts[-1]) / (len(words) + 2)


def test_the_weight_of_a_word_is_what_the_log_odds_lose_without_it(text_model):
    found = why(text_model, "good film awful song great")
    assert found.label == "praise"
    words = ["good", "film", "awful", "song", "great"]
    assert [word for word, _ in found.words] == words
    for at, (_, weight) in enumerate(found.words):
        without = " ".join(words[:at] + words[at + 1 :])
        assert weight == pytest.approx(praise_by_hand(" ".join(words)) - praise_by_hand(without), abs=1e-5)
    assert [np.sign(weight) for _, weight in found.words] == [1, -1, -1, -1, 1]


def test_it_says_so_in_words(text_model):
    lines = why(text_model, "good film awful").text().splitlines()
    assert re.fullmatch(r"praise, \d+ %", lines[0])
    assert lines[1].startswith("speaks for it: “good” 1.0")
    assert lines[2].startswith("speaks against it: “awful” 1.0")


def test_one_word_alone_has_nothing_to_leave_out(text_model):
    found = why(text_model, "good")
    assert found.words == ()
    assert found.text() == f"praise, {100 * found.probability:.0f} %"
    assert "One word alone" in found.html()


def test_a_text_file_is_explained_as_its_text(text_model, tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("good film awful", encoding="utf-8")
    assert why(text_model, path).words == why(text_model, "good film awful").words
    assert why(text_model, path).name == str(path)


@given(st.text(st.sampled_from("ab .!?\n我。"), max_size=400))
def test_pieces_are_few_and_make_up_the_text(text):
    found = pieces(text)
    assert "".join(found) == text.strip()
    assert len(found) <= MOST_PIECES
    assert all(piece.strip() for piece in found)


def test_short_texts_are_cut_into_words_long_ones_into_sentences_longer_ones_into_passages():
    assert pieces("not that good") == ["not ", "that ", "good"]
    assert pieces("我爱你") == ["我", "爱", "你"]
    assert pieces("One two three. " * 30) == ["One two three. "] * 29 + ["One two three."]
    assert len(pieces("One two. " * 300)) == 60
    assert len(pieces("word " * 200_000)) == 8


def test_the_page_of_a_text_escapes_it_and_loads_nothing():
    page = Why("", HOSTILE, 0.9, (Neighbour(HOSTILE, HOSTILE, 0.1),), words=((HOSTILE, 1.0), ("b", -0.5))).html()
    assert "<script" not in page
    assert not re.search(r"https?://|@import|url\(", page)
    assert re.findall(r'<span class="(for|against)" style="--s:([\d.]+)"', page) == [
        ("for", "0.70"),
        ("against", "0.35"),
    ]


def test_a_text_has_no_picture(text_model):
    with pytest.raises(UsageError, match=r"there is no picture of a text; good film; use Why.text\(\)"):
        why(text_model, "good film").picture()


# Training examples


def test_the_nearest_training_examples_come_first_by_name_and_class(weight, seen, photo):
    rng = np.random.default_rng(3)
    references = rng.normal(size=(9, DIM))
    references /= np.linalg.norm(references, axis=1, keepdims=True)
    names, targets = tuple(f"{at}.png" for at in range(9)), tuple(rng.integers(0, 2, 9).tolist())
    model = model_of(weight, seen, references, references=names, reference_targets=targets)
    raw = photo.astype(float).ravel() @ seen
    distances = [float(np.linalg.norm(raw / np.linalg.norm(raw) - row)) for row in references]
    by_hand = sorted(range(9), key=distances.__getitem__)
    found = why(model, photo, n_nearest=4)
    assert [neighbour.name for neighbour in found.nearest] == [names[at] for at in by_hand[:4]]
    assert [neighbour.label for neighbour in found.nearest] == [("cat", "dog")[targets[at]] for at in by_hand[:4]]
    assert [near.distance for near in found.nearest] == pytest.approx([distances[at] for at in by_hand[:4]], abs=1e-5)
    assert f"most alike in training: {by_hand[0]}.png (" in found.text()
    assert len(why(model, photo, n_nearest=20).nearest) == 9


def test_a_model_without_names_tells_the_rest_and_one_with_too_few_is_refused(weight, seen, photo):
    assert why(model_of(weight, seen), photo).nearest == ()
    with pytest.raises(
        ModelError, match=r"handful.json and weights.safetensors disagree on the training examples; model"
    ):
        model_of(weight, seen, references=("a.png", "b.png"), reference_targets=(0, 1))


# Bad input, plain values, files


def test_what_cannot_be_read_is_named(weight, seen, text_model, tmp_path):
    (tmp_path / "no.png").write_text("no image")
    with pytest.raises(ImageError, match=r"no\.png; replace or remove it"):
        why(model_of(weight, seen), tmp_path / "no.png")
    with pytest.raises(DataError, match="the text is empty"):
        why(text_model, "  ")


def test_a_class_that_is_none_is_refused(text_model):
    with pytest.raises(UsageError, match="the model has no class 'poem'; use one of praise, rant"):
        why(text_model, "good film", label="poem")


def test_it_goes_into_json_and_into_a_file(weight, seen, text_model, photo):
    found = why(model_of(weight, seen), photo)
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    np.testing.assert_allclose(told["heat"], found.heat, atol=1e-4)
    assert told.keys() == {"label", "probability", "nearest", "said", "heat"}
    ending, content = found.to_file()
    assert ending == ".png"
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert (decoded == found.picture()).all()
    ending, content = why(text_model, "good film awful").to_file()
    assert ending == ".html"
    assert b'<span class="for"' in content


# The command line


def predicted(capfd, folder, inputs=(), *, text=(), why, as_json=True, csv_file=None):
    predict(folder, [str(path) for path in inputs], list(text), csv_file, why=why, as_json=as_json)
    return capfd.readouterr().out


def test_predict_explains_every_input_that_can_be_read(text_model_saved, tmp_path, capfd):
    table = tmp_path / "reviews.csv"
    table.write_text("text\ngood film\n\nawful song\n")
    out = tmp_path / "new" / "reasons"
    records = json.loads(predicted(capfd, text_model_saved, [table], text=["great bad film"], why=out))["predictions"]
    files = [record["why"]["file"] for record in records]
    assert sorted(map(str, out.iterdir())) == sorted(files)
    assert [word for word, _ in records[-1]["why"]["words"]] == ["great", "bad", "film"]
    assert [record["why"]["label"] for record in records] == [record["label"] for record in records]
    assert [record["why"]["words"][0][0] for record in records] == [record["input"].split()[0] for record in records]
    said = predicted(capfd, text_model_saved, text=["good film awful"], why=out, as_json=False)
    assert re.search(
        r"praise  \d+ %.*\n    speaks for it: “good”.*\n    speaks against it:.*\n    .*0001-text-1\.html\n", said
    )
    predicted(capfd, text_model_saved, text=["good film"], why=out, as_json=False, csv_file=tmp_path / "found.csv")
    assert "why" not in (tmp_path / "found.csv").read_text().splitlines()[0]


def test_a_place_where_nothing_can_be_written_is_named(text_model_saved, tmp_path, capfd):
    (tmp_path / "file").write_text("")
    with pytest.raises(JobError, match=r"cannot write: .*file"):
        predicted(capfd, text_model_saved, text=["good film"], why=tmp_path / "file")


def test_photos_of_one_name_get_a_picture_each(weight, seen, photo, tmp_path, monkeypatch, capfd):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        Image.fromarray(photo).save(tmp_path / folder / "same.png")
    monkeypatch.setattr("handful.bundle.model.load", lambda _: model_of(weight, seen))
    found = json.loads(predicted(capfd, tmp_path, [tmp_path / "a", tmp_path / "b"], why=tmp_path / "out"))
    assert len({record["why"]["file"] for record in found["predictions"]}) == 2
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"0001-same.png", "0002-same.png"}


def test_reasons_are_those_of_the_photo_even_after_one_that_cannot_be_read(weight, seen, tmp_path, monkeypatch, capfd):
    rng = np.random.default_rng(4)
    for at in range(10):  # more than one batch
        Image.fromarray(rng.integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)).save(tmp_path / f"photo{at}.png")
    (tmp_path / "photo1.png").write_text("no image")
    monkeypatch.setattr("handful.bundle.model.load", lambda _: model_of(weight, seen))
    found = json.loads(predicted(capfd, tmp_path, sorted(tmp_path.glob("*.png")), why=tmp_path / "out"))
    assert len(found["problems"]) == 1
    for at, record in zip([0, *range(2, 10)], found["predictions"], strict=True):
        assert record["input"].endswith(f"photo{at}.png")
        assert record["why"]["file"].endswith(f"{at + 1:04d}-photo{at}.png")
        assert record["why"]["probability"] == pytest.approx(record["probability"], abs=1e-5)


def test_a_fresh_interpreter_explains_texts_with_onnxruntime_tokenizers_and_numpy_alone(text_model_saved):
    script = """
import json, sys
from handful.bundle.model import load
from handful.bundle.why import why
found = why(load(sys.argv[1]), "good film awful")
found.html()
heavy = {"torch", "transformers", "sklearn", "scipy", "pandas", "onnx", "cv2", "PIL", "jinja2"} & sys.modules.keys()
print(json.dumps([found.label, sorted(heavy)]))
"""
    command = [sys.executable, "-c", script, str(text_model_saved)]
    assert json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout) == ["praise", []]


def test_log_odds_of_certainty_are_finite():
    assert np.isfinite(log_odds(np.array([0.0, 1.0]))).all()
