"""One contract for every metric, against scikit-learn where it has the metric too."""

import pickle

import numpy as np
import pytest
from sklearn import metrics as reference

from handful.core.errors import DataError, UsageError
from handful.evaluate.arrays import example_weights, softmax
from handful.evaluate.intervals import around, mean_draws, score_interval
from handful.evaluate.metric import ACCURACY, AUROC, BALANCED_ACCURACY, LOG_LOSS, MACRO_F1, METRICS
from handful.evaluate.metric_names import check_metric, cost_metric, metric_named, metric_text

NAMES = ("a", "b", "c")
COSTS = np.array([[0.0, 1, 2], [5, 0, 1], [9, 3, 1]])
COST = cost_metric(COSTS, NAMES)
ALL = [*METRICS.values(), COST]

every_metric = pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)


def examples(n, rng, shares=(0.5, 0.3, 0.2), signal=1.5):
    """Targets and the true probabilities of each class given noisy evidence."""
    targets = rng.choice(len(shares), n, p=shares)
    evidence = rng.normal(size=(n, len(shares))) + signal * np.eye(len(shares))[targets]
    return targets, softmax(signal * evidence + np.log(shares))


@pytest.fixture
def scored():
    return examples(120, np.random.default_rng(0))


def by_scikit_learn(metric, targets, probabilities, weights=None):
    predicted = probabilities.argmax(axis=1)
    if metric is AUROC:  # its own average="macro" knows no weights of examples in several classes
        areas = [reference.roc_auc_score(targets == k, probabilities[:, k], sample_weight=weights) for k in range(3)]
        return np.mean(areas)
    if metric is COST:
        expected = [min(range(3), key=lambda j, p=p: sum(p[i] * COSTS[i, j] for i in range(3))) for p in probabilities]
        return np.average(COSTS[targets, expected], weights=weights)
    return {
        ACCURACY: lambda: reference.accuracy_score(targets, predicted, sample_weight=weights),
        BALANCED_ACCURACY: lambda: reference.balanced_accuracy_score(targets, predicted, sample_weight=weights),
        MACRO_F1: lambda: reference.f1_score(targets, predicted, average="macro", sample_weight=weights),
        LOG_LOSS: lambda: reference.log_loss(targets, probabilities, sample_weight=weights),
    }[metric]()


@every_metric
def test_the_value_is_that_of_scikit_learn_or_of_the_definition(metric, scored):
    assert metric.value(*scored) == pytest.approx(by_scikit_learn(metric, *scored))


@every_metric
def test_contributions_average_to_the_value(metric, scored):
    sign = 1 if metric.greater_is_better else -1
    assert metric.contributions(*scored).mean() == pytest.approx(sign * metric.value(*scored), abs=1e-12)


@every_metric
def test_contributions_say_how_the_value_changes_when_an_example_counts_a_little_more(metric, scored):
    """To first order. Over classes only the part within a class counts: their shares are given."""
    targets, probabilities = scored
    n, step, sign = len(targets), 1e-5, 1 if metric.greater_is_better else -1
    slopes, rows = [], range(0, n, 8)
    for i in rows:
        more = np.ones(n)
        more[i] += n * step
        gain = by_scikit_learn(metric, targets, probabilities, more) - metric.value(*scored)
        slopes.append(sign * gain / step)
    parts = metric.contributions(*scored)
    if metric is BALANCED_ACCURACY:
        parts = (
            parts
            - n
            * example_weights(targets, "balanced_accuracy")
            * (np.array([parts[targets == k].mean() for k in range(3)]) * 3 * np.bincount(targets) / n)[targets]
        )
    else:
        parts = parts - sign * metric.value(*scored) * n * example_weights(targets, metric.averaging)
    np.testing.assert_allclose(slopes, parts[rows], atol=0.01 * np.abs(parts).max())


@every_metric
def test_perfect_answers_are_best(metric, scored):
    targets, probabilities = scored
    perfect, given = metric.value(targets, np.eye(3)[targets]), metric.value(targets, probabilities)
    assert (perfect > given) if metric.greater_is_better else (perfect < given)
    if metric is not COST:
        assert perfect == (1 if metric.greater_is_better else 0)
    else:
        assert perfect == pytest.approx(COSTS.diagonal()[targets].mean())


@every_metric
def test_the_order_of_examples_does_not_matter(metric, scored):
    targets, probabilities = scored
    order = np.random.default_rng(1).permutation(len(targets))
    moved = targets[order], probabilities[order]
    np.testing.assert_allclose(metric.contributions(*moved), metric.contributions(*scored)[order], atol=1e-12)
    units = np.arange(len(targets))
    first, second = (
        metric.interval(t, p, units, np.random.default_rng(2)) for t, p in (scored, moved)
    )  # one example per unit: units need no order either
    assert (first.value, first.low, first.high) == pytest.approx((second.value, second.low, second.high), abs=1e-6)


@every_metric
def test_the_interval_holds_the_value_is_wide_where_little_is_known_and_stays_within_what_is_possible(metric, scored):
    targets, probabilities = scored
    units, rng = np.arange(len(targets)), np.random.default_rng(0)
    for predicted in (probabilities, np.eye(3)[targets], np.eye(3)[(targets + 1) % 3]):
        whole = metric.interval(targets, predicted, units, rng)
        half = metric.interval(targets, predicted, units, rng, worth=0.5)
        few = metric.interval(targets[:12], predicted[:12], units[:12], rng)
        for interval in (whole, half, few):
            assert interval.low <= interval.value <= interval.high
        assert 0 < whole.high - whole.low < half.high - half.low
        assert whole.high - whole.low < few.high - few.low
        assert whole.low >= 0
        assert whole.high <= (1 if metric.greater_is_better else COSTS.max() if metric is COST else np.inf)
    assert (whole.n, few.n) == (120, 12)


@every_metric
def test_units_that_agree_count_once(metric, scored):
    targets, probabilities = (np.repeat(array, 4, axis=0) for array in scored)
    apart = metric.interval(targets, probabilities, np.arange(480), np.random.default_rng(0))
    tied = metric.interval(targets, probabilities, np.arange(480) // 4, np.random.default_rng(0))
    assert tied.value == pytest.approx(apart.value)
    assert (tied.high - tied.low) / (apart.high - apart.low) == pytest.approx(2, rel=0.2)


# shares of the classes, how far they are apart, examples
SAMPLES = [((0.5, 0.3, 0.2), 1.5, 30), ((0.7, 0.2, 0.1), 2.5, 60), ((1 / 3, 1 / 3, 1 / 3), 1.5, 150)]


@every_metric
@pytest.mark.parametrize(("shares", "signal", "n"), SAMPLES)
def test_intervals_hold_the_truth(metric, shares, signal, n):
    rng = np.random.default_rng(3)
    truth = metric.value(*examples(100_000, rng, shares, signal))
    units, held = np.arange(n), []
    for _ in range(120):
        targets, probabilities = examples(n, rng, shares, signal)
        parts = metric.contributions(targets, probabilities)
        interval = metric.interval_of(parts, targets, units, rng, n_draws=300)
        held.append(interval.low <= truth <= interval.high)
    assert np.mean(held) > 0.88  # 0.93 to 1 in 400 samples; 120 of them have a standard error of 0.02


@every_metric
def test_a_difference_is_paired_and_positive_when_the_second_is_better(metric, scored):
    targets, probabilities = scored
    better = softmax(np.log(probabilities) + 0.7 * np.eye(3)[targets])
    a, b = metric.contributions(targets, probabilities), metric.contributions(targets, better)
    units, rng = np.arange(len(targets)), np.random.default_rng(0)
    gain = metric.difference(a, b, targets, units, rng)
    improvement = metric.value(targets, better) - metric.value(targets, probabilities)
    assert gain.value == pytest.approx(improvement if metric.greater_is_better else -improvement)
    assert gain.low < gain.value < gain.high
    alone = metric.interval_of(b, targets, units, rng)
    assert gain.high - gain.low < alone.high - alone.low  # what both share cancels
    same = metric.difference(a, a, targets, units, rng)
    assert same.value == 0
    assert same.low < 0 < same.high  # equal on 120 examples is not equal


@pytest.mark.parametrize("metric", [ACCURACY, BALANCED_ACCURACY])
def test_accuracies_keep_the_interval_and_the_difference_they_have(metric, scored):
    targets, probabilities = scored
    correct = (probabilities.argmax(axis=1) == targets).astype(float)
    units = np.arange(len(targets)) // 2
    old = score_interval(correct, targets, units, metric.name, np.random.default_rng(5), worth=0.5)
    assert metric.interval(targets, probabilities, units, np.random.default_rng(5), 0.5) == old
    other = np.roll(correct, 1)
    scale = len(targets) * example_weights(targets, metric.name)
    gains, weights = other - correct, example_weights(targets, metric.name)
    draws = mean_draws(gains, targets, units, metric.name, (-1.0, 0.0, 1.0), np.random.default_rng(6), 4000)
    before = around(float(weights @ gains), draws, 0.95, len(targets))
    after = metric.difference(scale * correct, scale * other, targets, units, np.random.default_rng(6))
    assert (after.value, after.low, after.high) == pytest.approx((before.value, before.low, before.high))


def test_a_difference_points_from_a_to_b_and_is_antisymmetric():
    rng = np.random.default_rng(0)
    targets, units = np.arange(100) % 4, np.arange(100)
    a = (rng.random(100) < 0.6).astype(float)
    b = np.maximum(a, rng.random(100) < 0.6)
    there = ACCURACY.difference(a, b, targets, units, np.random.default_rng(1))
    back = ACCURACY.difference(b, a, targets, units, np.random.default_rng(1))
    assert there.value == pytest.approx(np.mean(b - a))
    assert there.low > 0
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low), abs=0.01)


def test_models_that_agree_on_few_examples_are_not_known_to_be_equal():
    same, units = np.ones(10), np.arange(10)
    few = ACCURACY.difference(same, same, units % 2, units, np.random.default_rng(0))
    assert few.low < -0.05 < 0 == few.value < 0.05 < few.high


def test_the_auroc_of_two_classes_is_the_share_of_pairs_in_order():
    rng = np.random.default_rng(0)
    targets, scores = rng.integers(0, 2, 40), rng.integers(0, 6, 40) / 5  # with ties
    pairs = [
        (scores[i] > scores[j]) + (scores[i] == scores[j]) / 2
        for i in np.flatnonzero(targets == 1)
        for j in np.flatnonzero(targets == 0)
    ]
    assert AUROC.value(targets, np.stack([1 - scores, scores], axis=1)) == pytest.approx(np.mean(pairs))


def test_the_spread_of_auroc_is_delongs():
    """Variance of the placements of each side, over its number."""
    targets, probabilities = examples(80, np.random.default_rng(1), (0.6, 0.4))
    scores = probabilities[:, 1]
    wins = (scores[targets == 1][:, None] > scores[targets == 0]).astype(float)
    delong = wins.mean(axis=1).var() / wins.shape[0] + wins.mean(axis=0).var() / wins.shape[1]
    parts = AUROC.contributions(targets, probabilities)
    deviations = parts - AUROC.value(targets, probabilities) * 80 * example_weights(targets, "balanced_accuracy")
    assert (deviations**2).sum() / 80**2 == pytest.approx(delong)


def test_auroc_without_examples_of_a_class_is_the_mean_of_the_others_and_says_so(scored):
    targets, probabilities = scored
    rows = targets != 1
    areas = [reference.roc_auc_score(targets[rows] == k, probabilities[rows, k]) for k in (0, 2)]
    assert AUROC.value(targets[rows], probabilities[rows]) == pytest.approx(np.mean(areas))
    assert AUROC.note(targets[rows], NAMES) == "The mean is over 2 of 3 classes: there is no example of b."
    assert AUROC.note(targets, NAMES) is None
    assert ACCURACY.note(targets[rows], NAMES) is None


def test_auroc_of_one_class_is_unknown(scored):
    targets, probabilities = np.zeros(5, dtype=np.int64), scored[1][:5]
    assert AUROC.value(targets, probabilities) is None
    assert AUROC.interval(targets, probabilities, np.arange(5), np.random.default_rng(0)) is None
    parts = AUROC.contributions(targets, probabilities)
    assert AUROC.difference(parts, parts, targets, np.arange(5), np.random.default_rng(0)) is None
    assert AUROC.note(targets, NAMES) == "AUROC needs two classes, and there is no example of b, c."


def test_guessing_is_what_the_class_shares_alone_score():
    targets = np.repeat([0, 1, 2], [6, 3, 1])
    shares = np.array([0.6, 0.3, 0.1])
    expected = {
        "accuracy": 0.6,
        "balanced_accuracy": 1 / 3,
        "macro_f1": 0.75 / 3,  # recall 1 and precision 0.6 of one class of three
        "auroc": 0.5,
        "log_loss": -(shares @ np.log(shares)),
        "cost": min(shares @ COSTS),
    }
    assert {metric.name: metric.guessing(targets, 3) for metric in ALL} == pytest.approx(expected)


@pytest.mark.parametrize(("metric", "power"), [(BALANCED_ACCURACY, 1), (MACRO_F1, 0.5)])
def test_uneven_classes_are_decided_by_likelihood_over_share(metric, power, scored):
    targets, probabilities = scored
    shares = np.bincount(targets) / len(targets)
    informed = metric.at_shares(targets, 3)
    np.testing.assert_array_equal(informed.decide(probabilities), (probabilities / shares**power).argmax(axis=1))
    assert informed.graded
    assert metric.at_shares(np.arange(9) % 3, 3) is metric
    assert metric.at_shares(np.array([0, 0, 2]), 3).decide(np.full((1, 3), 1 / 3)).tolist() == [1]  # the rarest


@pytest.mark.parametrize("metric", [ACCURACY, AUROC, LOG_LOSS, COST])
def test_the_others_are_decided_as_ever(metric):
    assert metric.at_shares(np.array([0, 0, 1]), 3) is metric


@pytest.mark.parametrize("metric", [BALANCED_ACCURACY, MACRO_F1])
def test_deciding_by_share_pays_where_probabilities_are_true(metric):
    targets, probabilities = examples(20_000, np.random.default_rng(0), (0.9, 0.07, 0.03))
    informed, uninformed = metric.at_shares(targets, 3), ACCURACY
    assert informed.value(targets, probabilities) > metric.value(targets, probabilities) + 0.01
    assert uninformed.value(targets, probabilities) > np.mean(informed.decide(probabilities) == targets)


def test_costs_decide_what_to_answer():
    probabilities = np.array([[0.8, 0.15, 0.05], [0.5, 0.1, 0.4]])
    assert ACCURACY.decide(probabilities).tolist() == [0, 0]
    assert COST.decide(probabilities).tolist() == [1, 2]  # expected costs 1.2 0.95 1.8 and 4.1 1.7 1.5
    equal = cost_metric(1 - np.eye(3), NAMES)
    assert equal.decide(probabilities).tolist() == [0, 0]
    targets = np.array([1, 0])
    assert equal.value(targets, probabilities) == 1 - ACCURACY.value(targets, probabilities)


@every_metric
def test_calibration_matters_for_graded_metrics_alone(metric, scored):
    targets, probabilities = scored
    sharper = softmax(np.log(probabilities) * 5)
    same = np.array_equal(metric.contributions(targets, sharper), metric.contributions(targets, probabilities))
    assert same != metric.graded


def test_metrics_survive_the_way_to_another_process(scored):
    for metric in ALL:
        assert pickle.loads(pickle.dumps(metric)).value(*scored) == metric.value(*scored)  # noqa: S301 - ours


def test_metrics_are_found_by_name(tmp_path):
    assert metric_named("macro-f1", NAMES) is MACRO_F1
    with pytest.raises(UsageError, match=r"'f2'; metric; use accuracy, .*log_loss or cost:FILE.csv"):
        metric_named("f2", NAMES)
    file = tmp_path / "costs.csv"
    file.write_text("truth,a,b,c\na,0,1,2\nb,5,0,1\nc,9,3,1\n")
    assert metric_named(f"cost:{file}", NAMES).costs == COST.costs


def test_a_matrix_from_python_is_checked():
    with pytest.raises(DataError, match="2 x 2 costs"):
        cost_metric(COSTS, ("a", "b"))


def test_the_span_is_what_perfect_answers_gain_over_blind_ones():
    """Blind: the same probability for all. In F1 one class of three is found, by 1 / 3; at even costs b is cheapest."""
    expected = {
        "accuracy": 2 / 3,
        "balanced_accuracy": 2 / 3,
        "macro_f1": 1 - 0.5 / 3,
        "auroc": 0.5,
        "log_loss": np.log(3),
        "cost": COSTS.mean(axis=0).min() - COSTS.diagonal().mean(),
    }
    assert {metric.name: metric.span(3) * 2 / 3 for metric in ALL} == pytest.approx(expected)


@every_metric
def test_by_other_costs_it_judges_the_answers_that_these_decide_on(metric, scored):
    targets, probabilities = scored
    judge = metric.deciding_by(COST.costs)
    answers = COST.decide(probabilities)
    np.testing.assert_array_equal(judge.decide(probabilities), answers)
    assert judge.of_answers.value(targets, probabilities) == pytest.approx(np.mean(answers == targets))
    if metric in (AUROC, LOG_LOSS):  # which read no answers
        assert judge.value(targets, probabilities) == metric.value(targets, probabilities)
    else:
        assert judge.value(targets, probabilities) == pytest.approx(
            metric.value(targets, np.eye(3)[answers]) if metric is not COST else COSTS[targets, answers].mean()
        )
    assert (judge.graded, judge.with_bias) == (True, True)


def test_accuracy_judges_its_own_answers():
    assert ACCURACY.of_answers == ACCURACY
    assert not ACCURACY.with_bias


@pytest.mark.parametrize("matrix", [COSTS, COSTS.tolist(), COST.costs])
def test_a_matrix_is_a_metric_in_any_form_and_as_text(matrix):
    assert metric_named(matrix, NAMES).costs == metric_named(metric_text(matrix), NAMES).costs == COST.costs


def test_text_that_is_no_matrix_is_refused():
    with pytest.raises(
        DataError, match=r"not a list of lists of numbers; \[\[0, 1\]; write cost:\[\[0, 1\], \[20, 0\]\]"
    ):
        metric_named("cost:[[0, 1]", NAMES)
    with pytest.raises(DataError, match="expected 3 x 3 costs"):
        metric_named("cost:[[0, 1]]", NAMES)


def test_names_are_checked_before_the_classes_are_known():
    with pytest.raises(UsageError, match=r"no metric is called 'f2'; metric"):
        check_metric("f2")
    for name in ("Macro-F1", "cost:anything.csv", *METRICS):
        check_metric(name)
