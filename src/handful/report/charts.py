"""The drawings of the page: metrics in, markup out, no state. Colours come from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from handful.report.figures import (
    POINTS,
    Figures,
    bounds,
    counts_right_answers,
    estimate,
    estimate_without_n,
    figure,
    gain,
    has_interval,
    is_loss,
    is_number,
    percent,
    unit,
    within_reach,
)
from handful.report.guessing import guess
from handful.report.scale import UNIT, UNIT_TICKS, Scale, spanning, ticks
from handful.report.strips import Strip, axis, grid, strips
from handful.report.words import meaning, verdict

_HEIGHT = 240.0  # of a plot, in pixels
_NOTHING = Markup("")


def interval_chart(metrics: Figures) -> Markup:
    """The score with its interval beside the test score, a plain method, and answers that look at nothing."""
    score, test = metrics.get("score"), metrics.get("test_score")
    rows = []
    if score:
        rows.append(Strip("This model, cross-validated", estimate(score), score, strong=True))
    if test:
        rows.append(Strip("This model, on the test set", estimate(test), test, strong=True, hollow=True))
    if not rows:
        return _NOTHING
    rows += _rivals(metrics, rows[0].estimate)
    if not is_loss(rows[0].estimate):
        return strips(rows, UNIT, UNIT_TICKS, percent)
    scale = spanning([0.0, *_numbers([row.estimate for row in rows], "value", "low", "high")])
    return strips(rows, scale, ticks(scale), "{:g}".format)


def _rivals(metrics: Figures, score: Figures) -> list[Strip]:
    """What it takes no pre-trained network to reach."""
    floor, chance, blind = metrics.get("floor") or {}, metrics.get("chance"), guess(metrics)
    rows = []
    if floor.get("score"):
        rows.append(Strip(str(floor.get("name")), estimate(floor["score"]), floor["score"], hollow=True))
    if blind and blind.name != "Chance":
        said = figure({"metric": score.get("metric"), "value": blind.value})
        rows.append(Strip(blind.name, said + unit(score), {"value": blind.value}, hollow=True))
    if is_number(chance) and counts_right_answers(score):
        rows.append(Strip("Chance", percent(chance), {"value": chance}, hollow=True))
    return rows


def recall_chart(per_class: Sequence[Figures]) -> Markup:
    """The recall of each class with its interval and n."""
    rows = [Strip(str(row["class"]), estimate(row.get("recall")), row.get("recall"), strong=True) for row in per_class]
    return strips(rows, UNIT, UNIT_TICKS, percent) if rows else _NOTHING


def evidence_chart(evidence: Sequence[Figures], of: str = POINTS) -> Markup:
    """What each technique gained, around the line of no gain; a ring is a technique left out.

    What several have in common, as policies of augmentation do, is told once.

    Args:
        evidence: Rows of the evidence table.
        of: The unit of the gains.
    """
    evidence = [within_reach(row, of) for row in evidence]
    meanings = [meaning(row.get("technique")) for row in evidence]
    rows = [
        Strip(
            str(row.get("technique")),
            gain(row, of),
            {"value": row.get("gain"), "low": row.get("low"), "high": row.get("high")},
            note=verdict(row),
            about="" if meanings[at] in meanings[:at] else meanings[at],
            strong=row.get("verdict") == "helps",
            hollow=not row.get("on"),
        )
        for at, row in enumerate(evidence)
    ]
    scale = spanning([0.0, *_numbers(evidence, "gain", "low", "high")], least=4.0 if of == POINTS else 0.04)
    return strips(rows, scale, ticks(scale), _points, zero=0.0) if rows else _NOTHING


def candidates_chart(candidates: Sequence[Figures]) -> Markup:
    """The score of each candidate; the chosen one is filled and says so."""
    rows = [
        Strip(
            f"{row.get('name')}{' (chosen)' if row.get('chosen') else ''}",
            _candidate(row),
            row,
            strong=bool(row.get("chosen")),
            hollow=not row.get("chosen"),
        )
        for row in candidates
    ]
    scale = spanning(_numbers(candidates, "value", "low", "high"))
    if not any(map(is_loss, candidates)):
        scale = _fraction(scale)
        return strips(rows, scale, ticks(scale), percent) if rows else _NOTHING
    return strips(rows, scale, ticks(scale), "{:g}".format)


def _candidate(row: Figures) -> str:
    return estimate_without_n(row) if is_loss(row) else f"{percent(row.get('value'), digits=1)} {bounds(row)}"


def confusion_table(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> Markup:
    """Counts of truth (rows) against answer (columns), shaded by their share of the row; 2 to 100 classes."""
    head = Markup("").join(Markup('<th scope="col" title="{}"><span>{}</span></th>').format(c, c) for c in classes)
    body = Markup("").join(
        Markup('<tr><th scope="row" title="{}">{}</th>{}</tr>').format(name, name, _cells(row, truth))
        for truth, (name, row) in enumerate(zip(classes, confusion, strict=True))
    )
    size = " few" if len(classes) <= 4 else " dense" if len(classes) > 12 else ""
    turned = " turned" if len(classes) > 12 or (not size and max(map(len, classes)) > 3) else ""
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="Confusion matrix"><table class="confusion{}{}">'
        '<thead><tr><td class="corner">answer →<br/>truth ↓</td>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(size, turned, head, body)


def _cells(row: Sequence[int], truth: int) -> Markup:
    total, cells = max(1, sum(row)), []
    for said, times in enumerate(row):
        if not times:
            cells.append(Markup('<td class="right"></td>') if said == truth else Markup("<td></td>"))
            continue
        shade, kind = f"{0.08 + 0.37 * times / total:.2f}", "right" if said == truth else "wrong"
        cells.append(Markup('<td class="{}" style="--s:{}">{}</td>').format(kind, shade, times))
    return Markup("").join(cells)


def reliability_chart(bins: Sequence[Figures]) -> Markup:
    """How often the model was right against how sure it was; the area of a dot grows with its n."""
    filled = [row for row in bins if row.get("n") and len(_numbers([row], "confidence", "accuracy")) == 2]
    if not filled:
        return _NOTHING
    largest = max(row["n"] for row in filled)
    ideal = Markup('<line class="ideal" x1="0" y1="{}" x2="100%" y2="0"/>').format(_HEIGHT)
    inside = ideal + Markup("").join(
        _point(row["confidence"], {**row, "value": row["accuracy"]}, UNIT, UNIT, _radius(row["n"], largest))
        for row in filled
    )
    spoken = "; ".join(f"{percent(r['confidence'])} sure, {percent(r['accuracy'])} right, n = {r['n']}" for r in filled)
    return _plot(inside, (UNIT, UNIT_TICKS, percent), (UNIT, UNIT_TICKS), f"Reliability. {spoken}", "square")


def _radius(n: int, largest: int) -> float:
    return round(3 + 6 * math.sqrt(n / largest), 1)


def curve_chart(curve: Figures) -> Markup:
    """Measured scores against labels per class (log axis), the fitted law with its band, and the targets asked for."""
    points, band = curve.get("points") or [], [row for row in curve.get("band") or [] if is_number(row.get("value"))]
    ns = _numbers([*points, *band], "n_per_class")
    if not points or min(ns) <= 0:
        return _NOTHING
    across = Scale(min(ns) / 1.12, max(ns) * 1.12, log=True)
    up = _fraction(spanning(_numbers([*points, *band], "value", "low", "high")))
    dots = [_point(row["n_per_class"], row, across, up, 4.5) for row in points if is_number(row.get("value"))]
    targets = [answer["target"] for answer in curve.get("answers") or [] if is_number(answer.get("target"))]
    inside = _law(band, across, up) + _targets(targets, up) + Markup("").join(dots)
    spoken = "; ".join(f"{row['n_per_class']:g} labels per class, {estimate(row)}" for row in points)
    x_axis = (across, ticks(across), lambda value: f"{value:g}")
    return _plot(inside, x_axis, (up, ticks(up)), f"Learning curve. {spoken}", "wide")


def _law(band: Sequence[Figures], across: Scale, up: Scale) -> Markup:
    """A path knows no shares of the width, so it lives in a nested drawing of 100 units that is stretched to fit."""

    def place(row: Figures, key: str) -> str:
        return f"{100 * across.share(row['n_per_class']):.2f},{up.down(row[key], _HEIGHT):.2f}"

    if len(band) < 2:
        return _NOTHING
    shaded = [row for row in band if has_interval(row)]
    edge = [*(place(row, "low") for row in shaded), *(place(row, "high") for row in reversed(shaded))]
    return Markup(
        '<svg width="100%" height="{:g}" viewBox="0 0 100 {:g}" preserveAspectRatio="none">'
        '<polygon class="band" points="{}"/><polyline class="law" points="{}"/></svg>'
    ).format(_HEIGHT, _HEIGHT, " ".join(edge), " ".join(place(row, "value") for row in band))


def _targets(targets: Sequence[float], up: Scale) -> Markup:
    line = Markup(
        '<line class="target" x1="0" x2="100%" y1="{0}" y2="{0}"/>'
        '<text class="target" x="100%" y="{0}" dx="-6" dy="4" text-anchor="end">{1} asked for</text>'
    )
    inside = [target for target in targets if up.low <= target <= up.high]
    return Markup("").join(line.format(up.down(target, _HEIGHT), percent(target)) for target in inside)


def _point(x: float, figures: Figures, across: Scale, up: Scale, radius: float) -> Markup:
    place, drawn = across.across(x), _NOTHING
    if has_interval(figures):
        low, high = up.down(figures["low"], _HEIGHT), up.down(figures["high"], _HEIGHT)
        drawn += Markup('<line class="interval" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(place, place, low, high)
    y = up.down(figures["value"], _HEIGHT)
    return drawn + Markup('<circle class="dot" cx="{}" cy="{}" r="{}"/>').format(place, y, radius)


def _plot(inside: Markup, x_axis: Any, y_axis: Any, spoken: str, shape: str) -> Markup:
    """A frame with both axes; the labels of the upright one hang out to the left, where the style sheet leaves room."""
    (across, x_ticks, label), (up, y_ticks) = x_axis, y_axis
    rule = Markup(
        '<line class="rule" x1="0" x2="100%" y1="{0}" y2="{0}"/>'
        '<text x="-8" y="{0}" dy="4" text-anchor="end">{1}</text>'
    )
    rules = Markup("").join(rule.format(up.down(tick, _HEIGHT), percent(tick)) for tick in y_ticks)
    return Markup(
        '<div class="plot {}" role="img" aria-label="{}">{}<svg height="{:g}" aria-hidden="true">{}{}</svg>{}</div>'
    ).format(shape, spoken, grid(across, x_ticks), _HEIGHT, rules, inside, axis(across, x_ticks, label))


def _numbers(rows: Sequence[Figures], *keys: str) -> list[float]:
    return [row[key] for row in rows for key in keys if is_number(row.get(key))]


def _fraction(scale: Scale) -> Scale:
    """A score lies between 0 and 1, and so does its axis."""
    return Scale(max(0.0, scale.low), min(1.0, scale.high))


def _points(value: float) -> str:
    return f"{value:+g}".replace("-", "−") if value else "0"
