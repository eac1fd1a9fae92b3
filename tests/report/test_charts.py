"""Charts are well-formed, escaped, and put their marks where the scale says."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handful.report import charts
from handful.report.scale import Scale, spanning, ticks
from handful.report.words import MEANINGS

HOSTILE = '<script>alert("&")</script>'


def parsed(markup: str) -> ET.Element:
    return ET.fromstring(f"<div>{markup}</div>")  # noqa: S314 - our own markup


def lines(tree: ET.Element, kind: str) -> list[dict[str, str]]:
    return [line.attrib for line in tree.iter("line") if line.get("class") == kind]


def dots(tree: ET.Element) -> list[dict[str, str]]:
    return [circle.attrib for circle in tree.iter("circle")]


def estimate(value: float, half: float = 0.1, **more: Any) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half, "n": 10, **more}


@given(st.floats(-1e3, 1e3), st.floats(0.01, 1e3))
def test_ticks_are_few_and_inside(low: float, width: float) -> None:
    scale = Scale(low, low + width)
    found = ticks(scale)
    assert 2 <= len(found) <= 6
    assert all(low - 1e-6 * width <= tick <= low + width + 1e-6 * width for tick in found)


@given(st.lists(st.floats(0, 1), max_size=5))
def test_an_axis_holds_its_values_and_has_a_width(values: list[float]) -> None:
    scale = spanning(values)
    assert scale.high - scale.low >= 0.099
    assert all(scale.low <= value <= scale.high for value in values)


def test_equal_ratios_are_equal_distances_on_a_log_axis() -> None:
    scale = Scale(1, 64, log=True)
    assert scale.share(8) == pytest.approx(0.5)
    assert scale.share(4) - scale.share(2) == pytest.approx(scale.share(32) - scale.share(16))


def test_the_score_and_its_interval_are_drawn_in_their_places() -> None:
    tree = parsed(charts.interval_chart({"score": estimate(0.8, 0.05), "chance": 0.1}))
    (interval,) = lines(tree, "interval")
    assert (interval["x1"], interval["x2"]) == ("75%", "85%")
    assert [dot["cx"] for dot in dots(tree)] == ["80%", "10%"]


def test_without_any_score_there_is_nothing_to_compare() -> None:
    assert charts.interval_chart({"score": None, "chance": 0.1}) == ""


def test_a_harmful_technique_lies_left_of_the_zero_line() -> None:
    row = {"technique": "views", "on": False, "gain": -3.0, "low": -5.0, "high": -1.0, "verdict": "hurts"}
    tree = parsed(charts.evidence_chart([row]))
    (zero,), (interval,), (ring,) = lines(tree, "zero"), lines(tree, "interval"), dots(tree)
    low, middle, high, none = (float(x.rstrip("%")) for x in (interval["x1"], ring["cx"], interval["x2"], zero["x1"]))
    assert low < middle < high < none
    assert ring["class"] == "ring"
    assert "−3.0 [−5.0, −1.0]" in "".join(tree.itertext())
    assert "hurts; left out" in "".join(tree.itertext())


def test_what_several_techniques_have_in_common_is_told_once() -> None:
    rows = [{"technique": f"augmentation: {name}", "on": True, "gain": 1.0} for name in ("rotate=5", "shear_x=5")]
    said = "".join(parsed(charts.evidence_chart([*rows, {"technique": "fine-tuning", "gain": 1.0}])).itertext())
    assert said.count(MEANINGS["augmentation"]) == said.count(MEANINGS["fine-tuning"]) == 1


def test_the_chosen_candidate_is_marked_in_words_and_in_ink() -> None:
    rows = [{"name": "a", **estimate(0.8), "chosen": True}, {"name": "b", **estimate(0.7), "chosen": False}]
    tree = parsed(charts.candidates_chart(rows))
    assert [dot["class"] for dot in dots(tree)] == ["dot", "ring"]
    assert "a (chosen)" in "".join(tree.itertext())


def test_losses_of_candidates_are_no_shares_and_their_axis_goes_beyond_one() -> None:
    rows = [{"name": "a", "metric": "cost", "value": 3.0, "low": 2.0, "high": 4.0}]
    tree = parsed(charts.candidates_chart(rows))
    (dot,), (interval,) = dots(tree), lines(tree, "interval")
    assert dot["cx"] == "50%"
    assert 0 < float(interval["x1"].rstrip("%")) < 50 < float(interval["x2"].rstrip("%")) < 100
    assert "3.00 [2.00, 4.00]" in "".join(tree.itertext())
    assert "%" not in "".join(tree.itertext())


def test_a_gain_of_a_hundredth_of_a_nat_is_seen() -> None:
    row = {"technique": "views", "on": True, "gain": 0.02, "low": 0.01, "high": 0.03, "verdict": "helps"}
    (dot,) = dots(parsed(charts.evidence_chart([row], "nats")))
    assert float(dot["cx"].rstrip("%")) > 60


def test_a_perfectly_calibrated_bin_lies_on_the_diagonal() -> None:
    tree = parsed(
        charts.reliability_chart([{"confidence": 0.25, "accuracy": 0.25, "n": 4}, {"confidence": None, "n": 0}])
    )
    (dot,) = dots(tree)
    assert dot["cx"] == "25%"
    assert float(dot["cy"]) == pytest.approx(0.75 * 240)


def test_the_area_of_a_dot_grows_with_its_n() -> None:
    few, many = ({"confidence": 0.5, "accuracy": 0.5, "n": n} for n in (1, 100))
    radii = [float(dot["r"]) for dot in dots(parsed(charts.reliability_chart([few, many])))]
    assert radii[0] < radii[1]


def test_the_learning_curve_climbs_and_its_band_is_closed() -> None:
    points = [{"n_per_class": k, **estimate(v, 0.05)} for k, v in [(2, 0.5), (4, 0.6), (8, 0.7)]]
    band = [{"n_per_class": k, **estimate(v, 0.02)} for k, v in [(2, 0.5), (8, 0.7), (32, 0.8)]]
    tree = parsed(charts.curve_chart({"points": points, "band": band, "answers": [{"target": 0.75}]}))
    heights = [float(dot["cy"]) for dot in dots(tree)]
    assert heights == sorted(heights, reverse=True)
    polygon = next(tree.iter("polygon"))
    assert len(polygon.attrib["points"].split()) == 2 * len(band)
    assert "75 % asked for" in "".join(tree.itertext())


def test_a_curve_of_one_point_without_a_law_is_still_drawn() -> None:
    assert dots(parsed(charts.curve_chart({"points": [{"n_per_class": 3, **estimate(0.5)}], "band": None})))


@pytest.mark.parametrize("n_classes", [2, 10, 100])
def test_every_count_of_the_confusion_matrix_is_printed(n_classes: int) -> None:
    counts = [[(3 * row + column) % 4 for column in range(n_classes)] for row in range(n_classes)]
    tree = parsed(charts.confusion_table(counts, [f"class {k}" for k in range(n_classes)]))
    body = [[cell.text for cell in row.iter("td")] for row in tree.findall(".//tbody/tr")]
    assert body == [[str(count) if count else None for count in row] for row in counts]
    assert len(tree.findall(".//th[@scope='col']")) == len(tree.findall(".//th[@scope='row']")) == n_classes


def test_hostile_names_are_text_in_every_chart() -> None:
    drawn = [
        charts.recall_chart([{"class": HOSTILE, "recall": estimate(0.5)}]),
        charts.evidence_chart([{"technique": HOSTILE, "on": True, "gain": 1.0, "verdict": HOSTILE}]),
        charts.candidates_chart([{"name": HOSTILE, **estimate(0.5)}]),
        charts.confusion_table([[1, 0], [0, 1]], [HOSTILE, "b"]),
    ]
    for markup in drawn:
        assert HOSTILE in "".join(parsed(markup).itertext())
        assert "<script" not in markup


def test_missing_figures_leave_their_marks_out() -> None:
    tree = parsed(charts.recall_chart([{"class": "a", "recall": None}, {"class": "b", "recall": {"value": 0.5}}]))
    assert not lines(tree, "interval")
    assert len(dots(tree)) == 1
    assert "not measured" in "".join(tree.itertext())
