import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from handful.augment.policy import Policy
from handful.augment.views import views_of
from handful.core.errors import UsageError
from handful.evaluate.arrays import softmax
from handful.nn import embedded
from handful.nn.embedded import EfficientNetLite0Backbone
from handful.nn.features import SECONDS_A_VIEW, frozen_features
from handful.transfer.activations_torch import Activations, cached_activations
from handful.transfer.fine_tuning import FineTuning
from handful.transfer.fix_match import MOST_OF_POOL, FixMatch
from handful.transfer.fix_match_torch import Consistency, drawn_from, pool_of
from handful.transfer.probe import Probe
from handful.transfer.technique import Examples, Problem

N, SIZE, N_POOL = 8, 32, 6
TARGETS = np.arange(N) % 2
STRONG = "rotate=15,brightness=0.2"
STUDENT = FineTuning(Probe(("block15.mean", "head.mean")), 1, n_views=2, least_steps=2, most_steps=2, batch_size=4)
MATCHED = FixMatch(STUDENT, STRONG, n_altered=2)


@pytest.fixture(scope="module")
def backbone():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "SIZES", (SIZE, 224))
        yield EfficientNetLite0Backbone(SIZE)


def noise(n, seed):
    return np.random.default_rng(seed).integers(0, 256, (n, SIZE, SIZE, 3)).astype(np.uint8)


@pytest.fixture
def problem(backbone):
    pictures, pool = (Examples(noise(n, seed), frozen_features) for n, seed in ((N, 0), (N_POOL, 1)))
    return Problem(pictures, TARGETS, 2, np.arange(N), {backbone.name: backbone}, jobs=1, unlabelled=pool)


# The loss


PLAIN = torch.tensor([[4.0, 0.0], [0.2, 0.0], [0.0, 3.0]])
ALTERED = torch.tensor([[0.0, 1.0], [5.0, 0.0], [0.0, 2.0]])
LABELLED = torch.tensor([[2.0, 0.0], [0.0, 1.0]])


def cross_entropy(logits, target):
    return -math.log(softmax(np.asarray(logits, np.float64)[None])[0, target])


def test_what_the_network_is_sure_of_it_shall_say_of_the_altered_picture_too():
    batch = (LABELLED, torch.tensor([0, 1]), PLAIN, ALTERED)
    terms = Consistency(threshold=0.9, weight=2.0, label_smoothing=0.0).loss(torch.nn.Identity(), batch, None)
    enough = 0.9 * np.mean([softmax(row[None]).max() for row in LABELLED.double().numpy()])
    assert [bool(softmax(row[None]).max() >= enough) for row in PLAIN.double().numpy()] == [True, False, True]
    known = (cross_entropy(LABELLED[0], 0) + cross_entropy(LABELLED[1], 1)) / 2
    pool = (cross_entropy(ALTERED[0], 0) + cross_entropy(ALTERED[2], 1)) / 3
    assert float(terms.total) == pytest.approx(known + 2 * pool)
    assert {name: float(term) for name, term in terms.named.items()} == pytest.approx(
        {"labelled": known, "unlabelled": pool, "sure": 2 / 3}
    )


def test_no_gradient_flows_through_the_answers():
    plain, altered = PLAIN.clone().requires_grad_(), ALTERED.clone().requires_grad_()
    batch = (LABELLED, torch.tensor([0, 1]), plain, altered)
    Consistency(0.9, 1.0, 0.1).loss(torch.nn.Identity(), batch, None).total.backward()
    assert plain.grad is None
    assert (altered.grad.abs().sum(dim=1) > 0).tolist() == [True, False, True]


# The pool


def test_the_first_view_of_the_pool_is_plain_and_all_others_are_altered(problem, backbone):
    found = pool_of(replace(MATCHED, strong="flip_h=0.5,rotate=15"), problem, backbone)
    views = views_of(Policy.parse("flip_h=0.5,rotate=15"), 4)
    wanted = cached_activations(backbone, problem.unlabelled.raw, [views[0], *views[2:]], STUDENT.n_frozen)
    np.testing.assert_array_equal(found.flow, wanted.flow)
    assert found.flow.shape[:2] == (N_POOL, 3)


def test_a_pool_in_files_is_the_same_as_in_memory(problem, backbone, tmp_path):
    for number, picture in enumerate(problem.unlabelled.raw):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    in_files = replace(problem, unlabelled=Examples(sorted(tmp_path.iterdir()), frozen_features))
    np.testing.assert_array_equal(pool_of(MATCHED, in_files, backbone).flow, pool_of(MATCHED, problem, backbone).flow)


def test_of_a_large_pool_some_are_drawn_by_the_seed(problem, backbone, monkeypatch):
    monkeypatch.setattr("handful.transfer.fix_match_torch.MOST_OF_POOL", 3)
    first, again, other = (pool_of(MATCHED, replace(problem, seed=seed), backbone).flow for seed in (0, 0, 1))
    assert len(first) == 3
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_plain_and_altered_are_of_the_same_pictures():
    numbers = np.arange(30).reshape(10, 3).astype(np.float16)  # ten pictures in three views
    pool = Activations(numbers[..., None, None, None], numbers[..., None])
    plain, altered = (batch[1][:, 0].numpy() for batch in drawn_from(pool, 200, np.random.default_rng(0)))
    assert set(plain) == set(numbers[:, 0])
    assert set(altered - plain) == {1, 2}  # of the same row, and never the plain view


def test_the_pool_has_a_say_in_what_is_learned(problem, backbone):
    settings = replace(MATCHED, threshold=0.01)  # everything counts
    policy = Policy.parse("light")
    together = settings.fit(problem, backbone, policy).scores(problem.unlabelled)
    weightless = replace(settings, weight=0.0).fit(problem, backbone, policy).scores(problem.unlabelled)
    assert np.abs(together - weightless).max() > 1e-3 * np.ptp(together)


def test_without_a_pool_or_altered_views_there_is_nothing_to_match(problem, backbone):
    with pytest.raises(UsageError, match="no unlabelled examples; FixMatch; give it some"):
        pool_of(MATCHED, replace(problem, unlabelled=None), backbone)
    with pytest.raises(UsageError, match="'flips' draws no altered views; strong"):
        pool_of(replace(MATCHED, strong="flips"), problem, backbone)


# Settings


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"threshold": 0}, "threshold"),
        ({"threshold": 1.5}, "threshold"),
        ({"weight": -1}, "weight"),
        ({"pool_share": 0}, "pool_share"),
        ({"n_altered": 0}, "n_altered"),
        ({"strong": "sparkle"}, "sparkle"),
        ({"student": replace(STUDENT, n_blocks="all")}, "kept activations"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong, said):
    with pytest.raises(UsageError, match=said):
        replace(MATCHED, **wrong)


def test_it_takes_longer_than_fine_tuning_and_the_longer_the_more_of_the_pool():
    seconds = [each.seconds(100) for each in (STUDENT, MATCHED, replace(MATCHED, pool_share=3))]
    assert seconds == sorted(seconds)
    assert MATCHED.seconds(1) > SECONDS_A_VIEW * MOST_OF_POOL * 3  # three views of each


def test_it_says_what_it_is():
    said = MATCHED.describe("efficientnet-lite0@160", Policy.parse("light"))
    assert said.startswith("fine-tuning of the last 1 blocks of efficientnet-lite0@160")
    assert said.endswith("on unlabelled pictures too (FixMatch)")
    assert MATCHED.brief("efficientnet-lite0@160", Policy()) == "FixMatch: 1 blocks, none, 160 px"
