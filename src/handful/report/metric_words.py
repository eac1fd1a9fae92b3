"""What depends on the metric that was asked for, in words. Pure functions of `metrics.json`."""

from __future__ import annotations

from typing import Any

from handful.report.figures import POINTS, Figures

_METRICS = {"macro_f1": "macro F1", "auroc": "AUROC", "log_loss": "log-loss", "cost": "mean cost of an answer"}


def metric_name(metric: Any) -> str:
    """
    Example:
        >>> metric_name("balanced_accuracy")
        'balanced accuracy'
    """
    return _METRICS.get(str(metric), str(metric).replace("_", " "))


def with_article(name: str) -> str:
    """
    Example:
        >>> with_article("AUROC"), with_article("log-loss")
        ('an AUROC', 'a log-loss')
    """
    return f"{'an' if name.startswith('A') else 'a'} {name}"


def deciding(metrics: Figures) -> str:
    """A warning where an answer need not be the likeliest class; empty where it is.

    Example:
        >>> deciding({"metric": "cost"})
        'Answers weigh what mistakes cost, so an answer may not be the likeliest class.'
        >>> deciding({"metric": "accuracy", "score": {"value": 0.9}, "counts": {"cat": 50, "dog": 10}})
        ''
    """
    metric, uneven = metrics.get("metric"), len(set((metrics.get("counts") or {}).values())) > 1
    if metric == "cost":
        return "Answers weigh what mistakes cost, so an answer may not be the likeliest class."
    if metric in ("balanced_accuracy", "macro_f1") and uneven and metrics.get("score"):
        return (
            f"Answers favour rare classes, as {metric_name(metric)} asks for, "
            "so an answer may not be the likeliest class."
        )
    return ""


def gained(metrics: Figures) -> str:
    """What the gains of the evidence are counted in.

    Example:
        >>> gained({"metric": "auroc"}), gained({"metric": "log_loss", "gain_unit": "nats"})
        ('in points of AUROC', 'in nats of log-loss; a lower log-loss is a gain')
        >>> gained({"metric": "cost", "gain_unit": "units of cost"})
        'in units of cost an answer; a lower cost is a gain'
    """
    unit = str(metrics.get("gain_unit") or POINTS)
    metric = metrics.get("metric") or (metrics.get("score") or {}).get("metric")
    if metric == "cost":
        return f"in {unit} an answer; a lower cost is a gain"
    of = f" of {metric_name(metric)}" if metric else ""
    return f"in {unit}{of}{'' if unit == POINTS else f'; a lower {metric_name(metric)} is a gain'}"


def curve_metric(metrics: Figures) -> str:
    """What the learning curve is of, where that is not what the score is of; else empty.

    Example:
        >>> curve_metric({"metric": "cost", "learning_curve": {"metric": "accuracy"}})
        'accuracy'
    """
    drawn = (metrics.get("learning_curve") or {}).get("metric")
    return metric_name(drawn) if drawn and metrics.get("metric") not in (None, drawn) else ""
