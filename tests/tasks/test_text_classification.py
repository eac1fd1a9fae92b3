import numpy as np
import pytest

import handful
from handful.core.errors import UsageError
from handful.nn.backbone import InputSpec
from handful.nn.sentence_encoder import SentenceEncoder
from handful.tasks.text_classification import TextClassifier

TEXTS = ["a cold sea", "an icy ocean", "the frozen lake", "red wine", "a glass of port", "white wine , please"]
LABELS = ["water"] * 3 + ["wine"] * 3


class Renamed(SentenceEncoder):
    """A backbone that no name leads to."""

    name = "mine"


def quick(**settings):
    return TextClassifier(recipe="probe", budget="2fits", **settings)


def test_a_ready_backbone_takes_the_place_of_a_name(tmp_path):
    model = quick(backbone=Renamed()).fit(TEXTS, LABELS)
    assert model.metrics_["settings"]["backbone"] == model.metrics_["recipe"]["backbone"] == "mine"
    expected = quick().fit(TEXTS, LABELS).predict_proba(TEXTS)
    np.testing.assert_array_equal(model.predict_proba(TEXTS), expected)
    np.testing.assert_array_equal(handful.load(model.save(tmp_path / "model")).predict(TEXTS).probabilities, expected)


def test_what_is_no_backbone_for_texts_is_refused_with_a_way_out(tiny_backbone):
    for wrong, called in ((tiny_backbone, "the backbone tiny"), (InputSpec(8, (0.0,), (1.0,)), "an object of type")):
        with pytest.raises(UsageError, match=rf"a backbone for texts was expected, got {called}.*; backbone; give a"):
            quick(backbone=wrong).fit(TEXTS, LABELS)


def test_empty_texts_are_left_out_with_a_warning_and_stand_in_the_report(tmp_path):
    with pytest.warns(UserWarning, match=r"left out: 2 training texts that cannot be read; first text 2: .*empty"):
        model = quick().fit(["a calm sea", "", *TEXTS, "  "], ["water", "wine", *LABELS, "wine"])
    assert (model.metrics_["n"], model.metrics_["audit"]["n_unreadable"]) == (7, 2)
    page = (model.save(tmp_path / "model") / "report.html").read_text(encoding="utf-8")
    assert "Left out: 2 training texts that cannot be read; first text 2: the text is empty" in page
    assert "2 texts could not be read and were left out" in page
