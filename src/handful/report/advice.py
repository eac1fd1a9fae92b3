"""What to do next, and what the figures do not say. Pure functions of `metrics.json`."""

from __future__ import annotations

from handful.core.words import count
from handful.report.figures import Figures, counts_right_answers, estimate, has_interval, is_number
from handful.report.guessing import beats, guess
from handful.report.metric_words import curve_metric
from handful.report.words import curve_answer, noun

_LIKE = {"photos": "camera, light", "texts": "language, length"}  # what else must stay the same


def next_steps(metrics: Figures) -> list[str]:
    """What would improve the model or its score most, in the order of doing it.

    Example:
        >>> next_steps({"score": None, "called": "photos"})
        ['Label more photos: with a few per class there is something to check the model on.']
    """
    answers = (metrics.get("learning_curve") or {}).get("answers") or []
    steps = [
        _findings(metrics),
        _leak(metrics),
        (metrics.get("test") or {}).get("shift_note") or "",
        _labels(metrics),
        *_weak_classes(metrics),
        *[f"Label more. {curve_answer(answer, curve_metric(metrics))}" for answer in answers if _is_ahead(answer)][:1],
    ]
    return [step for step in steps if step] or [
        f"Try the model on {noun(metrics)} of another day, and check the answers by eye."
    ]


def _is_ahead(answer: Figures) -> bool:
    """Whether it says how many labels more; what is reached already is none."""
    known = is_number(answer.get("n_per_class")) and is_number(answer.get("high"))
    return bool(known and answer["high"] > (answer.get("low") or 0))


def _findings(metrics: Figures) -> str:
    findings = (metrics.get("audit") or {}).get("findings") or []
    if not findings:
        return ""
    return f"Look at {count(len(findings), 'finding')} under “The data”: mending a label costs less than adding one."


def _leak(metrics: Figures) -> str:
    leaked = (metrics.get("test") or {}).get("leaked")
    if not leaked:
        return ""
    return (
        f"Take {count(leaked, 'copy', 'copies')} of training {noun(metrics)} out of the test set; "
        "the score here was made without."
    )


def _labels(metrics: Figures) -> str:
    many = noun(metrics)
    if not metrics.get("score"):
        return f"Label more {many}: with a few per class there is something to check the model on."
    blind = guess(metrics)
    if blind and has_interval(metrics["score"]) and not beats(metrics["score"], blind.value):
        return f"Label more {many} before relying on the model: it is not yet shown to beat guessing."
    return ""


def _weak_classes(metrics: Figures, most: int = 2) -> list[str]:
    """Only classes whose whole interval lies below the overall share of right answers: the others may be bad luck."""
    score, rows = metrics.get("score") or {}, metrics.get("per_class") or []
    if not counts_right_answers(score):
        score = (metrics.get("scores") or {}).get("accuracy") or {}
    if not is_number(score.get("value")):
        return []
    weak = [row for row in rows if has_interval(row.get("recall")) and row["recall"]["high"] < score["value"]]
    weak.sort(key=lambda row: float(row["recall"]["value"]))
    return [f"Add examples of “{row['class']}”: recall is only {estimate(row['recall'])}." for row in weak[:most]]


def limits(metrics: Figures) -> list[str]:
    """What the reader must not conclude from the page.

    Example:
        >>> limits({"called": "photos", "n": 20})[-1]
        '20 examples are few: two models whose intervals overlap may be equally good.'
    """
    many, n = noun(metrics), metrics.get("n")
    said = [
        f"The model is for new {many} like these: same kind of subject, {_LIKE.get(many, 'source')} and people. "
        "The page says nothing of others.",
        "The model always answers with one of the classes above, even when none of them is right; "
        "heed the flag for unfamiliar inputs.",
    ]
    if metrics.get("conformal"):
        said.append(
            f"Prediction sets hold the truth as often as asked on average over {many} like these, not for each kind."
        )
    if is_number(n) and n < 200:
        said.append(f"{n} examples are few: two models whose intervals overlap may be equally good.")
    return said
