import math

import pytest

from handful.core import budget as room
from handful.core.budget import Budget
from handful.core.errors import UsageError


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is told otherwise."""
    now = [1000.0]
    monkeypatch.setattr(room.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("5m", 300), ("1h", 3600), ("1.5 m", 90), (" 2s ", 2)])
def test_a_time_is_a_ceiling_for_what_is_still_to_come(text, seconds, clock):
    budget = Budget.parse(text)
    assert budget.fits is None
    assert budget.allows(seconds - 1)
    assert not budget.allows(seconds + 1)
    clock[0] += seconds - 10
    assert budget.allows(9)
    assert not budget.allows(11)


def test_what_is_reserved_is_left_for_what_must_follow(clock):
    budget = Budget(seconds=60)
    budget.reserve(20)
    assert budget.seconds_left == 40
    assert budget.allows(39)
    assert not budget.allows(41)
    clock[0] += 50
    assert budget.seconds_left == -10
    assert not budget.allows(0)
    endless = Budget(fits=3)
    endless.reserve(1e9)
    assert endless.seconds_left == math.inf


@pytest.mark.parametrize(("text", "fits"), [("40fits", 40), ("1fit", 1), ("3 fits", 3)])
def test_a_number_of_fits_knows_no_clock(text, fits, clock):
    budget = Budget.parse(text)
    clock[0] += 1e9
    for _ in range(fits):
        assert budget.allows(1e9)
        budget.spend()
    assert not budget.allows(0)


@pytest.mark.parametrize("text", ["", "5", "m", "0s", "0fits", "-5m", "5 minutes", "nan s", "1e3s", "5m!"])
def test_anything_else_is_refused_with_what_to_write(text):
    with pytest.raises(UsageError, match=r"cannot read the budget .*; budget; write 90s, 5m, 1h or 40fits"):
        Budget.parse(text)
