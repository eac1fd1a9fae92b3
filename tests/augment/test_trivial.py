from __future__ import annotations

import numpy as np
import pytest

from handful.augment.draw import Draw
from handful.augment.operations import KINDS
from handful.augment.policy import Policy
from handful.augment.trivial import CHOICES, trivial


class Counting:
    """In place of a generator: always this choice, and what was asked for is kept."""

    def __init__(self, choice, share=0.5):
        self.choice, self.share, self.asked = choice, share, []

    def integers(self, below):
        self.asked.append(below)
        return self.choice

    def uniform(self, low, high, shape=None):
        self.asked.append((low, high))
        return low + (high - low) * self.share if shape is None else np.full(shape, low + (high - low) * self.share)


def chosen(monkeypatch, seed, times):
    """Which kinds were drawn, by name; "nothing" where none was."""
    names = []
    for kind in CHOICES:

        def noted(so_far, _amount, _rng, name=kind.name):
            names.append(name)
            return so_far

        monkeypatch.setitem(vars(kind), "draw", noted)
    rng = np.random.default_rng(seed)
    for _ in range(times):
        before = len(names)
        trivial.draw(Draw.nothing(9, 9), 0.0, rng)
        if len(names) == before:
            names.append("nothing")
    return names


def test_every_choice_is_drawn_about_equally_often(monkeypatch):
    times = 200 * (len(CHOICES) + 1)
    names, counts = np.unique(chosen(monkeypatch, 7, times), return_counts=True)
    assert set(names) == {kind.name for kind in CHOICES} | {"nothing"}
    freedom = len(CHOICES)
    statistic = ((counts - 200) ** 2 / 200).sum()
    assert statistic < freedom + 4 * (2 * freedom) ** 0.5  # chi-square: four standard deviations above its mean


def test_nothing_is_a_choice():
    before = Draw.nothing(9, 9)
    rng = Counting(len(CHOICES))
    assert trivial.draw(before, 0.0, rng) is before
    assert rng.asked == [len(CHOICES) + 1]


def test_what_mirrors_is_never_drawn():
    assert not any(kind.mirrors or kind.overturns for kind in CHOICES)
    rng = np.random.default_rng(0)
    policy = Policy((trivial(),))
    assert not any(policy.draw(rng, 30, 20).warp.mirrors for _ in range(500))


def test_everything_else_with_a_widest_range_or_without_an_amount_is_a_choice():
    left_out = {kind.name for kind in KINDS} - {kind.name for kind in CHOICES}
    assert left_out == {"flip_h", "flip_v", "crop"}  # a crop changes the size
    assert trivial not in CHOICES


@pytest.mark.parametrize("kind", CHOICES)
def test_amounts_come_from_the_widest_range_which_is_within_the_limits(kind):
    rng = Counting(CHOICES.index(kind))
    if kind.usual is None:
        assert kind.widest is None
        return
    low, high = kind.widest
    assert kind.limits[0] <= low < high <= kind.limits[1]
    assert low <= kind().low
    assert kind().high <= high
    trivial.draw(Draw.nothing(9, 9), 0.0, rng)
    assert rng.asked[1] == (low, high)


def test_one_operation_at_a_time():
    rng = np.random.default_rng(1)
    for _ in range(300):
        draw = trivial.draw(Draw.nothing(30, 20), 0.0, rng)
        bent = draw.warp.field is not None
        changed = (
            bent + (not np.array_equal(draw.warp.matrix, np.eye(3))) + len(draw.recolour.stages) + len(draw.effects)
        )
        assert changed <= 1
        assert draw.warp.target == (30, 20)
