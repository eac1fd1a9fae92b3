"""The sentences say what the figures say, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from handful.recipe.candidates import PRIOR_POLICIES
from handful.recipe.evidence import SWITCHES
from handful.report import advice, figures, guessing, metric_words, words

SCORE: dict[str, Any] = {"metric": "accuracy", "value": 0.82, "low": 0.75, "high": 0.89, "n": 100}


def test_the_headline_is_a_promise_about_a_hundred_photos() -> None:
    said = words.headline({"called": "photos", "score": SCORE}).replace("\n", " ")
    assert said == (
        "Of 100 new photos like these, expect about 82 to be named rightly; "
        "with 100 examples the true figure may lie anywhere between 75 and 89."
    )


def test_every_technique_that_a_fit_compares_has_its_meaning() -> None:
    names = [*(switch.name for switch in SWITCHES), "augmentation: light"]
    assert [name for name in names if not words.meaning(name)] == []
    for said in words.MEANINGS.values():
        assert said.endswith(".")
        assert said.count(".") == 1


def test_policies_have_sentences_of_their_own() -> None:
    tried = [f"augmentation: {name}" for name in PRIOR_POLICIES if name != "none"]
    said = {words.meaning(name) for name in tried}
    assert len(said) == len(tried)
    assert words.meaning("augmentation: rotate=5") not in said
    assert words.meaning("augmentation: light without flips") == words.meaning("augmentation: light")


def test_a_technique_that_nobody_described_goes_without() -> None:
    assert words.meaning("sorcery") == words.meaning(None) == ""


def test_only_verdicts_that_occur_are_explained() -> None:
    rows = [{"verdict": "cannot tell"}, {"verdict": "helps"}, {"verdict": "helps"}, {}]
    assert [word for word, _ in words.verdict_meanings(rows)] == ["helps", "cannot tell"]


def test_several_models_have_a_sentence_each_and_no_settings_in_common() -> None:
    recipe = {"head": "ridge", "members": [{"description": "fine-tuning"}, {"description": "a probe"}]}
    assert words.members(recipe) == ["Fine-tuning.", "A probe."]
    assert words.recipe_facts({"recipe": recipe}) == []
    assert words.members({**recipe, "members": recipe["members"][:1]}) == []
    assert words.members({"members": [{"adapt": {}}, {"adapt": {}}]}) == []


def test_settings_of_photos_are_not_told_of_texts() -> None:
    recipe = {"head": "ridge", "n_views": 1, "flip_at_test": False, "augment": "none"}
    assert words.recipe_facts({"called": "texts", "recipe": recipe}) == [("Head", "ridge")]
    assert len(words.recipe_facts({"called": "photos", "recipe": recipe})) == 4


def test_a_missing_score_gives_its_reason() -> None:
    assert words.headline({"score": None, "score_missing": "one label per class."}) == (
        "There is no score: one label per class."
    )


@pytest.mark.parametrize("value", [0.996, 0.9999, 0.004, 0.00001])
def test_only_certainty_is_printed_as_certainty(value: float) -> None:
    assert figures.percent(value) not in ("0 %", "100 %")


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), "0.5"])
def test_what_is_no_number_is_not_printed_as_one(value: object) -> None:
    assert figures.percent(value) == "–"


def test_decimals_appear_only_where_the_interval_is_narrow() -> None:
    assert figures.estimate({"value": 0.8213, "low": 0.75, "high": 0.88, "n": 100}) == "82 % [75, 88], n = 100"
    assert figures.estimate({"value": 0.8213, "low": 0.81, "high": 0.83, "n": 9000}) == "82.1 % [81.0, 83.0], n = 9000"


def test_better_than_guessing_needs_the_whole_interval_above() -> None:
    majority = {"class": "cat", "value": 0.75}
    assert "clearly better" in guessing.against_guessing({"score": SCORE, "majority": {"class": "cat", "value": 0.74}})
    assert "cannot show" in guessing.against_guessing({"score": SCORE, "majority": majority})


def test_balanced_accuracy_is_held_against_chance_not_the_largest_class() -> None:
    figures = {
        "score": {**SCORE, "metric": "balanced_accuracy"},
        "majority": {"class": "a", "value": 0.9},
        "chance": 0.1,
    }
    assert guessing.against_guessing(figures).startswith("Guessing at random would be right 10 %")


def test_mistakes_made_once_are_named_only_when_none_was_repeated() -> None:
    assert words.mix_ups([[8, 2], [1, 9]], ["a", "b"]) == [("a", "b", 2, 10)]
    assert words.mix_ups([[9, 1], [0, 9]], ["a", "b"]) == [("a", "b", 1, 10)]


def test_a_class_is_called_weak_only_when_its_whole_interval_is_low() -> None:
    unlucky = {"class": "a", "recall": {"value": 0.7, "low": 0.4, "high": 0.9, "n": 10}}
    weak = {"class": "b", "recall": {"value": 0.3, "low": 0.1, "high": 0.6, "n": 10}}
    steps = " ".join(advice.next_steps({"score": SCORE, "per_class": [unlucky, weak]}))
    assert "“b”" in steps
    assert "“a”" not in steps


def test_a_leak_is_something_to_mend() -> None:
    steps = advice.next_steps({"score": SCORE, "test": {"leaked": 3}, "called": "photos"})
    assert steps == ["Take 3 copies of training photos out of the test set; the score here was made without."]


def test_a_target_that_cannot_be_foreseen_is_no_advice() -> None:
    curve = {"answers": [{"target": 0.95, "n_per_class": None}]}
    assert "95" not in " ".join(advice.next_steps({"score": SCORE, "learning_curve": curve}))


@pytest.mark.parametrize(
    ("metric", "value", "better", "worse"),
    [
        ("accuracy", 0.5, (0.6, 0.9), (0.4, 0.9)),
        ("cost", 0.5, (0.1, 0.4), (0.1, 0.6)),
        ("auroc", 0.5, (0.6, 0.9), (0.4, 0.9)),
    ],
)
def test_better_means_less_of_a_loss_and_more_of_all_else(metric: str, value: float, better: Any, worse: Any) -> None:
    def told(ends: tuple[float, float]) -> dict[str, Any]:
        score = {"metric": metric, "value": sum(ends) / 2, "low": ends[0], "high": ends[1]}
        return {"score": score, "majority": {"class": "cat", "value": value}}

    assert "clearly better" in guessing.against_guessing(told(better))
    assert "cannot show" in guessing.against_guessing(told(worse))
    assert "not yet shown to beat guessing" in " ".join(advice.next_steps(told(worse)))
    assert "beat guessing" not in " ".join(advice.next_steps(told(better)))


def test_a_recall_is_held_against_right_answers_not_against_a_cost() -> None:
    row = {"class": "a", "recall": {"value": 0.3, "low": 0.1, "high": 0.6, "n": 10}}
    cost = {"metric": "cost", "value": 9.0, "low": 8.0, "high": 9.5}
    told = {"score": cost, "scores": {"cost": cost, "accuracy": {**SCORE, "value": 0.5}}, "per_class": [row]}
    assert "“a”" not in " ".join(advice.next_steps(told))
    told["scores"] |= {"accuracy": SCORE}
    assert "“a”" in " ".join(advice.next_steps(told))


def test_where_classes_are_even_or_unscored_the_likeliest_is_answered() -> None:
    uneven = {"metric": "balanced_accuracy", "score": SCORE, "counts": {"a": 9, "b": 1}}
    assert "favour rare classes" in metric_words.deciding(uneven)
    for change in ({"counts": {"a": 5, "b": 5}}, {"score": None}, {"metric": "accuracy"}):
        assert metric_words.deciding({**uneven, **change}) == ""


def test_a_loss_keeps_enough_digits_to_differ_from_none() -> None:
    cost = {"metric": "cost", "value": 0.008, "low": 0.004, "high": 3.564, "n": 25}
    assert figures.estimate(cost) == "0.008 [0.004, 3.56], n = 25"
