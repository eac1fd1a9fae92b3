from dataclasses import replace

import numpy as np
import pytest

from handful.augment.policy import Policy
from handful.augment.views import views_of
from handful.core.rng import stream
from handful.data.splits import repeated_folds
from handful.evaluate.arrays import example_weights
from handful.recipe.budget import Budget
from handful.recipe.candidates import Candidate, candidates
from handful.recipe.recipe import Recipe
from handful.recipe.selection import PRIOR_EXAMPLES, Problem, expected_best, select
from handful.transfer.probe import Probe

COUNTS = [12, 8, 7]
LIGHT = Policy.parse("light")
POLICIES = {Policy(): 0.0, Policy.parse("flips"): 0.01, LIGHT: 0.02}


def problem_of(backbone, targets, noise=1.5, n_views=6, seed=0):
    """Features that lie about a centre for each class, in every view of one policy."""
    rng = np.random.default_rng(seed)
    dim = sum(layer.dim for layer in backbone.layers)
    centres = rng.random((targets.max() + 1, 1, dim))[targets]
    views = np.abs(
        centres + noise * rng.random((len(targets), 1, dim)) + 0.1 * rng.random((len(targets), n_views, dim))
    )
    of_what = views_of(LIGHT, n_views)
    return Problem(
        views.astype(np.float16), targets, int(targets.max()) + 1, np.arange(len(targets)), backbone, of_what
    )


@pytest.fixture(scope="module")
def problem(tiny_backbone):
    return problem_of(tiny_backbone, np.repeat(np.arange(3), COUNTS))


@pytest.fixture(scope="module")
def folds(problem):
    return repeated_folds(problem.targets, problem.units, 5, 3, stream(0, "folds"))


@pytest.fixture(scope="module")
def tried(tiny_backbone):
    return candidates(tiny_backbone, COUNTS, POLICIES, 6)


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy"])
def test_the_winner_has_the_best_score_shrunken_to_the_prior(metric, problem, folds, tried):
    tried = [*tried[:10], tried[-1]]
    selection = select(problem, tried, folds, metric, Budget(), 0)
    weights = example_weights(problem.targets, metric)
    best, at_best = -np.inf, None
    for at, trial in enumerate(selection.trials):  # the slow way; a later one must be better to win
        score = 0.0
        for row, target in enumerate(problem.targets):
            right = np.mean([scores[row].argmax() == target for scores in trial.scores])
            score += weights[row] * right
        n = len(problem.targets)
        expected = (n * score + PRIOR_EXAMPLES * tried[at].prior) / (n + PRIOR_EXAMPLES)
        if expected > best + 1e-9:
            best, at_best = expected, at
    assert selection.chosen == at_best
    assert selection.winner is selection.trials[at_best]
    assert selection.n_skipped == 0


def test_ties_go_to_the_cheaper(problem, folds, tiny_backbone):
    recipe = Recipe("tiny", Probe(tiny_backbone.last, 1.0))
    twins = [Candidate(recipe, 0.01), Candidate(recipe, 0.01), Candidate(recipe, 0.0)]
    assert select(problem, twins, folds, "accuracy", Budget(), 0).chosen == 0


def test_a_prior_decides_between_equals_and_data_overrule_it(problem, folds, tiny_backbone):
    recipe = Recipe("tiny", Probe(tiny_backbone.last, 1.0))
    equals = [Candidate(recipe, 0.0), Candidate(recipe, 0.01)]
    assert select(problem, equals, folds, "accuracy", Budget(), 0).chosen == 1
    blind = Recipe("tiny", Probe(("whole",), 1.0))  # three columns of noise and centres: worse than all of them
    easy = problem_of(tiny_backbone, problem.targets, noise=0.6)
    unequal = select(easy, [Candidate(recipe, 0.0), Candidate(blind, 0.01)], folds, "accuracy", Budget(), 0)
    better = [trial.correct(easy.targets).mean() for trial in unequal.trials]
    assert better[0] > better[1] + 0.05
    assert unequal.chosen == 0


@pytest.mark.parametrize("k", [1, 4])
def test_a_budget_of_k_fits_tries_the_k_cheapest(k, problem, folds, tried):
    selection = select(problem, tried, folds, "accuracy", Budget(fits=k), 0)
    assert len(selection.trials) == k
    assert selection.n_skipped == len(tried) - k
    for trial, candidate in zip(selection.trials, tried, strict=False):
        assert trial.recipe.adapt.layers == candidate.recipe.adapt.layers


def test_without_any_time_the_plainest_is_tried_all_the_same(problem, folds, tried):
    assert len(select(problem, tried, folds, "accuracy", Budget(seconds=1e-9), 0).trials) == 1


def test_the_same_seed_gives_the_same_choice_and_the_same_score(problem, folds, tried):
    first, second = (select(problem, tried[:6], folds, "accuracy", Budget(), 7) for _ in range(2))
    assert first.chosen == second.chosen
    assert first.winner.recipe == second.winner.recipe
    np.testing.assert_array_equal(first.corrected.correct, second.corrected.correct)
    np.testing.assert_array_equal(first.winner.scores, second.winner.scores)


def test_labels_without_meaning_score_as_chance_once_the_choice_is_forgiven(tiny_backbone):
    naive, corrected = [], []
    for seed in range(10):
        targets = np.random.default_rng(seed).permutation(np.arange(30) % 2)
        shuffled = problem_of(tiny_backbone, np.zeros(30, dtype=np.int64), seed=seed)
        shuffled = replace(shuffled, targets=targets, n_classes=2)
        folds = repeated_folds(targets, shuffled.units, 5, 2, stream(seed, "folds"))
        tried = candidates(tiny_backbone, [15, 15], POLICIES, 2)
        selection = select(shuffled, tried, folds, "accuracy", Budget(fits=8), seed)
        naive.append(max(trial.correct(targets).mean() for trial in selection.trials))
        corrected.append(selection.corrected.value)
    assert np.mean(naive) > np.mean(corrected) + 0.05
    assert np.mean(corrected) == pytest.approx(0.5, abs=0.06)


def test_where_nothing_can_be_validated_the_usual_best_is_taken(tried):
    assert expected_best(tried) == max(tried, key=lambda candidate: candidate.prior).recipe
    assert expected_best(tried).adapt.test_views == (0, 1)


def test_a_recipe_learns_from_the_views_of_its_own_policy(problem, tiny_backbone):
    """Beside a third view that is another policy's, the second one is still the mirror image."""
    flips, scan = Policy.parse("flips"), Policy.parse("scan")
    views = (*views_of(flips), *views_of(scan, 3)[1:])
    both = replace(problem, features=problem.features[:, :4], views=views)
    probe = Probe(tiny_backbone.last, 1.0, (0, 1, 2))
    rows = both.rows(Recipe("tiny", probe, scan)).rows.reshape(len(problem.targets), 3, -1)
    alone = replace(problem, features=problem.features[:, [0, 2, 3]], views=views_of(scan, 3))
    np.testing.assert_array_equal(rows, alone.rows(Recipe("tiny", probe, scan)).rows.reshape(rows.shape))
    mirrored = both.rows(Recipe("tiny", Probe(tiny_backbone.last, 1.0, (0, 1)), flips)).rows.reshape(
        rows.shape[0], 2, -1
    )
    np.testing.assert_array_equal(mirrored[:, 0], rows[:, 0])
    assert np.abs(mirrored[:, 1] - rows[:, 1]).max() > 0
