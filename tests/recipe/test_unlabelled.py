from dataclasses import replace

import numpy as np
import pytest

from handful.augment.policy import Policy
from handful.augment.views import MIRRORED, ORIGINAL
from handful.bundle.graph import calibrated
from handful.core.errors import UsageError
from handful.nn.onnx_runtime import open_session
from handful.recipe.recipe import Recipe
from handful.recipe.saved import recipe_of
from handful.recipe.unlabelled import LABELLERS, Unlabelled
from handful.tasks.pixel_examples import pixel_examples
from handful.transfer.probe import Probe
from handful.transfer.technique import Examples

FLIPS = Policy.parse("flip_h=0.5")
PROBE = Probe(("whole", "grid"), views=(0, 1), test_views=(0, 1), penalty=0.1)
TARGETS = np.arange(12) % 3


def features(targets, seed, noise=0.1):
    """Of two views, shape (n, 2, 51): positive; each class lies along a line of its own."""
    centres, ways = np.random.default_rng(7).random((2, 3, 1, 51))
    rng = np.random.default_rng(seed)
    along = rng.uniform(0, 3, (len(targets), 1, 1)) * ways[targets]
    return np.abs(centres[targets] + along + noise * rng.normal(size=(len(targets), 2, 51))).astype(np.float16)


@pytest.fixture
def make(problem_with, tiny_backbone):
    """`make(targets, n_pool)`: a problem with a pool."""

    def problem(targets=TARGETS, n_pool=90):
        found = problem_with(features(targets, 0), targets, tiny_backbone, (ORIGINAL, MIRRORED))
        pool = Examples(range(n_pool), None)
        pool.knowing(tiny_backbone, ORIGINAL, features(np.arange(n_pool) % 3, 1)[:, 0])
        return replace(found, unlabelled=pool)

    return problem


@pytest.mark.parametrize("labeller", LABELLERS)
def test_the_label_of_what_is_left_out_is_never_seen(make, tiny_backbone, labeller):
    folds = np.stack([np.arange(12) // 3, np.arange(12) // 3])
    one = make()
    other = replace(make(), targets=np.where(folds[0] == 1, (TARGETS + 1) % 3, TARGETS))
    settings = Unlabelled(PROBE, labeller)
    (_, before), (_, after) = (settings.out_of_fold(each, tiny_backbone, FLIPS, folds) for each in (one, other))
    assert before.shape == (2, 12, 3)
    left_out = folds[0] == 1
    np.testing.assert_allclose(before[:, left_out], after[:, left_out], atol=1e-9)
    assert np.abs(before[:, ~left_out] - after[:, ~left_out]).max() > 1e-3


def test_a_share_of_nought_is_the_probe(make, tiny_backbone):
    problem, folds = make(), (np.arange(12) // 3)[None]
    settled, scores = Unlabelled(PROBE, share=0).out_of_fold(problem, tiny_backbone, FLIPS, folds)
    np.testing.assert_allclose(scores, PROBE.out_of_fold(problem, tiny_backbone, FLIPS, folds)[1], atol=1e-9)
    heads = [each.fit(problem, tiny_backbone, FLIPS).head for each in (settled, PROBE)]
    np.testing.assert_allclose(heads[0].weight, heads[1].weight, atol=1e-12)
    np.testing.assert_allclose(heads[0].bias, heads[1].bias, atol=1e-12)


def test_the_penalty_is_chosen_as_for_the_probe(make, tiny_backbone):
    problem, folds, open_start = make(), (np.arange(12) // 3)[None], replace(PROBE, penalty=None)
    settled, _ = Unlabelled(open_start).out_of_fold(problem, tiny_backbone, FLIPS, folds)
    assert settled.start == open_start.out_of_fold(problem, tiny_backbone, FLIPS, folds)[0]


def test_the_fitted_head_gives_in_the_features_themselves_what_both_give(make, tiny_backbone):
    problem, technique = make(), Unlabelled(PROBE, share=1)
    fitted = technique.fit(problem, tiny_backbone, FLIPS)
    reduced = technique._reduced(problem, tiny_backbone, FLIPS)
    head = technique._head(reduced, np.arange(12), TARGETS, 3)
    np.testing.assert_allclose(fitted.scores(problem.examples), head(reduced.rows).mean(axis=1), atol=1e-4)


@pytest.mark.parametrize("labeller", ["label propagation", "self-training"])
def test_a_pool_helps_where_there_is_one_label_of_each_class(make, tiny_backbone, problem_with, labeller):
    truth = np.arange(150) % 3
    tested = problem_with(features(truth, 5), truth, tiny_backbone, (ORIGINAL, MIRRORED)).examples
    start, policy, gains = replace(PROBE, views=(0,), test_views=(0,)), Policy(), []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        some = np.concatenate([rng.choice(np.flatnonzero(label == TARGETS), 1) for label in range(3)])
        problem = make().take(some)
        right = [
            (each.fit(problem, tiny_backbone, policy).scores(tested).argmax(axis=1) == truth).mean()
            for each in (start, Unlabelled(start, labeller))
        ]
        gains.append(right[1] - right[0])
    assert np.mean(gains) > 0.03


def test_it_is_saved_and_read_again_and_says_what_it_does():
    recipe = Recipe("tiny", Unlabelled(PROBE, "label propagation", 0.3), FLIPS)
    assert recipe_of(recipe.to_json()) == recipe
    assert recipe.describe().endswith("and the same on unlabelled examples, by label propagation")
    assert not recipe.is_trained


def test_the_graph_says_what_was_measured(make, tiny_backbone):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (12, 32, 32, 3)).astype(np.uint8)
    problem = replace(make(), examples=pixel_examples(pixels))
    fitted = Unlabelled(PROBE).fit(problem, tiny_backbone, FLIPS)
    session = open_session(calibrated(fitted.graph(tiny_backbone), 1.0, np.zeros(3), "x"))
    expected = fitted.scores(problem.examples)
    expected = np.exp(expected) / np.exp(expected).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(session.run(["probabilities"], {"pixels": pixels})[0], expected, atol=5e-3)


def test_what_makes_no_sense_is_refused(make, tiny_backbone):
    with pytest.raises(UsageError, match=r"nobody labels by 'magic'.*label propagation"):
        Unlabelled(PROBE, "magic")
    with pytest.raises(UsageError, match="share must be in 0 to 1"):
        Unlabelled(PROBE, share=1.5)
    with pytest.raises(UsageError, match=r"no unlabelled examples.*fit with --unlabelled"):
        Unlabelled(PROBE).fit(replace(make(), unlabelled=None), tiny_backbone, FLIPS)
