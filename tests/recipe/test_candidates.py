from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from handful.augment.policy import Policy
from handful.augment.safety import safe_policy
from handful.augment.views import MIRRORED, MOST_VIEWS, ORIGINAL, views_of
from handful.nn.embedded import EfficientNetLite0Backbone
from handful.nn.sentence_encoder import SentenceEncoder
from handful.recipe.candidates import (
    IMBALANCED,
    MOST_ROWS,
    PRIOR_DISTILLED,
    PRIOR_POLICIES,
    PRIOR_SIZES,
    Candidate,
    Partner,
    affordable,
    candidates,
    distilled,
    ensembles,
    n_views_worth,
    on_smaller_pictures,
    partners,
    policies_tried,
    usually_best,
    views_tried,
)
from handful.recipe.ensemble import Ensemble
from handful.recipe.recipe import Recipe
from handful.recipe.unlabelled import Unlabelled
from handful.transfer.distillation import Distillation
from handful.transfer.fine_tuning import FineTuning
from handful.transfer.probe import Probe
from handful.transfer.technique import Examples, Problem
from handful.transfer.tfidf import Tfidf

ALL = {Policy.parse(name): prior for name, prior in PRIOR_POLICIES.items()}
UNMIRRORED = {safe_policy(policy, ("left",))[0]: prior for policy, prior in reversed(ALL.items())}
ONE = {Policy.parse("rotate=5"): 0.0}
SETTINGS = {
    "balanced, mirrored": ([10, 10, 10], ALL, 6),
    "unbalanced, mirrored": ([30, 10], ALL, 6),
    "left and right": ([10, 10], UNMIRRORED, 6),
    "two views": ([2000, 2000], ALL, 2),
    "two views, unmirrored": ([2000, 2000], UNMIRRORED, 2),
    "one view": ([5000, 1000], ALL, 1),
    "one policy": ([10, 10], ONE, 6),
    "one policy, one view": ([5000, 5000], ONE, 1),
}


@pytest.fixture(params=SETTINGS.values(), ids=list(SETTINGS))
def setting(request):
    return request.param


def cost(candidate, backbone):
    probe = candidate.recipe.adapt
    width = sum(column.stop - column.start for column in backbone.columns(probe.layers))
    return len(probe.test_views), len(probe.views), width


def test_the_cheapest_to_predict_comes_first(setting, tiny_backbone):
    costs = [cost(candidate, tiny_backbone) for candidate in candidates(tiny_backbone, *setting)]
    assert costs == sorted(costs)


def test_every_recipe_is_offered_once(setting, tiny_backbone):
    recipes = [candidate.recipe for candidate in candidates(tiny_backbone, *setting)]
    assert max(Counter(recipes).values()) == 1


def test_the_plainest_has_a_prior_of_zero(tiny_backbone):
    priors = {
        candidate.recipe.adapt: candidate.prior
        for candidate in candidates(tiny_backbone, [10, 10], ALL, 6)
        if candidate.recipe.augment == Policy() and candidate.recipe.adapt.layers == tiny_backbone.last
    }
    assert [prior for probe, prior in priors.items() if probe.power == 1] == [0.0]


def test_every_recipe_can_be_fitted_with_the_views_there_are(setting, tiny_backbone):
    _, policies, most = setting
    computed = views_tried(policies, most)
    assert computed[0] == ORIGINAL
    assert MIRRORED not in computed or computed[1] == MIRRORED
    assert len(set(computed)) == len(computed)
    for candidate in candidates(tiny_backbone, *setting):
        probe = candidate.recipe.adapt
        its_views = views_of(candidate.recipe.augment, most)
        assert probe.views == tuple(range(len(its_views)))
        assert set(its_views) <= set(computed)
        assert set(probe.test_views) <= set(probe.views)


def test_a_prediction_is_averaged_with_the_mirrored_photo_where_the_policy_flips(setting, tiny_backbone):
    _, _, most = setting
    for candidate in candidates(tiny_backbone, *setting):
        mirrored = MIRRORED in views_of(candidate.recipe.augment, most)
        assert candidate.recipe.adapt.test_views == ((0, 1) if mirrored else (0,))


def test_a_recipe_of_one_view_claims_no_policy(tiny_backbone):
    for candidate in candidates(tiny_backbone, [5000, 5000], ONE, 1):
        assert candidate.recipe.augment == Policy()


def test_only_the_policy_that_was_asked_for_is_tried(tiny_backbone):
    ridges = [c.recipe for c in candidates(tiny_backbone, [10, 10], ONE, 6) if c.recipe.adapt.head == "ridge"]
    assert {recipe.augment for recipe in ridges} == set(ONE)


@pytest.mark.parametrize(
    ("counts", "offered"), [([10, 10], False), ([14, 10], False), ([15, 10], True), ([90, 1], True)]
)
def test_class_weights_are_offered_only_where_classes_are_unbalanced(counts, offered, tiny_backbone):
    assert offered == (max(counts) >= IMBALANCED * min(counts))
    weights = {candidate.recipe.adapt.class_weights for candidate in candidates(tiny_backbone, counts, ALL, 6)}
    assert weights == ({"none", "balanced"} if offered else {"none"})


def test_more_examples_get_fewer_views_and_never_none():
    worth = [n_views_worth(n) for n in (1, 10, 600, 700, 1000, 2000, MOST_ROWS, MOST_ROWS + 1, 10**6)]
    assert worth == [MOST_VIEWS, 6, 6, 5, 4, 2, 1, 1, 1]


def test_auto_tries_what_usually_pays_and_nothing_unsafe():
    policies, notes = policies_tried("auto", ("cat", "dog"))
    assert policies == ALL
    assert notes == ()
    policies, notes = policies_tried("auto", ("left hand", "right hand"))
    assert not any(kind.mirrors for policy in policies for kind in (each.kind for each in policy.operations))
    assert notes == ("flip_h is left out: class names tell left from right (left, right)",)
    assert policies[Policy()] == 0.0  # flips without flips are none, and gain nothing


def test_what_is_asked_for_is_tried_alone_and_warned_of():
    assert policies_tried("hue=30", ("red", "green")) == (
        {Policy.parse("hue=30"): 0.0},
        ("hue changes colours, and class names are about colour (red, green)",),
    )
    assert policies_tried("auto", ("red", "green"))[1] == ()


@pytest.mark.parametrize(
    ("n", "seconds", "names"),
    [
        (100, None, {"none", "flips", "light", "scan", "standard"}),
        (600, 300, {"none", "flips", "light", "scan", "standard"}),
        (100, 30, {"none", "flips", "light"}),
        (100, 10, {"none", "flips"}),
        (1000, 1, {"none"}),
    ],
)
def test_a_short_budget_compares_fewer_policies_the_usually_best_first(n, seconds, names):
    kept = affordable(ALL, n, n_views_worth(n), seconds)
    assert {policy.name for policy in kept} == names
    assert all(ALL[policy] == gain for policy, gain in kept.items())


def test_the_one_policy_that_was_asked_for_is_kept_whatever_the_budget():
    assert affordable(ONE, 1000, 6, 0.1) == ONE


# What goes on from the best probe


BEST = Recipe("efficientnet-lite0", Probe(("head.mean",), 1.0, class_weights="balanced", penalty=0.1))


def sized(*sizes):
    return {each.name: each for each in map(EfficientNetLite0Backbone, sizes)}


def problem(backbones, n_each=10, pool=None):
    targets = np.arange(2 * n_each) % 2
    return Problem(Examples([], None), targets, 2, np.arange(len(targets)), backbones, unlabelled=pool)


def test_the_best_probe_is_offered_on_every_smaller_size_and_nothing_else_changes():
    offered = on_smaller_pictures(BEST, 0.03, sized(224, 192, 160))
    assert [each.recipe.backbone for each in offered] == ["efficientnet-lite0@192", "efficientnet-lite0@160"]
    assert {(each.recipe.adapt, each.recipe.augment, each.prior) for each in offered} == {
        (BEST.adapt, BEST.augment, 0.03)
    }


def test_fine_tuning_starts_from_all_depths_on_pictures_of_a_cheap_size_under_the_usually_best_policy():
    ((recipe, kind),) = partners(BEST, problem(sized(224, 160, 128)), ALL)
    backbone = EfficientNetLite0Backbone(160)
    assert isinstance(recipe.adapt, FineTuning)
    assert recipe.backbone == backbone.name
    assert recipe.augment == Policy.parse("light") == max(ALL, key=ALL.get)
    start = recipe.adapt.start
    assert start.layers == tuple(layer.name for layer in backbone.layers)
    assert start.class_weights == "balanced"  # as the probe found best
    assert start.penalty is None  # chosen for every fold anew
    assert max(start.test_views) < recipe.adapt.n_views
    assert min(kind.alone, kind.with_probe, kind.with_sizes) > 0


def test_where_there_is_no_cheap_size_fine_tuning_takes_what_there_is():
    ((recipe, _),) = partners(replace(BEST, backbone="efficientnet-lite0@128"), problem(sized(128)), {Policy(): 0.0})
    assert recipe.backbone == "efficientnet-lite0@128"
    assert recipe.adapt.start.test_views == (0,)  # nothing says that a mirrored picture is one


def test_a_network_that_was_pre_trained_is_fine_tuned_at_the_cheap_size_too():
    own = [EfficientNetLite0Backbone(size, {"any": np.zeros(1)}) for size in (224, 160, 128)]
    best = replace(BEST, backbone=own[0].name)
    ((recipe, _),) = partners(best, problem({each.name: each for each in own}), ALL)
    assert recipe.backbone == own[1].name


def test_another_network_is_not_trained(tiny_backbone):
    assert partners(Recipe("tiny", Probe(("grid",))), problem({"tiny": tiny_backbone}), ALL) == []


@pytest.mark.parametrize("n_each", [1, 2, 3, 4, 9, 10, 200])
def test_a_pool_is_learned_from_once_and_the_fewer_labels_the_more_it_is_trusted(tiny_backbone, n_each):
    best, pool = Recipe("tiny", Probe(("grid",))), Examples([], None)
    assert partners(best, problem({"tiny": tiny_backbone}, n_each), ALL) == []
    ((recipe, kind),) = partners(best, problem({"tiny": tiny_backbone}, n_each, pool), ALL)
    assert recipe == replace(best, adapt=Unlabelled(best.adapt))
    ((_, more),) = partners(best, problem({"tiny": tiny_backbone}, 10 * n_each, pool), ALL)
    assert more.alone <= kind.alone


def test_of_texts_a_pool_is_expected_to_help_at_one_label_of_each_class_only():
    encoder, pool = SentenceEncoder(), Examples([], None)
    best = Recipe(encoder.name, Probe(encoder.last))
    found = []
    for n_each in (1, 2, 10):
        offered = partners(best, problem({encoder.name: encoder}, n_each, pool), {Policy(): 0.0})
        found += [kind.alone for recipe, kind in offered if isinstance(recipe.adapt, Unlabelled)]
    assert len(found) == 3
    assert found[0] > 0 > max(found[1:])


def test_all_sizes_vote_and_every_training_votes_with_the_best_and_with_all_sizes():
    small, tuned = replace(BEST, backbone="efficientnet-lite0@160"), Recipe("net", FineTuning(BEST.adapt))
    kind = Partner(lambda *_: [tuned], alone=0.1, with_probe=0.2, with_sizes=0.3)
    assert ensembles([BEST], []) == []
    assert ensembles([BEST, small], []) == [(Ensemble((BEST, small)), PRIOR_SIZES)]
    assert ensembles([BEST], [(tuned, kind)]) == [(Ensemble((BEST, tuned)), 0.2)]
    assert ensembles([BEST, small], [(tuned, kind)]) == [
        (Ensemble((BEST, small)), PRIOR_SIZES),
        (Ensemble((BEST, tuned)), 0.2),
        (Ensemble((BEST, small, tuned)), 0.3),
    ]


TUNED = Recipe("net@160", FineTuning(BEST.adapt), Policy.parse("light"))


def test_an_ensemble_of_pictures_is_taught_to_the_network_that_is_fine_tuned():
    ensemble = Ensemble((BEST, TUNED))
    (student,) = distilled(ensemble, 0.05, [Recipe("net", Tfidf()), TUNED])
    assert student.recipe == replace(TUNED, adapt=Distillation(ensemble, TUNED.adapt))
    assert student.prior == pytest.approx(0.05 + PRIOR_DISTILLED)


@pytest.mark.parametrize(
    ("teacher", "offered"),
    [
        (BEST, [TUNED]),
        (Ensemble((BEST, TUNED)), []),
        (Ensemble((BEST, TUNED)), [Recipe("net", Tfidf())]),
        (Ensemble((BEST, TUNED)), [replace(TUNED, adapt=FineTuning(BEST.adapt, n_blocks="all"))]),
    ],
    ids=["one network already", "no partner", "texts", "nothing frozen"],
)
def test_nobody_is_taught_where_that_makes_no_sense(teacher, offered):
    assert distilled(teacher, 0.0, offered) == []


def test_the_usually_best_are_kept_in_their_order_and_the_cheaper_of_equals():
    few = [
        Candidate(replace(BEST, backbone=name), prior) for name, prior in zip("abcd", (0.1, 0.3, 0.2, 0.1), strict=True)
    ]
    assert [each.recipe.backbone for each in usually_best(few, 3)] == ["a", "b", "c"]
    assert usually_best(few, 9) == few
