"""The page says every figure with its interval, loads nothing, and survives any name and any gap."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from handful.report.page import Case, Pictures, Thumb, render
from handful.report.words import MEANINGS, VERDICTS

HOSTILE = "<script>alert('x')</script>\"><img src=http://evil>"
SCORE: dict[str, Any] = {"metric": "accuracy", "value": 0.82, "low": 0.75, "high": 0.88, "n": 100}
VOID = {"meta", "br", "img", "line", "circle"}


def thumb(name: str = "a.jpg") -> Thumb:
    return Thumb(name, np.full((24, 24, 3), 128, np.uint8))


def metrics(**changes: Any) -> dict[str, Any]:
    recall = {"value": 0.8, "low": 0.49, "high": 0.94, "n": 10}
    whole = {
        "task": "image classification",
        "called": "photos",
        "n": 100,
        "classes": ["cat", "dog"],
        "counts": {"cat": 50, "dog": 50},
        "score": SCORE,
        "scores": {"accuracy": SCORE, "balanced_accuracy": SCORE},
        "per_class": [{"class": "cat", "n": 10, "recall": recall}, {"class": "dog", "n": 10, "recall": recall}],
        "majority": {"class": "cat", "value": 0.5},
        "chance": 0.5,
        "floor": {"name": "TF-IDF", "score": {**SCORE, "value": 0.61, "low": 0.52, "high": 0.7}},
        "sample_limits": {"narrowest": 0.04, "widest": 0.2},
        "test_score": {**SCORE, "value": 0.79, "low": 0.71, "high": 0.86},
        "test": {"n": 100, "leaked": 2, "scores": {"accuracy": SCORE}, "share_note": "class shares differ: more dogs"},
        "recipe": {"backbone": "efficientnet-lite0", "n_views": 6, "description": "Frozen features and a ridge head."},
        "evidence": [{"technique": "views", "on": True, "gain": 3.1, "low": 0.8, "high": 5.2, "verdict": "helps"}],
        "given_up": ["sixteen blocks: clearly worse after 2 folds of 5"],
        "n_candidates_skipped": 3,
        "candidates": [{"name": "six views", "value": 0.83, "low": 0.75, "high": 0.9, "chosen": True}],
        "confusion": [[8, 2], [1, 9]],
        "calibration": {"bins": [{"confidence": 0.9, "accuracy": 0.88, "n": 40}], "expected_error": 0.04},
        "conformal": [{"coverage": 0.9, "available": True, "measured": 0.91, "mean_size": 1.3, "single_share": 0.8}],
        "learning_curve": {
            "of": "the probe",
            "points": [
                {"n_per_class": k, "n": 2 * k, "value": v, "low": v - 0.1, "high": v + 0.1}
                for k, v in [(2, 0.5), (4, 0.6)]
            ],
            "answers": [{"target": 0.9, "n_per_class": 25, "low": 18, "high": 60}],
        },
        "audit": {"findings": [{"kind": "copy", "severity": "warning", "message": "Two copies.", "names": ["a.jpg"]}]},
        "seconds": {"total": 8.1, "stages": {"decode": 0.2}},
        "versions": {"handful": "0.1.0"},
        "licences": [{"what": "EfficientNet-Lite0", "licence": "Apache-2.0"}],
        "data": {"name": "photos", "sha256": "ab" * 32},
        "model": {"bytes": 13_600_000, "folder": "model"},
    }
    return {**whole, **changes}


def pictures(name: str = "cat") -> Pictures:
    case = Case(thumb(f"{name}.jpg"), name, "dog", 0.97)
    return Pictures({name: [thumb(f"{name}.jpg")]}, [case], [case], {0: [thumb(f"{name}.jpg")]})


def quotations(name: str = "very slow") -> Pictures:
    case = Case(Thumb(name), "cat", "dog", 0.97)
    return Pictures({"cat": [Thumb(name)]}, [case], [case])


class Reader(HTMLParser):
    """Collects tags and text, and insists that what is opened is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for name, attributes in self.tags if name == tag)


def test_every_figure_stands_with_its_interval() -> None:
    said = Reader(render(metrics(), pictures())).text
    for figure in ("82 % [75, 88]", "79 % [71, 86], n = 100", "+3.1 [+0.8, +5.2]", "80 % [49, 94], n = 10"):
        assert figure in said
    assert "Of 100 new photos like these, expect about 82 to be named rightly" in said
    assert "at least 4 and at most 20 points wide" in said
    assert "about 25 labels per class [18, 60]" in said
    assert "2 test examples also stood in the training data" in said


def test_the_page_is_one_well_formed_file_that_loads_nothing() -> None:
    page = render(metrics(), pictures())
    reader = Reader(page)
    assert reader.open == []
    assert not re.search(r"https?://|@import", page)
    assert all(str(image["src"]).startswith("data:image/jpeg;base64,") for image in reader.all("img"))
    assert not [tag for tag, _ in reader.tags if tag in {"link", "script", "iframe", "object"}]
    assert not re.search(r"url\(", page)


def test_pictures_have_alternatives_and_columns_have_heads() -> None:
    reader = Reader(render(metrics(), pictures()))
    assert all(image["alt"] for image in reader.all("img"))
    assert all(head.get("scope") in ("col", "row") for head in reader.all("th"))
    assert all("aria-label" in plot for plot in reader.all("div") if plot.get("role") == "img")
    assert sum(tag == "h1" for tag, _ in reader.tags) == 1


def test_hostile_names_are_only_text() -> None:
    recall = {"value": 0.2, "low": 0.1, "high": 0.3, "n": 10}
    named = metrics(
        task=HOSTILE,
        classes=[HOSTILE, "dog"],
        counts={HOSTILE: 50, "dog": 50},
        per_class=[{"class": HOSTILE, "n": 10, "recall": recall}],
        majority={"class": HOSTILE, "value": 0.5},
        data={"name": HOSTILE},
        evidence=[{"technique": HOSTILE, "on": True, "gain": 1.0, "verdict": "helps"}],
        candidates=[{"name": HOSTILE, "value": 0.5}],
        audit={"findings": [{"message": HOSTILE, "names": [HOSTILE], "severity": HOSTILE}]},
        model={"folder": HOSTILE},
        licences=[{"what": HOSTILE, "licence": HOSTILE}],
    )
    page = render(named, pictures(HOSTILE))
    reader = Reader(page)
    assert reader.open == []
    assert "<script" not in page
    assert "<img src=http" not in page
    assert HOSTILE in " ".join(reader.words)
    assert all(str(image["src"]).startswith("data:") for image in reader.all("img"))


def asked(metric: str, unit: str, value: float, low: float, high: float, **changes: Any) -> dict[str, Any]:
    score = {"metric": metric, "value": value, "low": low, "high": high, "n": 100}
    scores = {"accuracy": SCORE, metric: score}
    common = {"metric": metric, "gain_unit": unit, "score": score, "scores": scores, "test_score": None, "test": None}
    return metrics(**{**common, "floor": None, **changes})


def test_a_loss_is_no_per_cent_and_is_held_against_the_shares_of_the_classes() -> None:
    told = asked("log_loss", "nats", 0.41, 0.3, 0.6, majority={"class": "cat", "value": 0.693})
    said = Reader(render(told, pictures())).text
    assert "expect a log-loss of about 0.41 nats; with 100 examples" in said
    assert "0.41 nats [0.30, 0.60], n = 100" in said
    assert "true figure between 0.30 and 0.60 nats" in said
    assert "the shares of the classes would have a log-loss of 0.69 nats. The model is clearly better." in said
    assert "Only the class shares 0.69 nats" in said
    for wrong in ("Guessing", "Chance", "Always", "41 %", "points wide", "in points"):
        assert wrong not in said


def test_costs_are_told_as_costs_and_not_as_the_most_frequent_class() -> None:
    told = asked("cost", "units of cost", 0.05, 0.02, 0.9, majority={"class": "dog", "value": 0.8})
    said = Reader(render(told, pictures())).text
    assert "expect a mean cost of about 0.050 an answer" in said
    assert "Always answering “dog”, the cheapest answer, would cost 0.80 on average. This sample cannot show" in said
    assert "Answers weigh what mistakes cost, so an answer may not be the likeliest class." in said
    assert "97 % likely" in said
    assert "97 % sure" not in said
    for wrong in ("most frequent class", "largest class", "nats"):
        assert wrong not in said


@pytest.mark.parametrize(
    ("metric", "unit", "told"),
    [
        ("auroc", "points", "in points of AUROC"),
        ("log_loss", "nats", "in nats of log-loss; a lower log-loss is a gain"),
        ("cost", "units of cost", "in units of cost an answer; a lower cost is a gain"),
    ],
)
def test_gains_are_in_the_unit_of_the_metric_everywhere(metric: str, unit: str, told: str) -> None:
    row = {"technique": "views", "on": True, "gain": 0.25, "low": -0.125, "high": 0.5, "verdict": "cannot tell"}
    said = Reader(render(asked(metric, unit, 0.4, 0.3, 0.5, evidence=[row]), pictures())).text
    assert f"What each technique is worth here, in {unit}" in said
    assert f"gain in {unit} →" in said
    assert f"Gain in {unit} " in said
    assert f"all else alike, {told}. Right of the strong line" in said
    assert said.count("+0.2 [−0.1, +0.5]" if unit == "points" else "+0.250 [−0.125, +0.500]") == 2


def test_no_gain_is_told_beyond_what_is_possible() -> None:
    row = {"technique": "views", "on": True, "gain": 19.0, "low": -210.0, "high": 248.0, "verdict": "cannot tell"}
    said = Reader(render(metrics(evidence=[row]), pictures())).text
    assert said.count("+19.0 [−100.0, +100.0]") == 2
    assert "210" not in said
    row |= {"gain": 3.0}
    assert (
        "+3.000 [−210.000, +248.000]"
        in Reader(render(asked("cost", "units of cost", 9, 2, 99, evidence=[row]), pictures())).text
    )


def test_a_curve_of_something_else_than_the_score_says_so() -> None:
    curve = {**metrics()["learning_curve"], "metric": "accuracy"}
    said = Reader(render(asked("cost", "units of cost", 0.4, 0.3, 0.5, learning_curve=curve), pictures())).text
    assert "It is of accuracy, since a cost has no scale to draw it on." in said
    assert (
        said.count("For 90 % accuracy, about 25 labels per class [18, 60].") == 2
    )  # under the curve and in the advice
    plain = Reader(render(metrics(metric="accuracy", learning_curve=curve), pictures())).text
    assert "It is of" not in plain
    assert "For 90 %, about 25 labels per class" in plain


def test_the_note_on_a_score_is_shown() -> None:
    note = "The mean is over 2 of 3 classes: there is no example of emu."
    assert note in Reader(render(metrics(score_note=note), pictures())).text
    told = metrics()
    told["test"] |= {"score_note": note}
    assert f"Test set: {note}" in Reader(render(told, pictures())).text
    assert "The mean is over" not in Reader(render(metrics(), pictures())).text


def test_without_a_score_the_reason_takes_its_place() -> None:
    page = render(metrics(score=None, score_missing="one label per class", test_score=None), pictures())
    said = Reader(page).text
    assert "No score" in said
    assert "There is no score: one label per class." in said
    assert 'class="big"' not in page


def test_nothing_at_all_is_still_a_page() -> None:
    reader = Reader(render({}, Pictures()))
    assert reader.open == []
    assert "None" not in reader.text


@pytest.mark.parametrize("part", sorted(metrics()))
@pytest.mark.parametrize("absent", ["none", "missing"])
def test_each_part_may_be_absent(part: str, absent: str) -> None:
    found = metrics(**{part: None})
    if absent == "missing":
        del found[part]
    reader = Reader(render(found, pictures()))
    assert reader.open == []
    assert "None" not in reader.text


def test_a_finding_keeps_its_own_pictures() -> None:
    findings = [{"message": "first", "names": []}, {"message": "second", "names": []}]
    page = render(metrics(audit={"findings": findings}), Pictures(findings={1: [thumb("copy.jpg")]}))
    assert page.index("First.") < page.index("Second.") < page.index('alt="copy.jpg"')


def test_many_classes_show_the_weakest_first_and_keep_the_page_light() -> None:
    names = [f"class {k}" for k in range(81)]
    rows = [{"class": c, "n": 10, "recall": {**SCORE, "value": k / 100}} for k, c in enumerate(names)]
    examples = {name: [thumb() for _ in range(9)] for name in names}
    whole = metrics(classes=names, per_class=rows[::-1], confusion=np.eye(81, dtype=int).tolist())
    page = render(whole, Pictures(examples))
    assert page.index('title="class 0"') < page.index('title="class 1"')
    assert len(list(Reader(page).all("img"))) <= 120
    assert len(page) < 1_000_000


def test_texts_are_quoted_and_nothing_is_said_of_photos() -> None:
    told = metrics(task="text classification", called="texts", data={"name": "reviews"})
    told["recipe"] |= {"augment": "none", "flip_at_test": False}
    reader = Reader(render(told, quotations()))
    assert reader.open == []
    assert [tag for tag, _ in reader.tags].count("q") == 3
    assert not list(reader.all("img"))
    assert "photo" not in reader.text
    assert 'handful predict model --text "A new text"' in reader.text
    assert "1 text" in reader.text
    assert 'model.predict(["A new text"])' in reader.text


def test_a_hostile_text_is_only_quoted() -> None:
    page = render(metrics(called="texts"), quotations(HOSTILE))
    assert "<script" not in page
    assert "<img" not in page
    assert HOSTILE in " ".join(Reader(page).words)


def test_the_evidence_says_what_each_technique_is_and_what_the_words_mean() -> None:
    rows = [
        {"technique": name, "on": on, "gain": 1.0, "low": -1.0, "high": 3.0, "verdict": "cannot tell"}
        for name, on in [("fine-tuning", True), ("sorcery", False)]
    ]
    said = Reader(render(metrics(evidence=rows), pictures())).text
    assert said.count(MEANINGS["fine-tuning"]) == 1
    assert VERDICTS["cannot tell"] in said
    assert VERDICTS["helps"] not in said
    assert "in use although one cannot tell" in said


def test_several_models_that_answer_together_are_told_one_by_one() -> None:
    both = [{"description": "fine-tuning of 11 blocks"}, {"description": "ridge; 12 views"}]
    recipe = {"members": both, "description": "the mean of 2 models: fine-tuning of 11 blocks; ridge; 12 views"}
    said = Reader(render(metrics(recipe=recipe), pictures())).text
    assert "2 models answer together" in said
    assert "Fine-tuning of 11 blocks." in said
    assert "the mean of 2 models" not in said


def test_what_was_stopped_early_and_what_was_not_tried_is_said() -> None:
    said = Reader(render(metrics(), pictures())).text
    assert "Stopped early: Sixteen blocks: clearly worse after 2 folds of 5." in said
    assert "3 more recipes were not tried: the budget would not have sufficed." in said


def test_the_plain_method_stands_beside_guessing() -> None:
    said = Reader(render(metrics(), pictures())).text
    assert "The plain method TF-IDF, which knows nothing but your examples, scores 61 % [52, 70], n = 100." in said
    assert said.index("TF-IDF 61 %") < said.index("Always the largest class")
