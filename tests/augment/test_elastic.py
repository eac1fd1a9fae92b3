from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from handful.augment.draw import Draw
from handful.augment.elastic import NODES, elastic
from handful.augment.geometry import rotate
from handful.augment.matrices import scaling
from handful.augment.policy import Policy

SIDE = 200
STRONGEST = elastic.limits[1]


class Given:
    """In place of a generator: these nodes, from -1 to 1."""

    def __init__(self, nodes):
        self.nodes = nodes

    def uniform(self, low, high, shape):
        return (low + high) / 2 + np.reshape(self.nodes, shape) * (high - low) / 2


def origins(draw, side=SIDE):
    y, x = np.mgrid[0 : side + 1, 0 : side + 1].astype(float)
    return draw.warp.origins(np.stack([x, y], axis=-1).reshape(-1, 2)).reshape(side + 1, side + 1, 2)


def areas(draw):
    """Of the source, behind each pixel of the target; negative where the picture is folded over."""
    at = origins(draw)
    across, down = np.diff(at, axis=1)[:-1], np.diff(at, axis=0)[:, :-1]
    return across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]


NODE_SIGNS = st.lists(st.sampled_from([-1.0, 1.0]), min_size=2 * NODES**2, max_size=2 * NODES**2)


FOLDING = "+++++-++--+--+-++-++-++--++--+-++-+--++-+--+-++---"  # from 0.05 of the side on, found by climbing hills


@given(nodes=NODE_SIGNS)
@example(nodes=[float(sign + "1") for sign in FOLDING])
@settings(max_examples=40, deadline=None)
def test_up_to_its_limit_it_never_folds_and_points_find_back(nodes):
    """The worst fields: every node as far out as it goes, one way or the other."""
    draw = elastic.draw(Draw.nothing(SIDE, SIDE), STRONGEST, Given(nodes))
    assert areas(draw).min() > 0
    points = np.random.default_rng(0).uniform(20, SIDE - 20, (40, 2))
    np.testing.assert_allclose(draw.warp.origins(draw.warp.points(points)), points, atol=0.1)


@pytest.mark.parametrize("times", [2, 3])
def test_several_do_not_fold_either(times):
    rows, columns = np.indices((NODES, NODES))
    worst = np.stack([np.where(columns % 2, -1, 1), np.where(rows % 2, -1, 1)], axis=-1)
    draw = Draw.nothing(SIDE, SIDE)
    for _ in range(times):
        draw = elastic.draw(draw, STRONGEST, Given(worst))
    assert areas(draw).min() > 0


@given(seed=st.integers(0, 10_000), strength=st.floats(0, STRONGEST))
@settings(max_examples=40, deadline=None)
def test_points_move_by_up_to_its_strength(seed, strength):
    """By a little more where the smooth field overshoots its nodes."""
    at = origins(elastic.draw(Draw.nothing(SIDE, SIDE), strength, np.random.default_rng(seed)))
    y, x = np.mgrid[0 : SIDE + 1, 0 : SIDE + 1]
    assert np.abs(at - np.stack([x, y], axis=-1)).max() <= 1.6 * strength * SIDE + 1e-6


def test_the_field_is_smooth():
    at = origins(elastic.draw(Draw.nothing(SIDE, SIDE), STRONGEST, np.random.default_rng(1)))
    bends = np.abs(np.diff(at, 2, axis=1)).max()
    assert 0 < bends < 0.05 * STRONGEST * SIDE


def test_no_strength_is_no_change():
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    found = elastic.draw(Draw.nothing(70, 50), 0.0, np.random.default_rng(0)).image(image)
    np.testing.assert_array_equal(found, image)


def test_the_same_field_fits_every_size():
    """It is drawn in fractions of the sides: a picture of twice the size is bent to twice the size."""
    policy = Policy((rotate(), elastic()))
    points = np.random.default_rng(0).uniform(0, 100, (20, 2))
    small = policy.draw(np.random.default_rng(4), 100, 100)
    large = policy.draw(np.random.default_rng(4), 100, 100, (200, 200))
    np.testing.assert_allclose(large.warp.points(points), 2 * small.warp.points(points), atol=1e-3)
    np.testing.assert_allclose(large.warp.matrix, scaling(2, 2) @ small.warp.matrix)


def test_two_bend_the_picture_by_their_mean():
    first, second = (elastic.draw(Draw.nothing(60, 40), 0.03, np.random.default_rng(seed)) for seed in (0, 1))
    both = elastic.draw(first, 0.03, np.random.default_rng(1))
    np.testing.assert_allclose(both.warp.field, (first.warp.field + second.warp.field) / 2, atol=1e-7)


def test_its_place_in_a_policy_does_not_matter():
    first = elastic.draw(Draw.nothing(60, 40), 0.03, np.random.default_rng(0))
    first = rotate.draw(first, 20.0, np.random.default_rng(1))
    last = rotate.draw(Draw.nothing(60, 40), 20.0, np.random.default_rng(1))
    last = elastic.draw(last, 0.03, np.random.default_rng(0))
    image = np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint8)
    np.testing.assert_array_equal(first.image(image), last.image(image))
