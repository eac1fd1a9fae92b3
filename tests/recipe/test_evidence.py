from dataclasses import replace

import numpy as np
import pytest

from handful.augment.policy import Policy
from handful.data.splits import repeated_folds
from handful.evaluate.comparison import nadeau_bengio
from handful.evaluate.metric import ACCURACY, METRICS
from handful.evaluate.selection import Corrected
from handful.recipe.ensemble import Ensemble
from handful.recipe.evidence import evidence
from handful.recipe.folds import Folds
from handful.recipe.recipe import Recipe
from handful.recipe.trial import Selection, Trial
from handful.transfer.distillation import Distillation
from handful.transfer.fine_tuning import FineTuning
from handful.transfer.probe import Probe

N = 40
TARGETS = np.arange(N) % 2
MANY = repeated_folds(TARGETS, np.arange(N), 5, 3, np.random.default_rng(0))
FOLDS = Folds(MANY, (MANY[:1] + 1) % 5 // 2)  # three folds, so that they are not the many
PLAIN = Probe(("last",), 1.0)


def trial(probe, share, prior=0.0, n_repeats=3, seed=0, augment="none"):
    """Right on a random share of the examples, in every repeat on others."""
    right = np.random.default_rng(seed).random((n_repeats, N)) < share
    named = np.where(right, TARGETS, 1 - TARGETS)
    recipe = Recipe("net", replace(probe, penalty=share), Policy.parse(augment))
    return Trial(recipe, prior, np.eye(2)[named], np.eye(2)[named], 0.0)


def selection(chosen, *others, base=0):
    trials = (chosen, *others)
    corrected = Corrected(0.0, np.zeros(N), np.ones(len(trials)) / len(trials))
    return Selection(trials, 0, corrected, np.zeros(N), 0, base=base)


def by_loop(with_it, without):
    """Accuracy with minus accuracy without, repeat by repeat and fold by fold."""
    differences = []
    for repeat in range(min(len(with_it.scores), len(without.scores))):
        row = []
        for fold in range(5):
            inside = [i for i in range(N) if MANY[repeat, i] == fold]
            shares = [np.mean([t.scores[repeat, i].argmax() == TARGETS[i] for i in inside]) for t in (with_it, without)]
            row.append(shares[0] - shares[1])
        differences.append(row)
    return np.array(differences)


def test_a_gain_is_the_paired_difference_on_the_same_folds():
    chosen, other = trial(replace(PLAIN, power=0.5), 0.9), trial(PLAIN, 0.6, seed=1)
    (row,) = evidence(selection(chosen, other), FOLDS, TARGETS, ACCURACY)
    gain = nadeau_bengio(by_loop(chosen, other))
    assert (row.technique, row.on) == ("square root of features", True)
    assert row.gain == pytest.approx(100 * by_loop(chosen, other).mean())
    assert (row.low, row.high) == pytest.approx((100 * gain.low, 100 * gain.high))


def test_the_gain_of_what_was_left_off_is_still_with_minus_without():
    chosen, other = trial(PLAIN, 0.9), trial(replace(PLAIN, head="logistic"), 0.6, n_repeats=2, seed=1)
    (row,) = evidence(selection(chosen, other), FOLDS, TARGETS, ACCURACY)
    assert (row.technique, row.on) == ("logistic head", False)
    assert row.gain == pytest.approx(100 * by_loop(other, chosen).mean())
    assert row.gain < 0


def test_the_nearest_counterpart_is_compared_whatever_the_others_score():
    chosen = trial(Probe(("a", "b"), 0.5), 0.9)
    near, far = trial(Probe(("last",), 0.5), 0.8, seed=1), trial(PLAIN, 0.2, prior=1.0, seed=2)
    rows = {row.technique: row for row in evidence(selection(chosen, far, near), FOLDS, TARGETS, ACCURACY)}
    assert rows["several depths"].gain == pytest.approx(100 * by_loop(chosen, near).mean())
    assert rows["square root of features"].gain == pytest.approx(100 * by_loop(chosen, far).mean())


def test_a_counterpart_under_the_same_policy_is_nearer_than_one_under_another():
    chosen = trial(replace(PLAIN, power=0.5), 0.9, augment="light")
    near = trial(PLAIN, 0.8, seed=1, augment="light")
    far = trial(PLAIN, 0.2, prior=1.0, seed=2, augment="scan")
    rows = {row.technique: row for row in evidence(selection(chosen, far, near), FOLDS, TARGETS, ACCURACY)}
    assert rows["square root of features"].gain == pytest.approx(100 * by_loop(chosen, near).mean())


def test_among_equally_near_ones_the_usually_better_is_compared():
    chosen = trial(PLAIN, 0.7)
    two, six = (trial(replace(PLAIN, layers=tuple("abcdef"[:n])), 0.7, prior=n / 100, seed=n) for n in (2, 6))
    (row,) = evidence(selection(chosen, two, six), FOLDS, TARGETS, ACCURACY)
    assert row.gain == pytest.approx(100 * by_loop(six, chosen).mean())


def test_every_policy_is_compared_with_none_whichever_was_chosen():
    none = trial(PLAIN, 0.6, seed=1)
    flips, light = (
        trial(PLAIN, share, seed=at, augment=name) for share, at, name in ((0.7, 2, "flips"), (0.9, 3, "light"))
    )
    for chosen, *others in ((light, none, flips), (none, light, flips)):
        rows = {row.technique: row for row in evidence(selection(chosen, *others), FOLDS, TARGETS, ACCURACY)}
        assert list(rows) == [f"augmentation: {t.recipe.augment.name}" for t in (chosen, *others) if t is not none]
        for name, with_it in (("flips", flips), ("light", light)):
            row = rows[f"augmentation: {name}"]
            assert row.gain == pytest.approx(100 * by_loop(with_it, none).mean())
            assert row.on == (with_it is chosen)


def test_one_policy_alone_has_nothing_to_be_compared_with():
    only = (trial(replace(PLAIN, power=power), 0.7, augment="light", seed=int(power)) for power in (1.0, 0.5))
    rows = evidence(selection(*only), FOLDS, TARGETS, ACCURACY)
    assert [row.technique for row in rows] == ["square root of features"]


def test_verdicts_help_hurt_and_cannot_tell():
    def word(with_it, without):
        chosen, other = trial(replace(PLAIN, power=0.5), with_it), trial(PLAIN, without, seed=1)
        return evidence(selection(chosen, other), FOLDS, TARGETS, ACCURACY)[0].verdict

    assert [word(0.95, 0.3), word(0.3, 0.95), word(0.6, 0.6)] == ["helps", "hurts", "cannot tell"]


def test_a_technique_without_a_counterpart_is_left_out():
    assert evidence(selection(trial(PLAIN, 0.8)), FOLDS, TARGETS, ACCURACY) == []
    rows = evidence(selection(trial(PLAIN, 0.8), trial(PLAIN, 0.7, seed=1)), FOLDS, TARGETS, ACCURACY)
    assert rows == []


def test_balanced_accuracy_weighs_the_classes_of_each_fold_equally():
    targets = np.r_[np.zeros(30, int), np.ones(10, int)]
    many = repeated_folds(targets, np.arange(N), 5, 1, np.random.default_rng(0))
    first, right = np.tile([1.0, 0.0], (1, N, 1)), np.eye(2)[targets][None]
    always_zero = Trial(Recipe("net", PLAIN), 0.0, first, first, 0.0)
    perfect = Trial(Recipe("net", replace(PLAIN, power=0.5)), 0.0, right, right, 0.0)
    gains = {
        metric: evidence(selection(perfect, always_zero), Folds(many, many), targets, METRICS[metric])[0].gain
        for metric in ("accuracy", "balanced_accuracy")
    }
    assert gains == pytest.approx({"accuracy": 25.0, "balanced_accuracy": 50.0})


# What is trained is compared on few folds


TUNED = FineTuning(PLAIN)


def on_few(trial, share, seed):
    """The same trial, predicted on the few folds as well."""
    right = np.random.default_rng(seed).random((1, N)) < share
    scores = np.eye(2)[np.where(right, TARGETS, 1 - TARGETS)]
    return replace(trial, on_few=scores, few_read=scores)


def trained(share, seed, *beside):
    """A fine-tuning, alone or in an ensemble."""
    alone = trial(PLAIN, share, n_repeats=1, seed=seed)
    recipe = Recipe("net", TUNED)
    return replace(alone, recipe=Ensemble((*beside, recipe)) if beside else recipe)


def by_few_loop(with_it, without):
    """Accuracy with minus accuracy without, in each of the few folds."""
    gains = []
    for fold in range(3):
        inside = [i for i in range(N) if FOLDS.few[0, i] == fold]
        shares = [np.mean([t.few[0, i].argmax() == TARGETS[i] for i in inside]) for t in (with_it, without)]
        gains.append(shares[0] - shares[1])
    return np.array([gains])


def test_a_training_is_compared_with_the_probe_on_the_folds_that_both_were_predicted_on():
    probe = on_few(trial(PLAIN, 0.7), 0.6, seed=5)
    both = trained(0.95, 1, probe.recipe)
    for chosen, *others in ((both, probe), (probe, both)):
        rows = {row.technique: row for row in evidence(selection(chosen, *others), FOLDS, TARGETS, ACCURACY)}
        gain = nadeau_bengio(by_few_loop(both, probe))
        assert rows["fine-tuning"].gain == pytest.approx(100 * gain.value)
        assert rows["fine-tuning"].low == pytest.approx(100 * gain.low)
        assert rows["fine-tuning"].on == (chosen is both)


def test_what_a_probe_has_on_is_still_compared_where_an_ensemble_won():
    """The ensemble is no probe: the one that it was made from stands for it."""
    probe = on_few(trial(replace(PLAIN, power=0.5), 0.9), 0.9, seed=5)
    other = trial(PLAIN, 0.6, seed=2)
    rows = evidence(selection(trained(0.95, 1, probe.recipe), probe, other, base=1), FOLDS, TARGETS, ACCURACY)
    gains = {row.technique: (row.on, row.gain) for row in rows}
    assert gains["square root of features"] == (True, pytest.approx(100 * by_loop(probe, other).mean()))
    assert gains.keys() == {"square root of features", "fine-tuning"}


def test_a_training_that_won_alone_is_compared_with_the_probe_that_it_was_made_from():
    """Other probes usually do better, but were never predicted on the few folds."""
    other, probe = trial(replace(PLAIN, power=0.5), 0.6, prior=1.0, seed=2), on_few(trial(PLAIN, 0.7), 0.7, seed=5)
    alone = trained(0.95, 1)
    rows = {row.technique: row for row in evidence(selection(alone, other, probe, base=2), FOLDS, TARGETS, ACCURACY)}
    assert rows["fine-tuning"].gain == pytest.approx(100 * by_few_loop(alone, probe).mean())
    assert rows["square root of features"].gain == pytest.approx(100 * by_loop(other, probe).mean())


def test_several_picture_sizes_are_compared_with_one():
    large, small = trial(PLAIN, 0.7, seed=1), trial(PLAIN, 0.6, seed=2)
    small = replace(small, recipe=replace(small.recipe, backbone="net@small"))
    both = replace(trial(PLAIN, 0.9, seed=3), recipe=Ensemble((large.recipe, small.recipe)))
    (row,) = evidence(selection(both, large, small), FOLDS, TARGETS, ACCURACY)
    assert (row.technique, row.on) == ("several picture sizes", True)
    assert row.gain == pytest.approx(100 * by_loop(both, large).mean())


@pytest.mark.parametrize("in_use", [True, False])
def test_a_student_is_compared_with_its_teacher_which_stands_for_it_elsewhere(in_use):
    probe = on_few(trial(PLAIN, 0.7), 0.6, seed=5)
    tuned, teacher = trained(0.8, 2), trained(0.95, 1, probe.recipe)
    student = replace(trained(0.9, 3), recipe=Recipe("net", Distillation(teacher.recipe, TUNED)))
    chosen, *others = (student, teacher) if in_use else (teacher, student)
    rows = evidence(selection(chosen, *others, probe, tuned, base=2), FOLDS, TARGETS, ACCURACY)
    found = {row.technique: (row.on, row.gain) for row in rows}
    assert found == {
        "fine-tuning": (True, pytest.approx(100 * by_few_loop(teacher, probe).mean())),
        "distillation": (in_use, pytest.approx(100 * by_few_loop(student, teacher).mean())),
    }


def test_a_student_has_its_row_where_what_won_could_not_be_fitted():
    """The best probe took its place."""
    probe = on_few(trial(PLAIN, 0.7), 0.6, seed=5)
    teacher = trained(0.95, 1, probe.recipe)
    student = replace(trained(0.9, 3), recipe=Recipe("net", Distillation(teacher.recipe, TUNED)))
    rows = evidence(selection(probe, teacher, student), FOLDS, TARGETS, ACCURACY)
    assert {row.technique: row.on for row in rows} == {"fine-tuning": False, "distillation": False}
    assert rows[-1].gain == pytest.approx(100 * by_few_loop(student, teacher).mean())


# Other metrics


def test_a_gain_in_log_loss_is_in_nats_and_positive_where_the_loss_falls():
    targets, rng = TARGETS, np.random.default_rng(0)

    def sure(share, power):
        truth = share + 0.1 * rng.random((3, N))
        read = np.where(np.eye(2, dtype=bool)[targets], truth[..., None], 1 - truth[..., None])
        return Trial(Recipe("net", replace(PLAIN, power=power)), 0.0, np.zeros_like(read), read, 0.0)

    better, worse = sure(0.8, 0.5), sure(0.6, 1.0)
    (row,) = evidence(selection(better, worse), FOLDS, targets, METRICS["log_loss"])
    losses = [-np.log(each.read[:, np.arange(N), targets]) for each in (better, worse)]
    gains = [[np.mean((losses[1] - losses[0])[r, MANY[r] == fold]) for fold in range(5)] for r in range(3)]
    gain = nadeau_bengio(np.array(gains))
    assert (row.gain, row.low, row.high) == pytest.approx((gain.value, gain.low, gain.high))
    assert row.gain > 0
    assert row.verdict == "helps"
