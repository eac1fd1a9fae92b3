"""What could be reached without looking at an example, and whether a model is shown to be better."""

from __future__ import annotations

from dataclasses import dataclass

from handful.report.figures import (
    Figures,
    counts_right_answers,
    figure,
    has_interval,
    is_loss,
    is_number,
    percent,
    unit,
)
from handful.report.metric_words import metric_name, with_article


@dataclass(frozen=True)
class Guess:
    """An answer that looks at nothing: in a few words, as the subject of a sentence, and what it scores."""

    name: str
    how: str
    value: float


def guess(metrics: Figures) -> Guess | None:
    """The best that can be done without looking, by the metric of the score; None where that is not known."""
    score, majority, chance = metrics.get("score") or {}, metrics.get("majority") or {}, metrics.get("chance")
    metric, value, named = score.get("metric", "accuracy"), majority.get("value"), majority.get("class")
    if metric == "balanced_accuracy" or (metric == "accuracy" and not is_number(value)):
        return Guess("Chance", "Guessing at random", chance) if score and is_number(chance) else None
    if not score or not is_number(value):
        return None
    if metric == "cost":
        return Guess(f"Always “{named}”, the cheapest", f"Always answering “{named}”, the cheapest answer,", value)
    if metric == "log_loss":
        return Guess("Only the class shares", "Answering every time with the shares of the classes", value)
    if metric == "auroc":
        return Guess("Looking at nothing", "Giving the same probabilities every time", value)
    return Guess("Always the largest class", f"Always answering “{named}”, the most frequent class,", value)


def beats(score: Figures, value: float) -> bool:
    """Whether the whole interval of a score is better than a value."""
    return bool(score["high"] < value if is_loss(score) else score["low"] > value)


def against_guessing(metrics: Figures) -> str:
    """Whether the model is shown to beat the answer that looks at nothing.

    Example:
        >>> score = {"metric": "accuracy", "value": 0.82, "low": 0.75, "high": 0.88}
        >>> against_guessing({"score": score, "majority": {"class": "cat", "value": 0.1}})
        'Always answering “cat”, the most frequent class, would be right 10 % of the time. The model is clearly better.'
        >>> against_guessing({"score": score | {"low": 0.05}, "chance": 0.1})
        'Guessing at random would be right 10 % of the time. This sample cannot show that the model is better.'
        >>> cost = {"metric": "cost", "value": 0.1, "low": 0.05, "high": 0.3}
        >>> against_guessing({"score": cost, "majority": {"class": "ill", "value": 0.8}})
        'Always answering “ill”, the cheapest answer, would cost 0.80 on average. The model is clearly better.'
    """
    blind = guess(metrics)
    if blind is None:
        return ""
    score = metrics["score"]
    text = f"{blind.how} {_worth(score, blind.value)}."
    if not has_interval(score):
        return text
    better = beats(score, blind.value)
    return f"{text} {'The model is clearly better' if better else 'This sample cannot show that the model is better'}."


def _worth(score: Figures, value: float) -> str:
    metric, said = score.get("metric", "accuracy"), figure({"metric": score.get("metric"), "value": value})
    if counts_right_answers(score):
        return f"would be right {percent(value)} of the time"
    if metric == "cost":
        return f"would cost {said} on average"
    return f"would have {with_article(metric_name(metric))} of {said}{unit(score)}"
