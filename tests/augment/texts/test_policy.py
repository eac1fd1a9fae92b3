import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handful.augment.texts.policy import NAMED, OPERATIONS, TextPolicy
from handful.augment.texts.word_noise import delete, swap
from handful.core.errors import UsageError

TEXT = "The service was friendly, the food (fish, mostly) was not: we won't come back!"


def test_text_is_what_it_was_made_from():
    policy = TextPolicy.parse(" delete = 0.1, swap=0.05..0.2 ,typos=0.03@0.5 ")
    assert str(policy) == "delete=0.1,swap=0.05..0.2,typos=0.03@0.5"
    assert policy.operations[:2] == (delete(0.1), swap((0.05, 0.2)))


@pytest.mark.parametrize("text", [*NAMED, *filter(None, NAMED.values()), *OPERATIONS, "lower=0.25,case=0.1@0.3"])
def test_a_policy_comes_back_equal_from_its_text_and_from_a_pickle(text):
    policy = TextPolicy.parse(text)
    assert TextPolicy.parse(str(policy)) == policy
    assert eval(repr(policy)) == policy  # noqa: S307
    assert pickle.loads(pickle.dumps(policy)) == policy  # noqa: S301


@pytest.mark.parametrize("name", NAMED)
def test_named_policies_know_their_name(name):
    assert TextPolicy.parse(name).name == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("delte=0.1", "no operation is called 'delte'; policy; did you mean delete?"),
        ("standart", "no operation is called 'standart'; policy; did you mean standard?"),
        ("delete=x", "'delete=x' has 'x' where a number is expected; policy; write delete=0.1 or delete=0.1@0.5"),
        ("delete=2", "delete has the amount 2, expected 0 to 1, the lower one first; policy; usual is delete=0.1"),
        ("swap=0.1@1.5", "swap has the probability 1.5, expected 0 to 1; policy; write 0.5, say"),
        ("lower=7", "lower has the probability 7.0, expected 0 to 1; policy; write 0.5, say"),
    ],
)
def test_mistakes_are_named(text, message):
    with pytest.raises(UsageError) as raised:
        TextPolicy.parse(text)
    assert str(raised.value) == message


def test_the_policy_of_images_is_named_apart():
    with pytest.raises(UsageError, match=r"no operation is called 'rotate'; policy; known are delete, swap"):
        TextPolicy.parse("rotate=15")


def test_nothing_leaves_a_text_as_it_is():
    assert TextPolicy.parse("none")(TEXT, np.random.default_rng(0)) == TEXT


def test_operations_happen_in_their_order_and_as_often_as_they_say():
    rng = np.random.default_rng(0)
    assert TextPolicy.parse("blank=1,lower")("Ab, Cd", rng) == "_, _"
    often = TextPolicy.parse("lower=0.3")
    n = sum(often("A", rng) == "a" for _ in range(2000))
    assert n == pytest.approx(600, abs=100)


def test_an_operation_can_be_left_out():
    assert str(TextPolicy.parse("typing").without("lower", "case")) == "typos=0.05,punctuation=0.3@0.5"


@given(text=st.text(), seed=st.integers(0, 99))
@pytest.mark.parametrize("name", NAMED)
def test_any_text_goes_through_and_the_same_seed_gives_the_same(name, text, seed):
    policy = TextPolicy.parse(name)
    assert policy(text, np.random.default_rng(seed)) == policy(text, np.random.default_rng(seed))
    assert bool(policy(text, np.random.default_rng(seed)).strip()) == bool(text.strip())


@pytest.mark.parametrize("name", [name for name in NAMED if name != "none"])
def test_named_policies_change_most_texts(name):
    rng, policy = np.random.default_rng(0), TextPolicy.parse(name)
    assert sum(policy(TEXT, rng) != TEXT for _ in range(200)) > 100
