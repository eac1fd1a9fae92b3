from dataclasses import replace

import numpy as np
import pytest
import torch

from handful.augment.policy import Policy
from handful.augment.views import views_of
from handful.core.errors import UsageError
from handful.nn import embedded
from handful.nn.embedded import EfficientNetLite0Backbone
from handful.nn.features import frozen_features
from handful.transfer import fine_tuning_torch
from handful.transfer.fine_tuning import FineTuning
from handful.transfer.probe import Probe
from handful.transfer.technique import Examples, Problem

N, SIZE = 10, 32
TARGETS = np.arange(N) % 2
LIGHT = Policy.parse("light")
START = Probe(("block15.mean", "head.mean"), views=(0, 1, 2), test_views=(0, 1))
QUICK = FineTuning(START, 1, n_views=4, least_steps=2, most_steps=2, batch_size=4)


@pytest.fixture(scope="module")
def backbone():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "SIZES", (SIZE, 224))
        yield EfficientNetLite0Backbone(SIZE)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (N, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.fixture
def problem(backbone, pixels):
    return Problem(Examples(pixels, frozen_features), TARGETS, 2, np.arange(N), {backbone.name: backbone}, 5, jobs=1)


@pytest.fixture
def kept(monkeypatch):
    """What activations were asked for: number of pictures, views and frozen blocks."""
    asked, computed = [], fine_tuning_torch.cached_activations

    def spy(backbone, seen, views, n_frozen, **more):
        asked.append((len(seen), list(views), n_frozen))
        return computed(backbone, seen, views, n_frozen, **more)

    monkeypatch.setattr(fine_tuning_torch, "cached_activations", spy)
    return asked


def test_activations_are_computed_once_for_all_folds_and_the_fit(problem, backbone, kept):
    folds = (np.arange(N) % 2)[None]
    QUICK.out_of_fold(problem, backbone, LIGHT, folds)
    QUICK.fit(problem, backbone, LIGHT)
    assert kept == [(N, list(views_of(LIGHT, 4)), 15)]
    replace(QUICK, n_blocks=2).fit(problem, backbone, LIGHT)
    assert [n_frozen for *_, n_frozen in kept] == [15, 14]


def test_the_head_starts_from_the_views_of_its_own_probe_whatever_was_asked_for_before(problem, backbone):
    """Two fine-tunings that share their activations, and differ in the views that the probe learns from."""
    fewer = replace(QUICK, start=replace(START, views=(0,), test_views=(0,)))
    expected = QUICK.fit(replace(problem), backbone, LIGHT).tensors()
    fewer.fit(problem, backbone, LIGHT)
    found = QUICK.fit(problem, backbone, LIGHT).tensors()
    np.testing.assert_array_equal(found["head.weight"], expected["head.weight"])


def test_when_everything_is_trained_there_are_no_activations(problem, backbone, kept):
    replace(QUICK, n_blocks="all").fit(problem, backbone, LIGHT)
    assert kept == []


def test_folds_can_be_trained_in_two_goes(problem, backbone):
    """What is left out of a first look is learned from, not predicted."""
    folds = (np.arange(N) % 3)[None]
    _, at_once = QUICK.out_of_fold(problem, backbone, LIGHT, folds)
    _, looked = QUICK.out_of_fold(problem, backbone, LIGHT, np.where(folds < 1, folds, -1))
    _, rest = QUICK.out_of_fold(problem, backbone, LIGHT, np.where(folds >= 1, folds, -1))
    np.testing.assert_array_equal(np.isnan(looked[0]).all(axis=1), folds[0] >= 1)
    np.testing.assert_array_equal(np.where(folds[..., None] < 1, looked, rest), at_once)
    assert np.isfinite(at_once).all()


def test_folds_side_by_side_give_the_same_bytes(problem, backbone):
    folds = (np.arange(N) % 3)[None]
    one, two = (QUICK.out_of_fold(replace(problem, jobs=jobs), backbone, LIGHT, folds)[1] for jobs in (1, 2))
    assert one.tobytes() == two.tobytes()


def test_only_the_first_repeat_is_trained(problem, backbone):
    folds = np.stack([np.arange(N) % 2, np.arange(N) // 2 % 2])
    assert QUICK.out_of_fold(problem, backbone, LIGHT, folds)[1].shape == (1, N, 2)


def test_a_training_gives_the_same_however_many_threads_there_are(problem, backbone):
    folds = (np.arange(N) % 2)[None]
    _, expected = QUICK.out_of_fold(problem, backbone, LIGHT, folds)
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    _, found = QUICK.out_of_fold(problem, backbone, LIGHT, folds)
    assert torch.get_num_threads() == before + 1  # as it was found
    torch.set_num_threads(before)
    np.testing.assert_array_equal(found, expected)


def test_the_fitted_network_is_its_own_and_what_is_frozen_stays(problem, backbone):
    fitted = QUICK.fit(problem, backbone, LIGHT)
    published, own = backbone.module().state_dict(), fitted.backbone.weights
    changed = {name for name, value in published.items() if not np.array_equal(value.numpy(), own[name])}
    assert changed
    assert all(name.startswith(("blocks.15.", "head.")) for name in changed)
    assert fitted.backbone.name.startswith(f"{backbone.name}+")
    assert fitted.backbone.spec == backbone.spec


@pytest.mark.parametrize(("n", "steps"), [(1, 60), (40, 60), (100, 150), (1000, 300)])
def test_more_examples_take_more_steps_within_limits(n, steps):
    training = FineTuning(START).training(n)
    assert training.steps == steps
    assert training.frozen_statistics


@pytest.mark.parametrize(("n_blocks", "n_frozen"), [(0, 16), (11, 5), (16, 0), ("all", None)])
def test_what_is_not_trained_is_frozen(n_blocks, n_frozen):
    assert FineTuning(START, n_blocks).n_frozen == n_frozen


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"n_blocks": -1}, r"n_blocks=-1 is not 0 to 16, nor 'all'"),
        ({"n_blocks": 17}, r"n_blocks=17 is not 0 to 16, nor 'all'"),
        ({"head_factor": 0}, r"head_factor=0 is not above 0"),
        ({"trains": "some"}, r"trains='some' is neither 'all' nor 'norms'"),
        ({"unfreezing": "never"}, r"unfreezing='never' is neither 'at once' nor 'gradual'"),
        ({"n_views": 1}, r"n_views=1 is fewer than the 2 views that a prediction is averaged over"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, text):
    with pytest.raises(UsageError, match=f"{text}; FineTuning"):
        FineTuning(START, **settings)


def test_it_says_what_is_trained():
    some, everything = FineTuning(START, 3), FineTuning(START, "all")
    assert some.describe("a/net", LIGHT).startswith("fine-tuning of the last 3 blocks of net")
    assert everything.describe("net", LIGHT).startswith("fine-tuning of the whole network of net")
    norms = FineTuning(START, 3, trains="norms", unfreezing="gradual").describe("net", LIGHT)
    assert norms.startswith("fine-tuning of the normalisation in the last 3 blocks of net, unfrozen from the top down")
    assert some.brief("net@160", LIGHT) == "fine-tuned: 3 blocks, light, 160 px"
