import json
import shutil

import numpy as np
import pytest

from handful.bundle.model import load
from handful.core.errors import DataError, ImageError, UsageError
from handful.data.dataset import Dataset
from handful.data.readers import Splits, from_arrays, read, read_test
from handful.evaluate.intervals import wilson
from handful.evaluate.metric_names import metric_text
from handful.tasks.evaluation import compare_models, evaluate_model
from handful.tasks.fit_images import Settings, fit_images


@pytest.fixture(scope="module")
def model(saved):
    return load(saved)


@pytest.fixture(scope="module")
def test(photos):
    return read_test(photos, ("blue", "green", "red"))


def by_hand(model, data):
    return np.array([model.predict([path]).indices[0] for path in data.inputs])


def test_the_figures_are_those_counted_by_hand(model, test):
    metrics = evaluate_model(model, test.take([0, 1, 2, 3, 4, 5, 8]), "balanced_accuracy")
    data = test.take([0, 1, 2, 3, 4, 5, 8])
    right = by_hand(model, data) == data.targets
    recalls = [right[data.targets == c].mean() for c in range(3)]
    assert metrics["n"] == 7
    assert metrics["counts"] == {"blue": 4, "green": 2, "red": 1}
    assert metrics["scores"]["accuracy"]["value"] == pytest.approx(right.mean())
    assert (
        metrics["score"]["value"] == metrics["scores"]["balanced_accuracy"]["value"] == pytest.approx(np.mean(recalls))
    )
    assert [row["recall"]["value"] for row in metrics["per_class"]] == pytest.approx(recalls)
    assert np.trace(metrics["confusion"]) == right.sum()
    assert metrics["majority"] == {"class": "blue", "value": pytest.approx(1 / 3)}
    assert evaluate_model(model, data)["majority"]["value"] == pytest.approx(4 / 7)
    found = model.predict(data.inputs)
    covered = found.sets[np.arange(7), data.targets].sum()
    assert metrics["coverage"]["asked"] == 0.9
    assert metrics["coverage"]["value"] == pytest.approx(covered / 7)
    assert metrics["coverage"]["low"] == wilson(float(covered), 7).low
    assert metrics["abstained"]["value"] == pytest.approx(found.abstain.mean())


def test_it_keeps_the_contract(model, test):
    metrics = evaluate_model(model, test)
    assert {"task", "n", "classes", "score", "scores", "test_score", "recipe", "evidence", "seconds", "model"} <= set(
        metrics
    )
    assert metrics["test_score"] == metrics["score"] == metrics["scores"]["accuracy"]
    assert metrics["evidence"] == []
    json.dumps(metrics, allow_nan=False)


def test_fit_and_evaluate_say_the_same_of_the_same_test_set(model, test, fitted):
    assert evaluate_model(model, test)["score"] == pytest.approx(fitted.metrics["test_score"])


def test_photos_the_model_was_made_from_are_left_out(model, test, photos):
    train = read(photos).train
    both = Dataset([*test.inputs, *train.inputs], np.r_[test.targets, train.targets], test.classes)
    metrics = evaluate_model(model, both)
    assert metrics["leaked"] == 24
    assert metrics["score"] == evaluate_model(model, test)["score"]
    with pytest.raises(DataError, match=r"all 24 examples are ones the model was made from; .*; give new ones"):
        evaluate_model(model, train)


def test_what_cannot_be_read_is_named_and_left_out_or_refused(model, test, tmp_path):
    (tmp_path / "no.png").write_text("no photo")
    data = Dataset([*test.inputs, tmp_path / "no.png"], np.r_[test.targets, 0], test.classes)
    metrics = evaluate_model(model, data)
    assert (metrics["n"], metrics["n_unreadable"]) == (12, 1)
    assert metrics["problems"][0]["input"] == str(tmp_path / "no.png")
    with pytest.raises(ImageError, match=r"not a PNG, .*; .*no\.png; replace or remove it"):
        evaluate_model(model, data, strict=True)
    with pytest.raises(
        DataError, match=r"none of the 2 images can be read; .*no\.png; check that these are image files"
    ):
        evaluate_model(model, Dataset([tmp_path / "no.png"] * 2, np.zeros(2, int), test.classes))
    with pytest.raises(DataError, match="these examples have no labels; give labelled examples"):
        evaluate_model(model, Dataset(test.inputs))


def test_groups_widen_the_interval(model, test):
    alone = evaluate_model(model, test)["score"]
    grouped = Dataset(test.inputs, test.targets, test.classes, np.arange(12) // 2)
    together = evaluate_model(model, grouped)["score"]
    assert together["value"] == alone["value"]
    assert together["low"] < alone["low"]


def test_a_class_that_is_not_tested_has_no_recall(model, test):
    metrics = evaluate_model(model, test.take(range(8)))
    assert metrics["per_class"][2] == {"class": "red", "n": 0, "recall": None}
    assert metrics["counts"]["red"] == 0


def test_a_model_is_as_good_as_itself(model, test):
    result = compare_models(model, model, test)
    assert result["difference"]["value"] == 0
    assert result["difference"]["low"] < 0 < result["difference"]["high"]
    assert result["verdict"] == "cannot tell"
    assert result["agreement"]["value"] == 1
    assert result["first"] == result["second"]
    assert result["leaked"] == [0, 0]


@pytest.fixture(scope="module")
def worse(tiny_backbone, photos, tmp_path_factory):
    """Made from the same photos with the labels of two classes exchanged."""
    train = read(photos).train
    names = [train.classes[(0, 2, 1)[target]] for target in train.targets]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("handful.tasks.fit_images.backbone_named", lambda *_: tiny_backbone)
        fit = fit_images(Splits(from_arrays(train.inputs, names), None, None, ()), Settings(budget="2fits"))
    folder = tmp_path_factory.mktemp("worse") / "model"
    fit.save(folder)
    return load(folder)


def test_a_better_model_wins_and_the_sign_follows_the_order(model, worse, test):
    forth, back = compare_models(model, worse, test), compare_models(worse, model, test)
    right = by_hand(model, test) == test.targets
    wrong = by_hand(worse, test) == test.targets
    assert forth["difference"]["value"] == pytest.approx(100 * (wrong.mean() - right.mean()))
    assert back["difference"]["value"] == pytest.approx(-forth["difference"]["value"])
    assert (forth["verdict"], back["verdict"]) == ("the first is better", "the second is better")
    assert forth["first"]["model"] == model.name
    json.dumps(forth, allow_nan=False)


def test_leaks_of_either_model_are_left_out_and_both_see_the_same_photos(model, worse, photos, test):
    with pytest.raises(DataError, match=r"all 24 examples are ones the model was made from; .*; give new ones"):
        compare_models(model, worse, read(photos).train)
    seen = read(photos).train
    mixed = from_arrays(
        [*test.inputs, seen.inputs[0]],
        [test.classes[i] for i in [*test.targets, seen.targets[0]]],
        classes=test.classes,
    )
    result = compare_models(model, worse, mixed)
    assert result["leaked"] == [1, 1]
    assert result["n"] == len(test)


def test_models_of_different_classes_are_not_compared(tiny, model, write_photos, test, tmp_path):
    other = fit_images(
        read(write_photos(tmp_path / "two", n=2, classes=("blue", "red"))), Settings(budget="1fits")
    ).model()
    with pytest.raises(
        UsageError, match="the models know different classes: blue, green, red and blue, red; compare models"
    ):
        compare_models(model, other, test)


def test_a_model_for_texts_and_one_for_images_are_not_compared(model, text_model_saved, test):
    with pytest.raises(
        UsageError, match="one model is for images, the other for texts; compare models of the same kind"
    ):
        compare_models(model, load(text_model_saved), test)


def test_a_moved_copy_is_the_same_model(saved, model, test, tmp_path):
    copy = load(shutil.copytree(saved, tmp_path / "copy"))
    assert compare_models(model, copy, test)["agreement"]["value"] == 1


# Other metrics


COSTS = [[0, 1, 1], [1, 0, 1], [20, 20, 0]]  # red ones must not be missed


@pytest.fixture(scope="module")
def careful(tiny_backbone, photos, tmp_path_factory):
    """Made for these costs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("handful.tasks.fit_images.backbone_named", lambda *_: tiny_backbone)
        fit = fit_images(read(photos), Settings(budget="2fits", recipe="probe", metric=metric_text(COSTS)))
    fit.save(tmp_path_factory.mktemp("careful") / "model")
    return fit


def test_a_model_made_for_costs_answers_by_them_wherever_it_is_asked(careful, test):
    model = careful.model()
    found = model.predict(test.inputs)
    answers = (found.probabilities @ np.array(COSTS)).argmin(axis=1)
    np.testing.assert_array_equal(found.indices, answers)
    assert (answers != found.probabilities.argmax(axis=1)).any()
    cost = np.mean(np.array(COSTS)[test.targets, answers])
    assert careful.metrics["test_score"]["metric"] == "cost"
    assert careful.metrics["test_score"]["value"] == pytest.approx(cost)
    assert careful.metrics["test"]["scores"]["accuracy"]["value"] == pytest.approx(np.mean(answers == test.targets))
    assert np.trace(careful.metrics["test"]["confusion"]) == (answers == test.targets).sum()
    again = evaluate_model(model, test, COSTS)
    assert again["score"] == pytest.approx(careful.metrics["test_score"])
    assert again["scores"]["accuracy"] == pytest.approx(careful.metrics["test"]["scores"]["accuracy"])
    assert again["majority"] == {"class": "red", "value": pytest.approx(2 / 3)}
    json.dumps(again, allow_nan=False)


def test_each_model_is_compared_by_its_own_answers(careful, model, test):
    forth = compare_models(model, careful.model(), test, COSTS)
    costs = [
        np.array(COSTS)[test.targets, each.predict(test.inputs).indices].mean() for each in (model, careful.model())
    ]
    assert [forth[which]["value"] for which in ("first", "second")] == pytest.approx(costs)
    assert forth["difference"]["value"] == pytest.approx(costs[0] - costs[1])  # more is better
    assert (forth["metric"], forth["gain_unit"]) == ("cost", "units of cost")


def test_what_has_no_value_is_null_with_the_reason(model, test):
    blue = test.take(range(4))
    metrics = evaluate_model(model, blue, "auroc")
    assert metrics["score"] is metrics["scores"]["auroc"] is metrics["majority"]["value"] is None
    assert metrics["score_missing"] == "AUROC needs two classes, and there is no example of green, red."
    assert metrics["scores"]["accuracy"]["n"] == 4
    with pytest.raises(DataError, match=r"AUROC needs two classes.*; give examples of other classes too"):
        compare_models(model, model, blue, "auroc")


@pytest.mark.parametrize("metric", ["balanced_accuracy", "macro_f1", "auroc", "log_loss"])
def test_every_metric_is_fitted_for_and_measured_alike(metric, tiny, write_photos, test, tmp_path):
    uneven = read(write_photos(tmp_path / "uneven", n=12)).train.take([*range(12), *range(12, 18), *range(24, 27)])
    splits = Splits(uneven, test, None, ())
    fit = fit_images(splits, Settings(budget="2fits", recipe="probe", metric=metric, cached=False))
    score = fit.metrics["score"]
    assert (score["metric"], fit.metrics["metric"], score["n"]) == (metric, metric, 21)
    assert score["low"] <= score["value"] <= score["high"]
    assert {"accuracy", "balanced_accuracy", metric} == fit.metrics["scores"].keys()
    by_share = metric in ("balanced_accuracy", "macro_f1")
    power = {"balanced_accuracy": 1, "macro_f1": 0.5}.get(metric)
    assert (fit.manifest.costs is not None) == by_share
    model = fit.model()
    found = model.predict(test.inputs)
    expected = found.probabilities / (np.array([12, 6, 3]) ** power if by_share else 1)
    np.testing.assert_array_equal(found.indices, expected.argmax(axis=1))
    tested = evaluate_model(model, test, metric)["score"]
    assert tested["value"] == pytest.approx(fit.metrics["test_score"]["value"], abs=0.01)
    json.dumps(fit.metrics, allow_nan=False)
