from collections import Counter

import pytest

from handful.recipe.candidates import IMBALANCED, MOST_ROWS, candidates, n_views_worth

SETTINGS = {
    "balanced, mirrored": ([10, 10, 10], True, 6),
    "unbalanced, mirrored": ([30, 10], True, 6),
    "left and right": ([10, 10], False, 5),
    "two views": ([2000, 2000], True, 2),
    "two views, unmirrored": ([2000, 2000], False, 2),
    "one view": ([5000, 1000], True, 1),
    "one view, unmirrored": ([5000, 5000], False, 1),
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


def test_the_plainest_has_a_prior_of_zero_and_every_recipe_is_offered_once(setting, tiny_backbone):
    tried = candidates(tiny_backbone, *setting)
    probes = [candidate.recipe.adapt for candidate in tried]
    assert max(Counter(probes).values()) == 1
    plain = [
        candidate.prior
        for candidate, probe in zip(tried, probes, strict=True)
        if (probe.layers, probe.power, probe.views, probe.head) == (tiny_backbone.last, 1.0, (0,), "ridge")
    ]
    assert plain
    assert set(plain) == {0.0}


def test_every_recipe_can_be_fitted_with_the_views_there_are(setting, tiny_backbone):
    for candidate in candidates(tiny_backbone, *setting):
        probe = candidate.recipe.adapt
        assert max(probe.views) < setting[2]
        assert set(probe.test_views) <= set(probe.views)


def test_nothing_is_averaged_with_the_mirrored_photo_where_that_changes_the_label(setting, tiny_backbone):
    _, may_mirror, n_views = setting
    mirrored = [candidate.recipe.adapt.test_views for candidate in candidates(tiny_backbone, *setting)]
    assert ((0, 1) in mirrored) == (may_mirror and n_views > 1)


@pytest.mark.parametrize(
    ("counts", "offered"), [([10, 10], False), ([14, 10], False), ([15, 10], True), ([90, 1], True)]
)
def test_class_weights_are_offered_only_where_classes_are_unbalanced(counts, offered, tiny_backbone):
    assert offered == (max(counts) >= IMBALANCED * min(counts))
    weights = {candidate.recipe.adapt.class_weights for candidate in candidates(tiny_backbone, counts, True, 6)}
    assert weights == ({"none", "balanced"} if offered else {"none"})


def test_more_examples_get_fewer_views_and_never_none():
    worth = [n_views_worth(n, 6) for n in (1, 10, 600, 700, 1000, 2000, MOST_ROWS, MOST_ROWS + 1, 10**6)]
    assert worth == [6, 6, 6, 5, 4, 2, 2, 1, 1]
