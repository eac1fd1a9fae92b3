import re

import numpy as np
import pytest
from PIL import Image

from handful.core.budget import Budget
from handful.core.errors import DataError
from handful.core.progress import Progress
from handful.data.dataset import Dataset
from handful.data.readers import read
from handful.nn.sentence_encoder import SentenceEncoder
from handful.recipe.unlabelled import Unlabelled
from handful.tasks import pool as pools
from handful.tasks.fit_images import fit_images
from handful.tasks.fitting import Settings
from handful.tasks.pixel_examples import pixel_examples
from handful.tasks.pool import picture_pool, text_pool
from handful.tasks.text_examples import text_examples


class Notes(Progress):
    def __init__(self):
        self.said = []

    def note(self, message):
        self.said.append(message)


def scenes(n, seed):
    """Pictures that differ from one another: noise at the scale of a few pixels, in other colours."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (n, 8, 8, 3)).astype(np.uint8)
    return small.repeat(4, axis=1).repeat(4, axis=2)


@pytest.fixture
def sift(tiny_backbone):
    """`sift(pictures, tested=None, budget="40fits")`: what becomes of a pool, beside twelve labelled pictures."""

    def call(pictures, tested=None, budget="40fits"):
        notes = Notes()
        labelled = pixel_examples(scenes(12, 0))
        found = picture_pool(
            Dataset(list(pictures)), labelled, tested, tiny_backbone, Budget.parse(budget), 0, progress=notes
        )
        return found, notes.said

    return call


def test_what_repeats_training_test_or_one_another_is_left_out_and_said(sift):
    train, test, new = scenes(12, 0), scenes(6, 1), scenes(40, 2)
    brighter = np.clip(test[:1].astype(int) + 10, 0, 255).astype(np.uint8)
    found, said = sift([*new, *train[:3], *test[:2], *brighter, *new[:4]], test)
    expected = {"n": 50, "drawn": 50, "unreadable": 0, "in_training": 3, "in_test": 3, "repeats": 4, "used": 40}
    assert {name: found.account[name] for name in expected} == expected
    assert said[0].startswith(
        "40 of 50 unlabelled examples can be learned from (left out: 3 also in the training data, 3 also in the test "
        "data, 4 that come twice; "
    )


def test_features_are_those_of_the_pictures_that_are_kept_whatever_the_batch(sift, tiny_backbone, monkeypatch):
    new = scenes(40, 2)
    expected = pixel_examples(new).features(tiny_backbone)
    monkeypatch.setattr(pools, "BATCH", 7)
    found, _ = sift([*scenes(12, 0)[:3], *new])
    np.testing.assert_array_equal(found.examples.features(tiny_backbone), expected)
    found.examples._known.clear()  # another backbone, say: read again
    np.testing.assert_array_equal(found.examples.features(tiny_backbone), expected)


def test_of_a_large_pool_some_are_drawn_the_same_every_time(sift, monkeypatch):
    monkeypatch.setattr(pools, "MOST_USED", 25)
    (found, said), (again, _) = sift(scenes(60, 2)), sift(scenes(60, 2))
    assert (found.account["drawn"], len(found.examples)) == (25, 25)
    assert "25 drawn at random" in said[0]
    np.testing.assert_array_equal(found.examples.raw, again.examples.raw)


def test_a_budget_reads_no_more_than_it_has_time_for(sift):
    assert sift(scenes(60, 2), budget="2s")[0].account["drawn"] == 30


def test_pictures_of_another_kind_and_too_few_are_set_aside_with_one_line(sift):
    odd = np.zeros((30, 32, 32, 3), np.uint8)
    odd[:, :8, :8, 0] = 8 * np.arange(30)[:, None, None] + 10  # nothing but one corner
    for pictures, line in (
        (odd, r"30 unlabelled examples: set aside, too few are of use \(30 unlike the labelled ones\)"),
        (scenes(1, 2), r"1 unlabelled example: set aside, too few are of use.*"),
        (scenes(12, 0), r"12 unlabelled examples: set aside, .*\(left out: 12 also in the training data\)"),
        (scenes(1, 2).repeat(20, axis=0), r"20 unlabelled examples: set aside, .*19 that come twice.*"),
    ):
        found, said = sift(pictures)
        assert found.examples is None
        assert found.account["used"] == 0
        assert len(said) == 1
        assert re.fullmatch(line, said[0])


def test_files_that_are_no_pictures_are_named_and_counted_and_nothing_but_these_is_an_error(sift, tmp_path):
    (tmp_path / "no.png").write_bytes(b"no picture")
    found, said = sift([tmp_path / "no.png", *scenes(20, 2)])
    assert (found.account["unreadable"], found.account["used"]) == (1, 20)
    assert re.fullmatch(r"unlabelled, and cannot be read: .*no\.png", said[0])
    assert "left out: 1 that cannot be read" in said[1]
    for number in range(4):
        (tmp_path / f"no {number}.png").write_bytes(b"no picture")
    _, (named, _) = sift([*sorted(tmp_path.glob("no *.png")), *scenes(20, 2)])
    assert re.search(r"no 0\.png, .*no 1\.png, .*no 2\.png and 1 more$", named)
    with pytest.raises(DataError, match=r"none of the unlabelled examples can be read; check what --unlabelled names"):
        sift([tmp_path / "no.png"])


def test_texts_go_the_same_way():
    encoder, notes = SentenceEncoder(), Notes()
    train, tested = [f"the sea is {word}" for word in ("calm", "cold", "wide")], ["the lake is deep"]
    new = [f"the {a} is {b}" for a in ("ocean", "river", "bay", "shore") for b in ("calm", "cold", "wide", "grey")]
    pool = [*new, "The  SEA is calm", "the lake is deep", new[0].upper(), ""]
    found = text_pool(Dataset(pool), text_examples(train), tested, encoder, Budget.parse("40fits"), 0, progress=notes)
    counted = {"n": 20, "drawn": 20, "unreadable": 1, "in_training": 1, "in_test": 1, "repeats": 1}
    assert {name: found.account[name] for name in counted} == counted
    if found.examples:
        assert list(found.examples.raw) == new
    assert len(notes.said) == 1


def test_a_fit_with_a_pool_tries_it_and_gives_an_account(tiny, write_photos, tmp_path):
    write_photos(tmp_path / "train", n=3)
    write_photos(tmp_path / "unlabelled", n=20, seed=5)
    fit = fit_images(read(tmp_path), Settings(budget="40fits", cached=False))
    assert fit.metrics["unlabelled"]["used"] > 40
    tried = [row["name"] for row in fit.metrics["candidates"]]
    assert any("self-training" in name for name in tried)
    assert "unlabelled data" in [row["technique"] for row in fit.metrics["evidence"]]
    alone = fit_images(read(tmp_path), Settings(budget="40fits", recipe="probe", cached=False))
    assert alone.metrics["unlabelled"] is None


def test_with_one_label_of_each_class_the_pool_is_learned_from_and_the_model_is_written(tiny, write_photos, tmp_path):
    write_photos(tmp_path / "train", n=1)
    write_photos(tmp_path / "unlabelled", n=20, seed=5)
    fit = fit_images(read(tmp_path), Settings(budget="40fits", cached=False))
    assert fit.metrics["recipe"]["technique"] == Unlabelled.technique
    fit.save(tmp_path / "model")
    page = (tmp_path / "model" / "report.html").read_text(encoding="utf-8")
    assert f"{fit.metrics['unlabelled']['used']} of 60 unlabelled photos" in page.replace("\N{NO-BREAK SPACE}", " ")
    some = [Image.open(path) for path in sorted((tmp_path / "unlabelled" / "red").iterdir())]
    assert len(fit.model().predict(some).probabilities) == 20


def test_a_very_short_time_draws_a_few_and_an_empty_pool_is_refused(sift):
    assert sift(scenes(40, 2), budget="0.05s")[0].account["drawn"] == pools.LEAST_USED
    with pytest.raises(DataError, match="there are no unlabelled examples"):
        sift([])
