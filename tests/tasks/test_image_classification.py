import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

import handful
from handful.core.errors import DataError, ImageError, UsageError
from handful.nn.backbone import InputSpec
from handful.nn.module_backbone import ModuleBackbone
from handful.nn.sentence_encoder import SentenceEncoder
from handful.tasks.image_classification import ImageClassifier


@pytest.fixture(scope="module")
def pictures(photos):
    paths = sorted((photos / "train").glob("*/*.png"))
    return paths, [path.parent.name for path in paths]


@pytest.fixture
def quick(tiny):
    return ImageClassifier(budget="2fits")


def test_parameters_are_stored_as_given_and_cloned(tiny):
    settings = {"backbone": "b", "recipe": "probe", "augment": "flips", "budget": "3fits"}
    settings |= {"metric": "balanced_accuracy", "random_state": 7}
    model = ImageClassifier(**settings, n_jobs=2)
    assert model.get_params() == {**settings, "n_jobs": 2}
    assert clone(model).get_params() == model.get_params()
    assert model.set_params(budget="5m").budget == "5m"


def test_a_ready_backbone_takes_the_place_of_a_name(tiny_backbone, pictures, tmp_path):
    paths, labels = pictures
    model = clone(ImageClassifier(backbone=tiny_backbone, budget="2fits"))
    assert type(model.get_params()["backbone"]) is type(tiny_backbone)
    folder = model.fit(paths, labels).save(tmp_path / "model")
    assert model.metrics_["settings"]["backbone"] == model.metrics_["recipe"]["backbone"] == "tiny"
    expected = model.predict_proba(paths)
    np.testing.assert_array_equal(handful.load(folder).predict(paths).probabilities, expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(paths), expected)  # noqa: S301
    assert model.evaluate([255 - np.asarray(Image.open(path)) for path in paths], labels)["n"] == 24


def test_a_network_of_your_own_is_saved_to_predict_without_torch(pictures, tmp_path):
    torch = pytest.importorskip("torch")
    paths, labels = pictures
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, stride=2), torch.nn.ReLU())
    backbone = ModuleBackbone(network, InputSpec(32, (127.5,), (127.5,)), name="mine", licence="my own")
    model = clone(ImageClassifier(backbone=backbone, recipe="probe", augment="none", budget="2fits"))
    assert repr(model.get_params()["backbone"]) == "<ModuleBackbone mine>"
    folder = model.fit(paths, labels).save(tmp_path / "model")
    assert "weights of mine: my own" in (folder / "README.md").read_text()
    code = (
        "import sys; sys.modules['torch'] = None; import handful; "
        f"print(handful.load({str(folder)!r}).predict([{str(paths[0])!r}]).probabilities.tolist())"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    np.testing.assert_allclose(json.loads(said), model.predict_proba(paths[:1]), atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "called"),
    [
        (3, "got an object of type int"),
        (InputSpec(32, (0.0,), (1.0,)), "got an object of type InputSpec"),
        (SentenceEncoder(), "got the backbone all-minilm-l6-v2"),
    ],
)
def test_what_is_no_backbone_for_images_is_refused_with_a_way_out(wrong, called, pictures):
    with pytest.raises(UsageError, match=rf"for images was expected, {called}; backbone; .*ModuleBackbone") as refused:
        ImageClassifier(backbone=wrong).fit(*pictures)
    assert "\n" not in str(refused.value)


def test_paths_arrays_and_pictures_make_the_same_model(quick, pictures):
    paths, labels = pictures
    opened = [Image.open(path) for path in paths]
    arrays = np.stack([np.asarray(image) for image in opened])
    expected = quick.fit(paths, labels).predict_proba(paths)
    for inputs in (opened, list(arrays), arrays, [str(path) for path in paths], list(arrays / 255)):
        again = clone(quick).fit(inputs, labels)
        np.testing.assert_allclose(again.predict_proba(inputs), expected, atol=1e-6)
    assert expected.shape == (24, 3)
    assert quick.score(paths, labels) > 1 / 3


@pytest.mark.parametrize(
    "labels",
    [
        [3, 10, 7],
        np.array([3, 10, 7]),
        ["b", "a", "c"],
        [True, False],
        [0.0, 1.0, 2.0],
        np.array(["x", "y"], dtype=object),
    ],
    ids=["int", "numpy int", "word", "bool", "whole float", "object"],
)
def test_labels_come_back_as_they_were_given(labels, quick, pictures):
    y = [labels[at % len(labels)] for at in range(24)]
    quick.fit(pictures[0], y)
    found = quick.predict(pictures[0][:4])
    assert set(quick.classes_.tolist()) == set(np.asarray(labels).tolist())
    assert {type(value) for value in found.tolist()} == {type(value) for value in np.asarray(labels).tolist()}
    assert set(found.tolist()) <= set(np.asarray(labels).tolist())


def test_probabilities_stand_in_the_order_of_classes(quick, pictures):
    paths, labels = pictures
    quick.fit(paths, [{"blue": 10, "green": 9, "red": -1}[label] for label in labels])
    assert quick.classes_.tolist() == [-1, 9, 10]
    best = quick.predict_proba(paths).argmax(axis=1)
    assert quick.predict(paths).tolist() == quick.classes_[best].tolist()


def test_what_is_saved_and_loaded_gives_the_same_probabilities(quick, pictures, tmp_path):
    paths, labels = pictures
    quick.fit(paths, labels)
    model = handful.load(quick.save(tmp_path / "model"))
    np.testing.assert_array_equal(model.predict(paths).probabilities, quick.predict_proba(paths))
    assert quick.metrics_["model"] == str(tmp_path / "model")


def test_nothing_is_asked_of_a_model_that_was_not_fitted(pictures, tmp_path):
    model = ImageClassifier()
    for ask in (model.predict, model.predict_proba, model.judge, model.save):
        with pytest.raises(NotFittedError):
            ask(pictures[0][:1])
    with pytest.raises(NotFittedError):
        model.evaluate(*pictures)


def test_a_folder_is_fitted_as_the_command_line_does(tiny, photos, fitted):
    model = handful.fit(photos, budget="40fits")
    assert model.metrics_["score"] == fitted.metrics["score"]
    assert model.metrics_["test_score"] == fitted.metrics["test_score"]
    assert model.classes_.tolist() == ["blue", "green", "red"]


def test_it_takes_part_in_cross_validation(quick, pictures):
    arrays = np.stack([np.asarray(Image.open(path)) for path in pictures[0]])
    scores = cross_val_score(quick, arrays, pictures[1], cv=2)
    assert scores.shape == (2,)
    assert scores.mean() > 1 / 3


def test_groups_and_unlabelled_images_are_taken(quick, pictures):
    paths, labels = pictures
    quick.fit(paths, labels, groups=["one camera"] * 24, unlabelled=paths[:3])
    assert quick.metrics_["score"] is None


def test_evaluate_gives_the_score_with_its_interval(quick, pictures, photos):
    paths, labels = pictures
    quick.fit(paths, labels)
    test = sorted((photos / "test").glob("*/*.png"))
    truth = [path.parent.name for path in test]
    result = quick.evaluate(test, truth)
    assert result["score"]["value"] == pytest.approx(quick.score(test, truth))
    assert result["score"]["low"] < result["score"]["value"]


@pytest.mark.parametrize(
    ("x", "y", "error", "text"),
    [
        ([], [], DataError, "there are no examples; X; pass at least one image"),
        (["a.png"] * 3, [1, 2], DataError, "3 examples but 2 labels; y; pass one label per example"),
        (["a.png"] * 2, [1, 1], DataError, "only one class: 1; y; add examples of a second class"),
        (["a.png"] * 2, [1, None], DataError, "1 labels are missing: rows 1; y; label or remove them"),
        (["a.png"] * 2, [[1, 0], [0, 1]], DataError, r"several labels per image \(multi-label\) are not supported"),
        (["a.png"] * 20, np.linspace(0, 1, 20), DataError, r"a number to predict \(regression\) is not supported"),
        (["gone.png"] * 2, ["a", "b"], DataError, "none of the 2 images can be read; gone.png: there is no such file"),
        ("photo.png", ["a"], UsageError, r"X is one path; a list of images was expected; photo.png; pass \[X\]"),
    ],
)
def test_bad_input_is_refused_in_one_clear_line(x, y, error, text, quick):
    with pytest.raises(error, match=text) as refused:
        quick.fit(x, y)
    assert "\n" not in str(refused.value)


def test_one_path_instead_of_a_list_and_a_broken_picture_are_named(quick, pictures):
    quick.fit(*pictures)
    with pytest.raises(
        UsageError, match=r"one path was given; a list of images was expected; photo.png; pass \[path\]"
    ):
        quick.predict("photo.png")
    with pytest.raises(ImageError, match=r"there is no such file; gone.png; replace or remove it"):
        quick.predict(["gone.png"])


def test_a_seed_that_is_none_is_refused(pictures, tiny):
    for seed in (-1, None):
        with pytest.raises(UsageError, match=r"a seed is a whole number from 0 on, got .*; seed; write 0"):
            ImageClassifier(random_state=seed).fit(*pictures)


def test_a_fitted_classifier_travels_to_another_process(quick, pictures):
    model = quick.fit(*pictures)
    expected = model.predict_proba(pictures[0][:3])
    copy = pickle.loads(pickle.dumps(model))  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(copy.predict_proba(pictures[0][:3]), expected)


def test_costs_are_an_array(tiny, pictures):
    paths, labels = pictures
    costs = np.array([[0, 1, 1], [1, 0, 1], [30, 30, 0]])
    model = ImageClassifier(recipe="probe", budget="1fits", metric=costs).fit(paths, labels)
    assert model.get_params()["metric"] is costs
    np.testing.assert_array_equal(
        model.predict(paths), np.unique(labels)[(model.predict_proba(paths) @ costs).argmin(axis=1)]
    )
    assert (
        model.evaluate(paths[:0] or [np.full((32, 32, 3), at, np.uint8) for at in (9, 200)], ["blue", "red"])["score"][
            "metric"
        ]
        == "cost"
    )
    assert model.metrics_["score"]["metric"] == "cost"
    with pytest.raises(DataError, match="expected 3 x 3 costs"):
        ImageClassifier(recipe="probe", budget="1fits", metric=costs[:2]).fit(paths, labels)
    with pytest.raises(UsageError, match="no metric is called 'f2'"):
        ImageClassifier(metric="f2").fit(paths, labels)
