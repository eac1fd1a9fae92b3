"""The sentences of the page: figures in plain words. Pure functions of parts of `metrics.json`."""

from __future__ import annotations

import re
from typing import Any

from handful.core.words import count
from handful.report.figures import (
    Figures,
    bounds,
    counts_right_answers,
    estimate,
    figure,
    has_interval,
    is_loss,
    is_number,
    percent,
    unit,
)
from handful.report.metric_words import metric_name, with_article

_SETTINGS = {
    "technique": "Technique",
    "backbone": "Backbone",
    "n_blocks": "Blocks trained",
    "n_layers": "Layers trained",
    "rank": "Rank of the adapters",
    "layers": "Layers",
    "power": "Power of the features",
    "augment": "Augmentation",
    "n_views": "Views per photo",
    "flip_at_test": "Mirrored view at test",
    "head": "Head",
    "penalty": "Penalty",
    "class_weights": "Class weights",
}
_OF_PHOTOS = {"augment", "n_views", "flip_at_test"}

MEANINGS = {
    "augmentation": "Each training photo is also shown turned, cropped or recoloured, so that the model learns "
    "what does not matter.",
    "augmentation: flips": "Each training photo is also shown mirrored.",
    "augmentation: light": "Each training photo is also shown a little moved, nearer, brighter or darker, and mirrored "
    "where that is safe.",
    "augmentation: scan": "Each training photo is also shown a little turned, moved, and with other contrast, as scans "
    "differ; never mirrored.",
    "augmentation: standard": "Each training photo is also shown cropped, turned and recoloured, and mirrored where "
    "that is safe.",
    "several depths": "The answer also rests on the simple patterns that early layers see, not only on the last layer.",
    "square root of features": "What the network sees most strongly is toned down, so that fainter signs count too.",
    "equal class weights": "Rare classes count as much as frequent ones while the model learns.",
    "logistic head": "The last step, from what was recognised to the answer, is fitted by another formula.",
    "several picture sizes": "Models that see the photo at different sizes decide together.",
    "fine-tuning": "The pre-trained network itself is trained further on your examples; without, it stays as it came.",
    "counts of words": "The model also counts which words and pairs of words a text holds, whatever they mean.",
    "contrastive fine-tuning": "The pre-trained network is trained further, to place examples of one class "
    "close together and others far apart.",
    "adapters": "Small parts are added to the pre-trained network and trained; all the rest of it stays as it came.",
    "unlabelled data": "Examples without labels help to see which ones belong together.",
    "distillation": "One model has learned to answer as several together do, and takes their place.",
    "several models": "Several models decide together; their mistakes partly cancel out.",
}
"""What each technique of the evidence means, for someone who never heard of it."""

VERDICTS = {
    "helps": "the gain is too large and too steady to be luck.",
    "hurts": "the loss is too large and too steady to be luck.",
    "cannot tell": "with so few examples, a gain or loss of this size may be luck.",
}


def meaning(technique: Any) -> str:
    """What a technique does, in one sentence; empty for one that is not known here.

    Example:
        >>> meaning("several picture sizes"), meaning("?")
        ('Models that see the photo at different sizes decide together.', '')
    """
    name = str(technique).removesuffix(" without flips")
    return MEANINGS.get(name) or MEANINGS.get(name.partition(":")[0], "")


def verdict_meanings(evidence: Any) -> list[tuple[str, str]]:
    """The verdicts that occur in some evidence, each with what it means.

    Example:
        >>> verdict_meanings([{"verdict": "helps"}])
        [('helps', 'the gain is too large and too steady to be luck.')]
    """
    said = {row.get("verdict") for row in evidence}
    return [(word, means) for word, means in VERDICTS.items() if word in said]


def verdict(row: Figures) -> str:
    """What the evidence says of one technique, and what was done.

    Example:
        >>> verdict({"on": True, "verdict": "helps"}), verdict({"on": False, "verdict": "cannot tell"})
        ('helps; in use', 'cannot tell; left out')
    """
    return f"{row.get('verdict') or 'not measured'}; {'in use' if row.get('on') else 'left out'}"


def noun(metrics: Figures, *, plural: bool = True) -> str:
    """What one example is called.

    Example:
        >>> noun({"called": "photos"}), noun({"called": "texts"}, plural=False), noun({}, plural=False)
        ('photos', 'text', 'example')
    """
    many = str(metrics.get("called") or "examples")
    return many if plural else many.removesuffix("s")


def sentence(text: Any) -> str:
    """A message from elsewhere as a sentence of this page.

    Example:
        >>> sentence("class shares differ: 19% are dogs")
        'Class shares differ: 19 % are dogs.'
    """
    said = re.sub(r"(?<=\d)%", " %", str(text).strip())
    return said[:1].upper() + said[1:] + ("" if said.endswith((".", "!", "?")) or not said else ".")


def headline(metrics: Figures) -> str:
    """The score as a promise about the next hundred examples.

    Example:
        >>> score = {"metric": "accuracy", "value": 0.82, "low": 0.75, "high": 0.89, "n": 100}
        >>> print(headline({"called": "photos", "score": score}))
        Of 100 new photos like these, expect about 82 to be named rightly; with 100 examples the true figure may lie
        anywhere between 75 and 89.
        >>> headline({"score": None, "score_missing": "one label per class"})
        'There is no score: one label per class.'
    """
    score = metrics.get("score")
    if not score:
        reason = str(metrics.get("score_missing") or "nothing was left to check the model on").rstrip(".")
        return f"There is no score: {reason}."
    return f"{_promise(score, noun(metrics))}; {_doubt(score)}"


def _promise(score: Figures, many: str) -> str:
    metric, value = score.get("metric"), figure(score)
    if metric == "accuracy":
        return f"Of 100 new {many} like these, expect about {value} to be named rightly"
    if metric == "balanced_accuracy":
        return f"Of 100 new {many} like these, the same number of each class, expect about {value} to be named rightly"
    if metric == "cost":
        return f"On new {many} like these, expect a mean cost of about {value} an answer"
    of = unit(score) if is_loss(score) else " in 100"
    return f"On new {many} like these, expect {with_article(metric_name(metric))} of about {value}{of}"


def _doubt(score: Figures) -> str:
    if not has_interval(score):
        return "how far off that may be could not be computed."
    low, high = bounds(score).strip("[]").split(", ")
    seen = f"with {score['n']} examples " if is_number(score.get("n")) else ""
    return f"{seen}the true figure may lie\nanywhere between {low} and {high}."


def sample_limits(metrics: Figures) -> str:
    """How sharp a score a sample of this size can be at all.

    Example:
        >>> sample_limits({"n": 100, "sample_limits": {"narrowest": 0.04, "widest": 0.2}})
        'Whatever the model, 100 examples give an interval at least 4 and at most 20 points wide.'
    """
    limits, n = metrics.get("sample_limits") or {}, (metrics.get("score") or {}).get("n", metrics.get("n"))
    if not counts_right_answers(metrics.get("score") or {}):
        return ""
    if not (is_number(limits.get("narrowest")) and is_number(limits.get("widest"))):
        return ""
    narrow, wide = (f"{100 * limits[end]:.0f}" for end in ("narrowest", "widest"))
    return f"Whatever the model, {n} examples give an interval at least {narrow} and at most {wide} points wide."


def recipe_facts(metrics: Figures) -> list[tuple[str, str]]:
    """The settings of a recipe, named for people; what was not set is left out, and so is what only photos have.

    Several recipes that decide together have no settings in common: none.

    Example:
        >>> recipe_facts({"called": "photos", "recipe": {"head": "ridge", "power": 0.5, "flip_at_test": True}})
        [('Power of the features', '0.5'), ('Mirrored view at test', 'yes'), ('Head', 'ridge')]
    """
    recipe = metrics.get("recipe") or {}
    if len(recipe.get("members") or []) > 1:
        return []
    shown = _SETTINGS.keys() if noun(metrics) == "photos" else _SETTINGS.keys() - _OF_PHOTOS
    named = [(title, recipe.get(key)) for key, title in _SETTINGS.items() if key in shown]
    return [(title, _setting(value)) for title, value in named if value is not None]


def members(recipe: Figures) -> list[str]:
    """Of several recipes that decide together, each in a sentence; none where one decides alone.

    Example:
        >>> members({"members": [{"description": "one"}, {"description": "the other"}]})
        ['One.', 'The other.']
    """
    described = [member.get("description") for member in recipe.get("members") or []]
    return [sentence(text) for text in described] if len(described) > 1 and all(described) else []


def against_floor(metrics: Figures) -> str:
    """What a method without any pre-trained network scores.

    Example:
        >>> against_floor({"floor": {"name": "TF-IDF", "score": {"value": 0.7, "low": 0.6, "high": 0.8, "n": 40}}})
        'The plain method TF-IDF, which knows nothing but your examples, scores 70 % [60, 80], n = 40.'
    """
    floor = metrics.get("floor") or {}
    if not floor.get("score"):
        return ""
    who = f"The plain method {floor.get('name')}, which knows nothing but your examples,"
    return f"{who} scores {estimate(floor['score'])}."


def unlabelled(account: Figures, many: str = "examples") -> str:
    """What became of the examples without labels.

    Example:
        >>> nothing = dict(unreadable=0, in_training=0, in_test=0, repeats=0, unlike=0)
        >>> unlabelled({"n": 5000, "drawn": 1500, "used": 1498, **nothing, "in_test": 2}, "photos")
        '1498 of 5000 unlabelled photos can be learned from (1500 drawn at random; left out: 2 also in the test data)'
        >>> unlabelled({"n": 1, "drawn": 1, "used": 0, **nothing})
        '1 unlabelled example: set aside, too few are of use'
        >>> unlabelled({"n": 9, "drawn": 9, "used": 9, **nothing, "unlike": 2, "in_recipe": False})
        '9 of 9 unlabelled examples can be learned from (2 unlike the labelled ones count little); the recipe does not'
    """
    reasons = {
        "unreadable": "that cannot be read",
        "in_training": "also in the training data",
        "in_test": "also in the test data",
        "repeats": "that come twice",
    }
    left_out = [f"{account[key]} {why}" for key, why in reasons.items() if account[key]]
    parts = [f"{account['drawn']} drawn at random"] if account["drawn"] < account["n"] else []
    parts += [f"left out: {', '.join(left_out)}"] if left_out else []
    if account["unlike"]:
        parts.append(f"{account['unlike']} unlike the labelled ones" + (" count little" if account["used"] else ""))
    why = f" ({'; '.join(parts)})" if parts else ""
    pool = count(account["n"], f"unlabelled {many.removesuffix('s')}", f"unlabelled {many}")
    if not account["used"]:
        return f"{pool}: set aside, too few are of use{why}"
    done = {None: "", True: "; the recipe does", False: "; the recipe does not"}[account.get("in_recipe")]
    return f"{account['used']} of {pool} can be learned from{why}{done}"


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple) and len(value) > 3:
        return f"{len(value)} of them"
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value) or "none"
    return f"{value:.3g}" if isinstance(value, float) else str(value).replace(",", ", ")  # a policy must break


def mix_ups(confusion: Any, classes: Any, most: int = 10) -> list[tuple[str, str, int, int]]:
    """The most frequent mistakes: truth, what it was taken for, how often, out of how many.

    What happened once may be chance, so it is named only where nothing happened twice.

    Example:
        >>> mix_ups([[8, 2], [0, 9]], ["cat", "dog"])
        [('cat', 'dog', 2, 10)]
    """
    found = [
        (str(classes[truth]), str(classes[said]), int(times), int(sum(row)))
        for truth, row in enumerate(confusion or [])
        for said, times in enumerate(row)
        if truth != said and times > 0
    ]
    repeated = [item for item in found if item[2] > 1]
    return sorted(repeated or found, key=lambda item: -item[2])[:most]


def curve_answer(answer: Figures, of: str = "") -> str:
    """How many labels per class a target would take.

    Args:
        answer: Of the learning curve.
        of: The metric of the target, where that must be said.

    Example:
        >>> curve_answer({"target": 0.9, "n_per_class": 25, "low": 18, "high": 60})
        'For 90 %, about 25 labels per class [18, 60].'
        >>> curve_answer({"target": 0.9, "say": "cannot tell yet: 12 labels or more"}, "accuracy")
        'For 90 % accuracy: cannot tell yet: 12 labels or more.'
        >>> curve_answer({"target": 0.95, "n_per_class": None})
        'For 95 %: cannot tell yet; the curve is too short or levels off below.'
    """
    target = f"{percent(answer.get('target'))} {of}".rstrip()
    if answer.get("say"):
        said = sentence(answer["say"])
        return f"For {target}: {said[0].lower()}{said[1:]}" if is_number(answer.get("target")) else said
    if not is_number(answer.get("n_per_class")):
        return f"For {target}: cannot tell yet; the curve is too short or levels off below."
    low, high = answer.get("low"), answer.get("high")
    ends = f" [{low:g}, {high:g}]" if has_interval(answer) else " [no interval]"
    return f"For {target}, about {answer['n_per_class']:g} labels per class{ends}."


def conformal(row: Figures) -> str:
    """What prediction sets of one coverage look like here, or why there are none.

    Example:
        >>> print(conformal({"coverage": 0.9, "available": True, "mean_size": 1.3, "single_share": 0.8,
        ...                  "measured": {"value": 0.91, "low": 0.89, "high": 0.93, "n": 697}}))
        Asked to be right 90 % of the time, the model answers with a set of classes: 1.3 on average, a single one in
        80 % of cases. On your test set the truth was in the set 91.0 % [89.0, 93.0], n = 697 of the time.
        >>> conformal({"coverage": 0.99, "available": False, "smallest_n": 99})
        'Sets that are right 99 % of the time are refused: they need at least 99 examples.'
    """
    coverage = percent(row.get("coverage"))
    if not row.get("available"):
        needed = f": they need at least {row['smallest_n']} examples" if is_number(row.get("smallest_n")) else ""
        return f"Sets that are right {coverage} of the time are refused{needed}."
    size = f"{row['mean_size']:.1f} on average" if is_number(row.get("mean_size")) else "one or more"
    single = f", a single one in\n{percent(row['single_share'])} of cases" if is_number(row.get("single_share")) else ""
    text = f"Asked to be right {coverage} of the time, the model answers with a set of classes: {size}{single}."
    if has_interval(row.get("measured")):
        text += f" On your test set the truth was in the set {estimate(row['measured'])} of the time."
    return text
