"""What the report shows is chosen by the probabilities, of photos and texts alike."""

import numpy as np
import pytest

from handful.data.audit import Audit, Finding
from handful.data.dataset import Dataset
from handful.tasks.images import Part
from handful.tasks.parts import Labelled
from handful.tasks.pictures import CASES, EXAMPLES, SIDE, cases_of, pictures_of

N = 40
TARGETS = np.arange(N) % 2
CLASSES = ("cat", "dog")


@pytest.fixture
def probabilities():
    cat = np.random.default_rng(0).uniform(0, 1, N)
    return np.stack([cat, 1 - cat], axis=1)


@pytest.fixture
def texts():
    data = Dataset([f"text {row}" for row in range(N)], TARGETS, CLASSES)
    return Labelled(data, np.arange(N))


@pytest.fixture
def photos():
    """Every second of 80 rows could be read."""
    data = Dataset([f"folder/{row}.png" for row in range(N)], TARGETS, CLASSES)
    pixels = np.repeat(np.arange(N, dtype=np.uint8), 3 * 200 * 200).reshape(N, 200, 200, 3)
    return Part(data, 2 * np.arange(N), pixels)


def test_mistakes_come_with_the_surest_first_and_doubts_with_the_least_sure(texts, probabilities):
    found = cases_of(texts, texts.data.name, probabilities)
    wrong = [row for row in range(N) if probabilities[row].argmax() != TARGETS[row]]
    by_hand = sorted(wrong, key=lambda row: -probabilities[row].max())[:CASES]
    assert [case.thumb.name for case in found.most_wrong] == [f"text {row}" for row in by_hand]
    assert all(case.truth != case.predicted for case in found.most_wrong)
    doubts = sorted(range(N), key=lambda row: probabilities[row].max())[:CASES]
    assert [case.thumb.name for case in found.least_sure] == [f"text {row}" for row in doubts]
    assert [case.probability for case in found.least_sure] == [probabilities[row].max() for row in doubts]
    assert found.findings == {}


def test_a_mistake_is_an_answer_that_was_given_whatever_is_likeliest(texts, probabilities):
    costs = ((0.0, 1.0), (3.0, 0.0))  # a cat is answered only where it is likelier than three in four
    answers = ["cat" if cat > 0.75 else "dog" for cat in probabilities[:, 0]]
    found = cases_of(texts, texts.data.name, probabilities, costs)
    told = {case.thumb.name: case for case in (*found.most_wrong, *found.least_sure)}
    for name, case in told.items():
        row = int(name.removeprefix("text "))
        assert case.predicted == answers[row]
        assert case.probability == probabilities[row, CLASSES.index(answers[row])]
    assert all(case.truth != case.predicted for case in found.most_wrong)
    assert any(case.probability < 0.5 for case in found.most_wrong)
    doubts = [case.thumb.name for case in found.least_sure]
    assert doubts == [case.thumb.name for case in cases_of(texts, texts.data.name, probabilities).least_sure]


def test_texts_have_no_pixels_and_photos_are_small(texts, photos, probabilities):
    assert {case.thumb.pixels is None for case in cases_of(texts, texts.data.name, probabilities).most_wrong} == {True}
    found = pictures_of(photos, Audit((), np.arange(N)), probabilities)
    for case in (*found.most_wrong, *found.least_sure):
        assert case.thumb.pixels.shape == (SIDE, SIDE, 3)
        assert f"{case.thumb.pixels[0, 0, 0]}.png" == case.thumb.name


def test_each_class_shows_some_of_its_own(texts):
    found = cases_of(texts, texts.data.name, None)
    assert list(found.examples) == ["cat", "dog"]
    assert [thumb.name for thumb in found.examples["dog"]] == [f"text {row}" for row in range(1, 2 * EXAMPLES, 2)]
    assert (found.most_wrong, found.least_sure) == ([], [])


def test_findings_show_the_training_photos_that_could_be_read_and_no_test_photos(photos):
    audit = Audit(
        (
            Finding("duplicate", "warning", "alike", (), (4, 5, 8)),
            Finding("leak", "problem", "leaked", (), (4,)),
        ),
        np.arange(N),
    )
    found = pictures_of(photos, audit, None).findings
    assert {at: [thumb.name for thumb in thumbs] for at, thumbs in found.items()} == {0: ["2.png", "4.png"]}
