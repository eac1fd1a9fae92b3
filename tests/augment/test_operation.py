from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from handful.augment.operation import Kind, Operation, both_ways, exactly, from_nothing, operation, parsed, up_to
from handful.augment.policy import OPERATIONS
from handful.core.errors import UsageError


@operation("push", usual=2, reach=both_ways, limits=(-8, 8), unit=" steps", widest=(-5, 5))
def push(so_far, steps, rng):
    """To the right."""
    return (*so_far, steps)


@operation("blink")
def blink(so_far, amount, rng):
    """And open again."""
    return (*so_far, "blink")


KNOWN = {"push": push, "blink": blink}


def test_a_number_stands_for_a_range():
    assert both_ways(15) == (-15, 15)
    assert from_nothing(0.2) == (0, 0.2)
    assert exactly(0.8) == (0.8, 0.8)
    assert up_to(1)(0.5) == (0.5, 1)


def test_a_kind_makes_operations():
    assert push() == Operation(push, -2.0, 2.0, 1.0)
    assert push(3) == Operation(push, -3.0, 3.0, 1.0)
    assert push((-1, 4), 0.5) == Operation(push, -1.0, 4.0, 0.5)
    assert blink() == Operation(blink, 0.0, 0.0, 1.0)
    assert blink(0.3) == blink(probability=0.3) == Operation(blink, 0.0, 0.0, 0.3)
    assert push(3) != push(2)
    assert push(3) != blink()


def test_a_kind_keeps_the_words_of_its_function():
    assert push.__doc__ == "To the right."
    assert push.__module__ == __name__


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (push(), "push=2"),
        (push(3), "push=3"),
        (push((-1, 4)), "push=-1..4"),
        (push((4, 4)), "push=4..4"),
        (push(0), "push=0"),
        (push(0.1 + 0.2), "push=0.30000000000000004"),
        (push(3, 0.5), "push=3@0.5"),
        (push((1e-7, 2e-7), 1 / 3), "push=1e-07..2e-07@0.3333333333333333"),
    ],
)
def test_the_text_is_the_shortest_and_comes_back(made, text):
    assert str(made) == text
    assert parsed(text, KNOWN) == made


@pytest.mark.parametrize("probability", [0.3, 1 / 3, 0, 1, 1.0, 0.0])
def test_so_does_that_of_a_kind_without_amounts(probability):
    made = blink(probability)
    assert str(made).startswith("blink")
    assert parsed(str(made), KNOWN) == made


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("push", push()),
        (" push = 3 ", push(3)),
        ("push=-1..4@0.5", push((-1, 4), 0.5)),
        ("push = -1 .. 4 @ 0.5", push((-1, 4), 0.5)),
        ("push=3e0", push(3)),
        ("push=.5", push(0.5)),
        ("blink=0.25", blink(0.25)),
        ("blink", blink()),
    ],
)
def test_what_may_be_written(text, expected):
    assert parsed(text, KNOWN) == expected


@pytest.mark.parametrize("kind", [push, blink])
@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan"), float("inf"), "half"])
def test_a_probability_is_from_0_to_1(kind, probability):
    with pytest.raises(UsageError, match=rf"^{kind.name} has the probability .*, expected 0 to 1; policy"):
        kind(probability=probability)


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        (9, "9, which stands for -9 to 9"),
        ((-9, 0), "-9..0"),
        ((3, 1), "3..1"),
        (float("nan"), "nan..nan"),
        (float("inf"), "inf, which stands for -inf to inf"),
        ((0, 8.1), "0..8.1"),
    ],
)
def test_an_amount_is_within_the_limits_the_lower_one_first(amount, written):
    message = rf"^push has the amount {written}, expected -8 to 8 steps, the lower one first; policy; usual is push=2$"
    with pytest.raises(UsageError, match=message):
        push(amount)


def test_how_often_and_how_much():
    rng = np.random.default_rng(0)
    done = [push(4, 0.3)((), rng) for _ in range(4000)]
    amounts = np.concatenate([np.array(each) for each in done])
    assert abs(len(amounts) - 1200) < 4 * (4000 * 0.3 * 0.7) ** 0.5
    counts = np.histogram(amounts, 8, (-4, 4))[0]
    assert counts.sum() == len(amounts)
    assert ((counts - len(amounts) / 8) ** 2 / (len(amounts) / 8)).sum() < 24.3  # chi-square, 7 degrees, 1 in 1000


@pytest.mark.parametrize("probability", [0, 1])
def test_never_and_always(probability):
    rng = np.random.default_rng(0)
    assert {blink(probability)((), rng) for _ in range(500)} == {("blink",) if probability else ()}


@pytest.mark.parametrize("kind", OPERATIONS.values(), ids=OPERATIONS)
def test_a_kind_stays_itself_when_copied_or_pickled(kind):
    assert pickle.loads(pickle.dumps(kind)) is kind  # noqa: S301
    assert copy.deepcopy(kind) is kind
    assert isinstance(kind, Kind)
    assert pickle.loads(pickle.dumps(kind())) == kind()  # noqa: S301


@pytest.mark.parametrize("kind", OPERATIONS.values(), ids=OPERATIONS)
def test_every_kind_is_described_and_its_usual_amount_is_one(kind):
    assert kind.__doc__.strip().endswith(".")
    assert OPERATIONS[kind.name] is kind
    assert str(kind()).startswith(kind.name)
    if kind.usual is not None:
        assert kind.limits[0] <= kind().low <= kind().high <= kind.limits[1]
