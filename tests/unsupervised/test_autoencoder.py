"""Autoencoders restore what they have learned from, find what is odd, and refuse what they cannot learn from."""

import json

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA

from handful.core.errors import DataError, ModelError, UsageError
from handful.unsupervised import autoencoder
from handful.unsupervised.autoencoder import Autoencoder

KINDS = ("plain", "denoising", "sparse", "variational")


def vectors(n=200, seed=0):
    """Two hidden causes of six numbers, of very different sizes."""
    rng = np.random.default_rng(seed)
    return np.tanh(rng.normal(size=(n, 2)) @ np.random.default_rng(1).normal(size=(2, 6))) * 10.0 ** np.arange(6)


def squares(n=80, seed=0, channels=1):
    """A bright square somewhere in the dark."""
    rng = np.random.default_rng(seed)
    images = np.zeros((n, 16, 16, channels), np.uint8)
    for image, (top, left) in zip(images, rng.integers(0, 10, (n, 2)), strict=True):
        image[top : top + 6, left : left + 6] = 200
    return images


def quick(**settings):
    return Autoencoder(**{"n_features": 4, "hidden_dims": (32,), "n_passes": 1} | settings)


@pytest.fixture
def hasty(monkeypatch):
    """For what does not depend on how well anything is restored."""
    monkeypatch.setattr(autoencoder, "LEAST_STEPS", 5)


@pytest.fixture(scope="module")
def fitted():
    return quick(kind="plain", n_features=2, held_out=0.2).fit(vectors())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_restores_new_vectors_far_better_than_the_mean_does(kind):
    coder = quick(kind=kind, active=0.5).fit(vectors())
    assert coder.score(vectors(50, seed=2)) > -0.4  # the mean example scores about -1


@pytest.mark.parametrize("network", ["dense", "convolutional", "masked"])
def test_every_network_restores_new_images(network):
    coder = quick(network=network, kind="plain", n_features=16).fit(squares())
    new = squares(20, seed=1)
    restored = coder.inverse_transform(coder.transform(new))
    assert restored.dtype == np.uint8
    assert restored.shape == new.shape
    assert coder.score(new) > -0.75
    nearer = np.abs(restored.astype(float) - new).mean() < 0.8 * np.abs(squares().mean(axis=0) - new).mean()
    assert nearer


def test_a_code_that_bends_restores_more_than_the_straight_one_of_pca():
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, 300)
    circle = np.stack([np.cos(angles), np.sin(angles), np.cos(2 * angles)], axis=1)
    standard = (circle - circle.mean(axis=0)) / circle.std(axis=0)
    pca = PCA(2).fit(standard)
    straight = np.square(pca.inverse_transform(pca.transform(standard)) - standard).mean()
    assert -quick(kind="plain", n_features=2, held_out=0.0).fit(circle).score(circle) < straight / 2


def test_the_same_seed_gives_the_same_codes_and_another_one_others(hasty):
    codes = [quick(random_state=seed).fit(vectors()).transform(vectors()) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(codes[0], codes[1])
    assert np.abs(codes[0] - codes[2]).max() > 0.01


def test_units_of_the_columns_do_not_matter(hasty):
    one, other = (quick(kind="plain").fit(vectors() * unit) for unit in (1.0, 64.0))
    np.testing.assert_allclose(one.transform(vectors()), other.transform(vectors() * 64), atol=1e-4)


def test_a_constant_column_is_restored_and_does_no_harm():
    rows = np.column_stack([vectors(), np.full(200, 7.0)])
    coder = quick(kind="plain").fit(rows)
    assert np.abs(coder.inverse_transform(coder.transform(rows))[:, 6] - 7).max() < 0.5


def test_of_a_sparse_code_only_the_asked_share_is_not_zero(hasty):
    codes = quick(kind="sparse", n_features=8, active=0.25).fit(vectors()).transform(vectors())
    assert ((codes != 0).sum(axis=1) == 2).all()


def test_variational_codes_are_spread_like_a_normal_distribution():
    coder = quick(kind="variational", n_features=2, hidden_dims=(16,)).fit(vectors())
    codes = coder.transform(vectors())
    assert np.abs(codes.mean(axis=0)).max() < 0.4
    assert (np.abs(codes.std(axis=0) - 1) < 0.6).all()  # a plain code's is whatever it happens to be


def test_p_values_of_usual_examples_are_uniform_and_those_of_odd_ones_small(fitted):
    usual, odd = vectors(400, seed=3), vectors(50, seed=4)[:, ::-1]
    p = fitted.anomaly(usual)
    assert abs((p <= 0.25).mean() - 0.25) < 0.12
    assert np.median(fitted.anomaly(odd)) < 0.05
    assert fitted.is_anomaly(odd, level=0.1).mean() > 0.9
    np.testing.assert_array_equal(fitted.is_anomaly(usual, 0.1), fitted.anomaly(usual) <= 0.1)


def test_a_threshold_that_so_few_held_out_examples_cannot_promise_is_refused(fitted, hasty):
    with pytest.raises(DataError, match="this level needs 999 examples held out, and there are 40"):
        fitted.threshold(0.001)
    with pytest.raises(DataError, match="needs 1 examples held out, and there are 0"):
        quick(held_out=0.0).fit(vectors(20)).anomaly(vectors(20))


def test_copies_neither_count_twice_nor_calibrate(hasty):
    rows = vectors(50)
    once, many = (quick(kind="plain").fit(each) for each in (rows, np.concatenate([rows, rows, rows])))
    np.testing.assert_array_equal(once.transform(rows), many.transform(rows))
    np.testing.assert_array_equal(once.calibration_, many.calibration_)


def test_scikit_learn_can_clone_it_and_two_examples_are_enough(hasty):
    coder = clone(quick(kind="plain")).fit(vectors(2))
    assert coder.fit_transform(vectors(3)).shape == (3, 4)
    assert coder.transform(vectors(3)[:0]).shape == (0, 4)


def test_a_saved_one_says_the_same(tmp_path, fitted):
    fitted.save(tmp_path / "coder")
    fitted.save(tmp_path / "coder")  # one of ours is replaced
    loaded = Autoencoder.load(tmp_path / "coder")
    assert loaded.get_params() == fitted.get_params()
    np.testing.assert_array_equal(loaded.transform(vectors()), fitted.transform(vectors()))
    np.testing.assert_array_equal(loaded.anomaly(vectors()), fitted.anomaly(vectors()))


def test_a_saved_one_for_images_says_the_same(tmp_path, hasty):
    coder = quick(network="convolutional").fit(squares(20))
    coder.save(tmp_path / "coder")
    np.testing.assert_array_equal(Autoencoder.load(tmp_path / "coder").transform(squares()), coder.transform(squares()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": [10**9]}, "does not fit"),
        ({"shape": [10**30]}, "a shape of"),
        ({"shape": "6"}, "no shape"),
        ({"settings": {"n_features": 10**9}}, "n_features"),
        ({"settings": {"unknown": 1}}, "unexpected keyword"),
        ({"settings": {"network": "convolutional"}}, "is for images"),
        ({"settings": None}, "not that of an autoencoder"),
        ({"format": 2}, "format 2"),
    ],
)
def test_a_folder_that_was_altered_is_refused(tmp_path, fitted, change, message):
    fitted.save(tmp_path / "coder")
    file = tmp_path / "coder" / "config.json"
    about = json.loads(file.read_text())
    for key, value in change.items():
        about[key] = {**about[key], **value} if isinstance(value, dict) else value
    file.write_text(json.dumps(about))
    with pytest.raises(ModelError, match=message):
        Autoencoder.load(tmp_path / "coder")


def test_a_folder_without_its_weights_or_of_something_else_is_refused(tmp_path, fitted):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(UsageError, match="no autoencoder stands at the destination"):
        fitted.save(tmp_path / "mine")
    with pytest.raises(ModelError, match="this is no autoencoder"):
        Autoencoder.load(tmp_path / "mine")
    fitted.save(tmp_path / "coder")
    (tmp_path / "coder" / "model.safetensors").write_bytes(b"half of i")
    with pytest.raises(ModelError, match="missing or damaged"):
        Autoencoder.load(tmp_path / "coder")


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        (np.empty((0, 3)), "0 examples: there is nothing to learn"),
        (np.ones((1, 3)), "1 examples: there is nothing to learn"),
        (np.ones((9, 3)), "all 9 examples are copies of one"),
        ([[1.0, np.nan], [0.0, 1.0]], "missing, infinite"),
        ([[1e200, 1.0], [-1e200, 0.0]], "beyond all measure"),
        ([["a", "b"], ["c", "d"]], "not all numbers"),
        ([[1.0], [1.0, 2.0]], "not all of one length"),
        (np.ones(5), "shape"),
        (np.ones((5, 16, 16, 3)), "float64 of shape"),
        (np.zeros((5, 300, 300, 3), np.uint8), "300 x 300 pixels"),
        (np.zeros((5, 16, 16, 9), np.uint8), "9 channels"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(examples, message):
    with pytest.raises(DataError, match=message):
        quick().fit(examples)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_features": 0}, "n_features=0"),
        ({"kind": "noisy"}, "kind='noisy' is not one of plain"),
        ({"network": "deep"}, "network='deep'"),
        ({"network": "masked"}, "the masked network is for images, these are vectors of 6 numbers"),
        ({"hidden": 1.0}, "hidden=1.0"),
        ({"active": 0.0}, "active"),
        ({"held_out": 1.0}, "held_out"),
        ({"hidden_dims": ()}, "hidden_dims"),
        ({"policy": "rotat=3"}, "rotat"),
        ({"random_state": None}, "seed"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        quick(**settings).fit(vectors(10))


def test_examples_of_another_kind_are_refused(fitted, hasty):
    with pytest.raises(
        DataError, match="these are vectors of 5 numbers, the autoencoder has learned from vectors of 6"
    ):
        fitted.transform(vectors()[:, :5])
    with pytest.raises(DataError, match="these are images of 16 x 16 x 1"):
        fitted.score(squares())
    with pytest.raises(DataError, match="codes are finite and of shape"):
        fitted.inverse_transform(np.ones((2, 3)))
    with pytest.raises(UsageError, match="no variational code"):
        quick(network="masked", kind="variational").fit(squares(4))


def test_a_model_of_another_kind_with_the_same_files_is_not_replaced(tmp_path, fitted):
    for name, content in (("config.json", "{}"), ("model.safetensors", "weights")):
        (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match="no autoencoder stands at the destination"):
        fitted.save(tmp_path)
    fitted.save(tmp_path / "coder")
    (tmp_path / "coder" / "thesis.txt").write_text("all of it")
    with pytest.raises(UsageError, match=r"other files: thesis\.txt"):
        fitted.save(tmp_path / "coder")
    assert (tmp_path / "coder" / "thesis.txt").read_text() == "all of it"
