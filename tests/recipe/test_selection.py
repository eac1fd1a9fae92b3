from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pytest

from handful.augment.policy import Policy
from handful.augment.views import views_of
from handful.core.budget import Budget, TimeIsUp
from handful.core.errors import JobError
from handful.core.rng import stream
from handful.data.splits import repeated_folds
from handful.evaluate.arrays import example_weights
from handful.evaluate.calibration import cross_fitted, fit_temperature
from handful.evaluate.metric import ACCURACY, METRICS
from handful.evaluate.metric_names import cost_metric
from handful.recipe import candidates as offers
from handful.recipe import selection as selection_of
from handful.recipe.candidates import Candidate, Partner, candidates
from handful.recipe.ensemble import Ensemble
from handful.recipe.folds import folds_of
from handful.recipe.recipe import Recipe
from handful.recipe.selection import LOOK, PRIOR_EXAMPLES, WITH_REFIT, Race, expected_best, select
from handful.recipe.trial import Trial
from handful.transfer.probe import Probe
from handful.transfer.technique import Technique

COUNTS = [12, 8, 7]
TARGETS = np.repeat(np.arange(3), COUNTS)
LIGHT = Policy.parse("light")
POLICIES = {Policy(): 0.0, Policy.parse("flips"): 0.01, LIGHT: 0.02}
OF_WHAT = views_of(LIGHT, 6)


def features_of(targets, noise=1.5, n_views=6, seed=0):
    """Features that lie about a centre for each class, in every view of one policy."""
    rng, n = np.random.default_rng(seed), len(targets)
    centres = rng.random((targets.max() + 1, 1, 51))[targets]
    return np.abs(centres + noise * rng.random((n, 1, 51)) + 0.1 * rng.random((n, n_views, 51)))


@pytest.fixture(scope="module")
def problem(tiny_backbone, problem_with):
    return problem_with(features_of(TARGETS), TARGETS, tiny_backbone, OF_WHAT)


@pytest.fixture(scope="module")
def folds(problem, folds_from):
    return folds_from(repeated_folds(problem.targets, problem.units, 5, 3, stream(0, "folds")))


@pytest.fixture(scope="module")
def tried(tiny_backbone):
    return candidates(tiny_backbone, COUNTS, POLICIES, 6)


def by_loop(trials, priors, targets, metric):
    """The slow way: the position of the best score, shrunken to the prior; a later one must be better to win."""
    weights = example_weights(targets, metric)
    best, at_best = -np.inf, None
    for at, trial in enumerate(trials):
        score = 0.0
        for row, target in enumerate(targets):
            right = np.mean([scores[row].argmax() == target for scores in trial.scores])
            score += weights[row] * right
        n = len(targets)
        expected = (n * score + PRIOR_EXAMPLES * priors[at]) / (n + PRIOR_EXAMPLES)
        if expected > best + 1e-9:
            best, at_best = expected, at
    return at_best


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy"])
def test_the_winner_has_the_best_score_shrunken_to_the_prior(metric, problem, folds, tried):
    tried = [*tried[:10], tried[-1]]
    selection = select(problem, tried, folds, METRICS[metric])
    assert selection.chosen == by_loop(selection.trials, [each.prior for each in tried], TARGETS, metric)
    assert selection.winner is selection.best_probe is selection.trials[selection.chosen]
    assert selection.n_skipped == 0
    assert selection.given_up == ()


def test_ties_go_to_the_cheaper(problem, folds, tiny_backbone):
    recipe = Recipe("tiny", Probe(tiny_backbone.last, 1.0))
    twins = [Candidate(recipe, 0.01), Candidate(recipe, 0.01), Candidate(recipe, 0.0)]
    assert select(problem, twins, folds, ACCURACY).chosen == 0


def test_a_prior_decides_between_equals_and_data_overrule_it(problem, folds, tiny_backbone, problem_with):
    recipe = Recipe("tiny", Probe(tiny_backbone.last, 1.0))
    equals = [Candidate(recipe, 0.0), Candidate(recipe, 0.01)]
    assert select(problem, equals, folds, ACCURACY).chosen == 1
    blind = Recipe("tiny", Probe(("whole",), 1.0))  # three columns of noise and centres: worse than all of them
    easy = problem_with(features_of(TARGETS, noise=0.6), TARGETS, tiny_backbone, OF_WHAT)
    unequal = select(easy, [Candidate(recipe, 0.0), Candidate(blind, 0.01)], folds, ACCURACY)
    better = [trial.contributions(ACCURACY, TARGETS).mean() for trial in unequal.trials]
    assert better[0] > better[1] + 0.05
    assert unequal.chosen == 0


@pytest.mark.parametrize("k", [1, 4])
def test_a_budget_of_k_fits_tries_the_k_that_usually_do_best_cheap_ones_first(k, problem, folds, tried):
    selection = select(replace(problem, budget=Budget(fits=k)), tried, folds, ACCURACY)
    assert selection.n_skipped == len(tried) - k
    by_gain = sorted(tried, key=lambda candidate: -candidate.prior)
    assert [trial.prior for trial in selection.trials] == [each.prior for each in tried if each in by_gain[:k]]


@pytest.mark.parametrize(("fits", "n_probes"), [(1, 1), (3, 2), (6, 4), (20, 15)])
def test_a_third_of_the_fits_but_no_more_than_needed_is_kept_for_what_is_made_from_the_best_probe(
    fits, n_probes, hard, dealt, tried, offered
):
    offered(0.9)
    assert len(tried) > n_probes
    selection = select(replace(hard, budget=Budget(fits=fits)), tried, dealt, ACCURACY, POLICIES)
    assert sum(not trial.recipe.is_trained for trial in selection.trials) == n_probes
    assert bool(Feigned.asked) == (fits > n_probes)
    assert selection.n_skipped == len(tried) - n_probes + (fits == n_probes)


def test_where_fits_reach_all_candidates_none_is_left_out(hard, dealt, tried, offered):
    offered()
    assert select(replace(hard, budget=Budget(fits=8)), tried[:5], dealt, ACCURACY, POLICIES).n_skipped == 0


def test_without_any_time_the_plainest_is_tried_all_the_same(problem, folds, tried):
    assert len(select(replace(problem, budget=Budget(seconds=1e-9)), tried, folds, ACCURACY).trials) == 1


def test_the_same_seed_gives_the_same_choice_and_the_same_score(problem, folds, tried):
    seeded = replace(problem, seed=7)
    first, second = (select(seeded, tried[:6], folds, ACCURACY) for _ in range(2))
    assert first.chosen == second.chosen
    assert first.winner.recipe == second.winner.recipe
    np.testing.assert_array_equal(first.corrected.correct, second.corrected.correct)
    np.testing.assert_array_equal(first.winner.scores, second.winner.scores)


def test_labels_without_meaning_score_as_chance_once_the_choice_is_forgiven(tiny_backbone, problem_with, folds_from):
    naive, corrected = [], []
    for seed in range(10):
        targets = np.random.default_rng(seed).permutation(np.arange(30) % 2)
        found = features_of(np.zeros(30, dtype=np.int64), seed=seed)
        shuffled = problem_with(found, targets, tiny_backbone, OF_WHAT, seed=seed)
        folds = folds_from(repeated_folds(targets, shuffled.units, 5, 2, stream(seed, "folds")))
        tried = candidates(tiny_backbone, [15, 15], POLICIES, 2)
        selection = select(replace(shuffled, budget=Budget(fits=8)), tried, folds, ACCURACY)
        naive.append(max(trial.contributions(ACCURACY, targets).mean() for trial in selection.trials))
        corrected.append(selection.corrected.value)
    assert np.mean(naive) > np.mean(corrected) + 0.05
    assert np.mean(corrected) == pytest.approx(0.5, abs=0.06)


def test_the_luck_of_the_best_probe_is_forgiven_to_what_was_made_from_it(tiny_backbone, problem_with, folds_from):
    """Twenty recipes that guess; a twin of the luckiest, made from it, always wins: it must score as chance, too."""
    plain, corrected = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        targets = np.arange(40) % 2
        shuffled = problem_with(features_of(np.zeros(40, dtype=np.int64)), targets, tiny_backbone, OF_WHAT, seed=seed)
        folds = folds_from(repeated_folds(targets, shuffled.units, 5, 1, stream(seed, "folds")))
        race = Race(shuffled, folds, ACCURACY)
        for at in range(20):
            guesses = rng.random((1, 40, 2))
            race.trials.append(Trial(Recipe("tiny", Probe(("grid",), penalty=float(at))), 0.0, guesses, guesses, 0.0))
        race.base, race._n_first = race._best(), 20
        race.trials.append(replace(race.trials[race.base], prior=0.1))
        selection = race.decided()
        assert selection.chosen == 20
        plain.append(selection.winner.contributions(ACCURACY, targets).mean())
        corrected.append(selection.corrected.value)
    assert np.mean(plain) > 0.6
    assert np.mean(corrected) == pytest.approx(0.5, abs=0.05)


def test_where_nothing_can_be_validated_the_usual_best_is_taken(tried):
    assert expected_best(tried, None) == max(tried, key=lambda candidate: candidate.prior).recipe
    assert expected_best(tried, None).adapt.test_views == (0, 1)


# What goes on from the best probe


@dataclass(frozen=True)
class Feigned(Technique):
    """A training that is right on a share of the examples, and remembers which folds it was asked for."""

    technique: ClassVar[str] = "feigned"
    asked: ClassVar[list[list[int]]] = []

    share: float = 1.0

    @property
    def is_trained(self):
        return True

    def out_of_fold(self, _problem, _backbone, _policy, folds):
        self.asked.append(sorted({int(fold) for fold in folds[0] if fold >= 0}))
        right = np.random.default_rng(3).random(len(TARGETS)) < self.share
        scores = 2 * np.eye(3)[np.where(right, TARGETS, (TARGETS + 1) % 3)]
        return self, np.where(folds[..., None] >= 0, scores, np.nan)

    def seconds(self, n_examples):
        return 0.1 * n_examples

    def fit(self, *_):
        raise NotImplementedError

    def describe(self, *_):
        return "feigned"

    brief = describe


@pytest.fixture
def offered(monkeypatch):
    """`offered(share, ...)`: nothing is trained but feigned techniques, which usually gain two points."""

    def offer(*shares, alone=0.02, together=0.04):
        Feigned.asked.clear()

        def recipes(best, *_):
            return [Recipe(best.backbone, Feigned(share)) for share in shares]

        monkeypatch.setattr(offers, "PARTNERS", (Partner(recipes, alone, together, together),))

    return offer


@pytest.fixture(scope="module")
def dealt():
    return folds_of(TARGETS, np.arange(len(TARGETS)), 0)


@pytest.fixture(scope="module")
def hard(tiny_backbone, problem_with):
    """So hard that there is something left to gain from the best probe."""
    return problem_with(features_of(TARGETS, noise=5), TARGETS, tiny_backbone, OF_WHAT)


@pytest.fixture
def race(hard, dealt):
    """`race(budget, problem)`: two probes were tried, then everything that goes on from the best one."""

    def run(budget=None, on=hard):
        probes = [Candidate(Recipe("tiny", Probe((layer,), 1.0)), 0.0) for layer in ("whole", "grid")]
        return select(replace(on, budget=budget or Budget()), probes, dealt, ACCURACY, POLICIES)

    return run


def criterion_by_loop(trial, probe):
    """What each example scores: of a training, the gain on the few folds above the probe's score on the many."""
    found = []
    for row, target in enumerate(TARGETS):
        right = np.mean([scores[row].argmax() == target for scores in trial.scores])
        if trial.recipe.is_trained:
            on_few = float(probe.on_few[0, row].argmax() == target)
            right += np.mean([scores[row].argmax() == target for scores in probe.scores]) - on_few
        found.append(right)
    return np.array(found)


@pytest.mark.parametrize("share", [1.0, 0.75])
def test_a_training_gains_what_it_gains_on_the_folds_where_the_probe_is_trained_on_as_few(
    race, hard, dealt, offered, share
):
    offered(share)
    selection = race()
    probe = selection.best_probe
    assert isinstance(probe.recipe.adapt, Probe)
    assert probe.on_few.shape == (1, len(TARGETS), 3)
    assert [trial.recipe.is_trained for trial in selection.trials] == [False, False, True, True]
    assert not np.array_equal(probe.on_few[0].argmax(axis=1), probe.scores[0].argmax(axis=1))  # fewer folds tell
    again = Race(hard, dealt, ACCURACY, list(selection.trials))
    for trial in selection.trials:
        np.testing.assert_allclose(again._comparable(trial), criterion_by_loop(trial, probe))
    expected = [criterion_by_loop(trial, probe).sum() + PRIOR_EXAMPLES * trial.prior for trial in selection.trials]
    assert selection.chosen == int(np.argmax(np.round(expected, 9)))


def test_a_look_and_the_rest_are_the_whole_training(race, offered, dealt):
    offered(0.9)
    (trained,) = [trial for trial in race().trials if isinstance(trial.recipe, Recipe) and trial.recipe.is_trained]
    assert Feigned.asked == [[0, 1], [2, 3, 4]]
    assert LOOK == 2
    at_once = Feigned(0.9).out_of_fold(None, None, None, dealt.few)[1]
    np.testing.assert_array_equal(trained.scores, at_once)


def test_what_is_clearly_worse_is_given_up_after_a_look(race, offered):
    offered(0.0)
    selection = race()
    assert Feigned.asked == [[0, 1]]
    assert selection.given_up == ("feigned, after 2 folds of 5: clearly worse than the best probe",)
    assert not any(trial.recipe.is_trained for trial in selection.trials)
    assert all(trial.on_few is None for trial in selection.trials)


def test_a_training_that_fails_is_given_up_and_what_was_tried_stands(race, offered, monkeypatch):
    def diverge(*_):
        raise JobError("the loss became nan at step 3 of 60, at a learning rate of 0.1", "training", "lower it")

    offered(1.0)
    monkeypatch.setattr(Feigned, "out_of_fold", diverge)
    found = race()
    assert all(not trial.recipe.is_trained for trial in found.trials)
    assert "became nan at step 3" in found.given_up[0]


def test_a_training_is_one_fit_of_the_budget_and_is_finished_if_it_was_begun(race, offered):
    offered(0.9, 0.8)
    two, three = race(Budget(fits=2)), race(Budget(fits=3))
    assert (two.n_skipped, three.n_skipped) == (2, 1)
    assert Feigned.asked == [[0, 1], [2, 3, 4]]  # of the second race alone
    assert not any(trial.recipe.is_trained for trial in two.trials)
    assert sum(trial.recipe.is_trained for trial in three.trials) == 2  # alone, and together with the probe


def test_a_training_that_the_time_does_not_allow_is_given_up(race, offered, monkeypatch):
    offered(0.9)
    budget = Budget()
    monkeypatch.setattr(budget, "allows", lambda _: not Feigned.asked)
    assert race(budget).given_up == ("feigned, after 2 folds of 5: the budget would not last",)


def test_a_training_that_would_not_fit_into_the_time_is_not_begun(race, offered, monkeypatch):
    offered(0.9)
    budget, wanted = Budget(), []
    monkeypatch.setattr(budget, "allows", lambda seconds: wanted.append(seconds) or len(wanted) < 2)  # the other probe
    assert race(budget).n_skipped == 1
    assert wanted[-1] == pytest.approx(LOOK * 0.1 * len(TARGETS))
    assert Feigned.asked == []


@pytest.mark.parametrize(("jobs", "rounds"), [(1, 1 + 3), (2, 1 + 2), (8, 1 + 1)])
def test_what_the_rest_takes_is_told_by_the_look_and_by_how_many_are_trained_at_a_time(
    race, offered, hard, monkeypatch, jobs, rounds
):
    offered(0.9)
    budget, asked, kept = Budget(seconds=3600), [], []
    monkeypatch.setattr(budget, "allows", lambda seconds: asked.append(seconds) or True)
    monkeypatch.setattr(budget, "reserve", kept.append)
    race(budget, replace(hard, jobs=jobs))
    assert asked[-1] == pytest.approx(rounds * kept[-1])  # of a refit and of three more folds


def test_the_refits_of_what_may_win_are_kept_free(race, offered, monkeypatch):
    offered(0.9)
    budget, kept = Budget(seconds=3600), []
    monkeypatch.setattr(budget, "reserve", kept.append)
    probes = race(budget).trials[:2]
    of_probe, of_training = kept
    assert of_probe in [(WITH_REFIT - 1) * trial.seconds for trial in probes]
    assert of_training > 0


def test_what_was_kept_for_a_training_that_fails_later_is_free_again(race, offered, monkeypatch):
    def late(self, problem, backbone, policy, folds):
        if folds.max() >= LOOK:
            raise TimeIsUp
        return learned(self, problem, backbone, policy, folds)

    offered(0.9)
    learned = Feigned.out_of_fold
    monkeypatch.setattr(Feigned, "out_of_fold", late)
    budget, kept = Budget(seconds=3600), []
    monkeypatch.setattr(budget, "reserve", kept.append)
    assert "the time was up" in race(budget).given_up[0]
    _, of_training, given_back = kept
    assert of_training == -given_back > 0


def test_a_training_that_the_end_of_the_budget_stops_is_given_up(race, offered, monkeypatch):
    def late(*_):
        raise TimeIsUp

    offered(0.9)
    monkeypatch.setattr(Feigned, "out_of_fold", late)
    found = race()
    assert found.given_up == ("feigned: the time was up before it was done; what was tried before stands",)
    assert not any(trial.recipe.is_trained for trial in found.trials)


def test_a_training_that_wins_alone_was_made_from_the_best_probe(race, offered):
    offered(1.0, together=-1.0)  # voting together usually does harm, say
    selection = race()
    assert selection.winner.recipe == Recipe("tiny", Feigned(1.0))
    assert isinstance(selection.best_probe.recipe.adapt, Probe)
    assert selection.best_probe is max(
        selection.trials[:2], key=lambda trial: trial.contributions(ACCURACY, TARGETS).mean()
    )


def test_an_ensemble_votes_with_the_scores_that_are_there(race, offered, dealt, hard):
    offered(0.9)
    selection = race()
    together = next(trial for trial in selection.trials if isinstance(trial.recipe, Ensemble))
    probe, training = together.recipe.members
    assert probe == selection.best_probe.recipe
    _, scores = Ensemble((probe, training)).out_of_fold(hard, dealt.few)
    np.testing.assert_allclose(together.scores, scores, atol=1e-9)
    assert Feigned.asked == [[0, 1], [2, 3, 4], [0, 1, 2, 3, 4]]  # the last was asked for here


@dataclass(frozen=True)
class Smaller:
    """The tiny network under another name."""

    name: str
    like: object = field(repr=False)

    def __getattr__(self, name):
        return getattr(self.like, name)


def test_the_best_probe_is_tried_on_smaller_pictures_and_all_sizes_vote(problem_with, tiny_backbone, race, offered):
    offered()
    sizes = [Smaller(f"tiny@{size}", tiny_backbone) for size in (16, 8)]
    selection = race(on=problem_with(features_of(TARGETS, noise=5), TARGETS, tiny_backbone, OF_WHAT, more=sizes))
    best = max(selection.trials[:2], key=lambda trial: trial.contributions(ACCURACY, TARGETS).mean()).recipe
    tried = [trial.recipe for trial in selection.trials[2:]]
    assert [member.backbone for recipe in tried for member in recipe.members] == [
        "tiny@16", "tiny@8", best.backbone, "tiny@16", "tiny@8",
    ]  # fmt: skip
    assert {replace(member.adapt, penalty=None) for recipe in tried for member in recipe.members} == {
        replace(best.adapt, penalty=None)
    }
    assert selection.trials[-1].scores.shape == selection.trials[0].scores.shape
    assert all(trial.on_few is None for trial in selection.trials)


def test_without_policies_nothing_goes_on_from_the_best(problem, dealt, offered, tried):
    offered(1.0)
    selection = select(problem, tried[:2], dealt, ACCURACY)
    assert len(selection.trials) == 2
    assert Feigned.asked == []


def test_expected_seconds_grow_with_the_work(problem, dealt):
    race = Race(problem, dealt, ACCURACY)
    first, second = (Candidate(Recipe("tiny", Probe(layers, 1.0)), 0.0) for layers in (("whole",), ("whole", "grid")))
    race.try_exact([first])
    rows, columns = len(TARGETS), 51
    ratio = min(rows, columns) ** 2 * max(rows, columns) / (min(rows, 3) ** 2 * max(rows, 3))
    assert race._expected_seconds(second) == pytest.approx(race.trials[-1].seconds * ratio)


def test_a_recipe_learns_from_the_views_of_its_own_policy(problem_with, tiny_backbone):
    """Beside a third view that is another policy's, the second one is still the mirror image."""
    flips, scan = Policy.parse("flips"), Policy.parse("scan")
    views = (*views_of(flips), *views_of(scan, 3)[1:])
    found = features_of(TARGETS)
    both = problem_with(found[:, :4], TARGETS, tiny_backbone, views)
    probe = Probe(tiny_backbone.last, 1.0, (0, 1, 2))
    rows = probe.rows(both, tiny_backbone, scan).rows.reshape(len(TARGETS), 3, -1)
    alone = problem_with(found[:, [0, 2, 3]], TARGETS, tiny_backbone, views_of(scan, 3))
    np.testing.assert_array_equal(rows, probe.rows(alone, tiny_backbone, scan).rows.reshape(rows.shape))
    two = Probe(tiny_backbone.last, 1.0, (0, 1))
    mirrored = two.rows(both, tiny_backbone, flips).rows.reshape(rows.shape[0], 2, -1)
    np.testing.assert_array_equal(mirrored[:, 0], rows[:, 0])
    assert np.abs(mirrored[:, 1] - rows[:, 1]).max() > 0


# One network in place of several


@dataclass(frozen=True)
class Student(Feigned):
    """A training that was taught."""

    technique: ClassVar[str] = "student"


@pytest.fixture
def taught(monkeypatch):
    """`taught(share)`: an ensemble teaches a student that is right so often; the list has the teachers."""

    def offer(share):
        teachers = []

        def distilled(teacher, prior, _):
            teachers.append((teacher, prior))
            student = Candidate(Recipe("tiny", Student(share)), prior - 0.005)
            return [student] if isinstance(teacher, Ensemble) else []

        monkeypatch.setattr(selection_of, "distilled", distilled)
        return teachers

    return offer


@pytest.mark.parametrize(("share", "wins"), [(1.0, True), (0.8, False)])
def test_the_best_ensemble_teaches_one_network_that_wins_where_it_does_better(race, offered, taught, share, wins):
    offered(0.8, together=0.1)
    teachers = taught(share)
    selection = race()
    *_, teacher, student = selection.trials
    assert teachers == [(teacher.recipe, teacher.prior)]
    assert isinstance(teacher.recipe, Ensemble)
    assert selection.winner is (student if wins else teacher)
    assert selection.best_probe is selection.trials[selection.base]
    assert Feigned.asked == 2 * [[0, 1], [2, 3, 4]]


def test_where_one_recipe_is_the_best_nobody_is_taught(race, offered, taught):
    offered(0.9, together=-1.0)
    teachers = taught(1.0)
    selection = race()
    assert [teacher for teacher, _ in teachers] == [selection.winner.recipe]
    assert isinstance(selection.winner.recipe, Recipe)
    assert Feigned.asked == [[0, 1], [2, 3, 4]]


def test_a_student_of_exact_recipes_is_compared_with_them_on_the_same_few_folds(
    problem_with, tiny_backbone, race, offered, taught, monkeypatch
):
    """Nothing else was trained, so nothing else was predicted on these."""
    offered()
    taught(0.9)
    monkeypatch.setattr(offers, "PRIOR_SIZES", 1.0)
    on = problem_with(
        features_of(TARGETS, noise=5), TARGETS, tiny_backbone, OF_WHAT, more=[Smaller("tiny@16", tiny_backbone)]
    )
    selection = race(on=on)
    *_, teacher, student = selection.trials
    assert student.recipe.is_trained
    assert [member.backbone for member in teacher.recipe.members] == ["tiny", "tiny@16"]
    probe = selection.best_probe
    assert all(trial.on_few is not None for trial in (probe, teacher))
    again = Race(on, None, ACCURACY, list(selection.trials))
    np.testing.assert_allclose(again._comparable(student), criterion_by_loop(student, probe))
    _, expected = teacher.recipe.out_of_fold(on, folds_of(TARGETS, np.arange(len(TARGETS)), 0).few)
    np.testing.assert_array_equal(teacher.on_few, expected)


def test_a_student_whose_training_fails_leaves_the_ensemble_in_place(race, offered, taught, monkeypatch):
    def diverge(*_):
        raise JobError("the loss became nan at step 3 of 60", "training")

    offered(0.8, together=0.1)
    taught(1.0)
    monkeypatch.setattr(Student, "out_of_fold", diverge)
    selection = race()
    assert isinstance(selection.winner.recipe, Ensemble)
    assert selection.given_up == ("feigned: the loss became nan at step 3 of 60; what was tried before stands",)


def test_a_student_that_the_budget_does_not_reach_is_counted_as_skipped(race, offered, taught):
    offered(0.8, together=0.1)
    taught(1.0)
    three, four = race(Budget(fits=3)), race(Budget(fits=4))  # two probes, one training
    assert (three.n_skipped, four.n_skipped) == (1, 0)
    assert isinstance(three.winner.recipe, Ensemble)
    assert four.winner.recipe == Recipe("tiny", Student(1.0))


# Metrics that read probabilities


COSTS = 1.0 - np.eye(3)
COSTS[2] *= 5
GRADED = [
    *(METRICS[name].at_shares(TARGETS, 3) for name in ("balanced_accuracy", "macro_f1", "auroc", "log_loss")),
    cost_metric(COSTS, "abc"),
]


def probabilities_by_loop(trial, metric, folds):
    """Each example's probabilities, from a calibration of the examples of all other folds."""
    found = np.empty(trial.scores.shape)
    for repeat, scores in enumerate(trial.scores):
        for row, fold in enumerate(folds.many[repeat]):
            others = folds.many[repeat] != fold
            fitted = fit_temperature(scores[others], TARGETS[others], metric.costs is not None)
            found[repeat, row] = fitted.apply(scores[row : row + 1])[0]
    return found


@pytest.mark.parametrize("metric", GRADED, ids=lambda metric: metric.name)
def test_any_metric_chooses_by_its_value_on_cross_fitted_probabilities(metric, problem, folds, tried):
    selection = select(problem, tried[:4], folds, metric)
    sign = 1 if metric.greater_is_better else -1
    expected = []
    for trial, candidate in zip(selection.trials, tried, strict=False):
        read = probabilities_by_loop(trial, metric, folds)
        np.testing.assert_allclose(trial.read, read, atol=1e-9)
        score = sign * np.mean([metric.value(TARGETS, each) for each in read])
        expected.append(len(TARGETS) * score + PRIOR_EXAMPLES * candidate.prior * metric.span(3))
    assert selection.chosen == int(np.argmax(np.round(expected, 9)))


@pytest.mark.parametrize("metric", GRADED, ids=lambda metric: metric.name)
def test_right_answers_are_corrected_by_the_same_draws_as_the_metric(metric, problem, folds, tried):
    selection = select(problem, tried[:4], folds, metric)
    assert ((selection.right >= 0) & (selection.right <= 1)).all()
    if metric.name == "balanced_accuracy":  # what an example adds is its weight if it is right
        weights = len(TARGETS) * example_weights(TARGETS, "balanced_accuracy")
        np.testing.assert_allclose(selection.corrected.correct, weights * selection.right, atol=1e-12)
    alone = select(problem, tried[:1], folds, metric)  # one recipe: there is no choice to be forgiven
    read = alone.trials[0].read
    right = np.mean([metric.decide(each) == TARGETS for each in read], axis=0)
    np.testing.assert_allclose(alone.right, right, atol=1e-12)


def test_accuracy_reads_the_scores_as_they_are(problem, folds, tried):
    selection = select(problem, tried[:3], folds, ACCURACY)
    assert all(trial.read is trial.scores for trial in selection.trials)
    np.testing.assert_array_equal(selection.right, selection.corrected.correct)


def test_a_training_is_compared_on_calibrated_scores_too(problem, dealt, offered):
    """Log-loss of scores that no temperature has touched would say nothing."""
    offered(0.8)
    metric = METRICS["log_loss"]
    probes = [Candidate(Recipe("tiny", Probe(("whole",), 1.0)), 0.0)]
    selection = select(problem, probes, dealt, metric, POLICIES)
    probe = selection.best_probe
    trained = next(trial for trial in selection.trials if isinstance(trial.recipe.members[0].adapt, Feigned))
    few = [cross_fitted(each[0], TARGETS, dealt.few[0], with_bias=False) for each in (trained.scores, probe.on_few)]
    gain = metric.contributions(TARGETS, few[0]) - metric.contributions(TARGETS, few[1])
    found = [each.contributions(metric, TARGETS, on_few=True)[0] for each in (trained, probe)]
    np.testing.assert_allclose(found[0] - found[1], gain)


def test_a_rare_class_that_is_missed_is_worth_more_trials(problem_with, tiny_backbone):
    """Of 100 examples one is wrong: little is left of accuracy, much of balanced accuracy."""
    targets = np.repeat([0, 1], [97, 3])
    features = features_of(targets, noise=0.01)
    features[-1] = features[0]
    on = problem_with(features, targets, tiny_backbone, OF_WHAT)
    folds = folds_of(targets, np.arange(100), 0)
    probes = [Candidate(Recipe("tiny", Probe(tiny_backbone.last, 1.0, class_weights="balanced")), 0.0)]
    stopped = []
    for name in ("accuracy", "balanced_accuracy"):
        race = Race(on, folds, METRICS[name])
        race.try_exact(probes)
        race.go_on_from_the_best({})
        stopped.append(any("nothing more was tried" in line for line in race.given_up))
    assert stopped == [True, False]
