from __future__ import annotations

import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from handful.augment.policy import BORDERS, NAMED, OPERATIONS, Policy
from handful.core.errors import DataError, UsageError

RNG = np.random.default_rng
IMAGE = RNG(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)


@st.composite
def operations(draw):
    kind = draw(st.sampled_from(list(OPERATIONS.values())))
    probability = draw(st.one_of(st.just(1.0), st.floats(0, 1)))
    if kind.usual is None:
        return kind(probability=probability)
    ends = sorted(draw(st.tuples(*[st.floats(*kind.limits)] * 2)))
    single = draw(st.floats(*kind.limits))
    low, high = kind.reach(single)
    stands_for_a_range = kind.limits[0] <= low <= high <= kind.limits[1]
    amount = single if stands_for_a_range and draw(st.booleans()) else tuple(ends)
    return kind(amount, probability)


POLICIES = st.builds(Policy, st.lists(operations(), max_size=6).map(tuple), st.sampled_from(BORDERS))


@given(policy=POLICIES)
@settings(max_examples=300)
def test_its_text_comes_back_equal(policy):
    again = Policy.parse(str(policy))
    assert again == policy
    assert str(again) == str(policy)


@given(policy=POLICIES, seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_and_draws_the_same(policy, seed):
    small = [each for each in policy.operations if each.kind.name != "crop" or each.high <= 1]
    policy = Policy(tuple(small), policy.border)
    assume(len(policy.operations))
    for other in (Policy.parse(str(policy)), pickle.loads(pickle.dumps(policy))):  # noqa: S301
        a, b = policy.draw(RNG(seed), 50, 40), other.draw(RNG(seed), 50, 40)
        np.testing.assert_array_equal(a.warp.matrix, b.warp.matrix)
        assert (a.warp.target, a.warp.border) == (b.warp.target, b.warp.border)
        assert len(a.recolour.stages) == len(b.recolour.stages)
        assert len(a.effects) == len(b.effects)
        assert (a.warp.field is None) == (b.warp.field is None)


@pytest.mark.parametrize("name", NAMED)
def test_a_named_policy_is_a_policy_with_a_name(name):
    policy = Policy.parse(name)
    assert policy.name == name
    assert Policy.parse(str(policy)) == policy == Policy.parse(f" {name} ")
    assert pickle.loads(pickle.dumps(policy)) == policy  # noqa: S301
    for seed in range(5):
        assert policy(IMAGE, RNG(seed)).shape == IMAGE.shape


def test_a_policy_with_another_text_is_called_by_its_text():
    assert Policy.parse("rotate=7").name == "rotate=7"
    assert Policy().name == "none"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("rotate = 15 , flip_h=0.5", "rotate=15,flip_h=0.5"),
        ("rotate=-10..25", "rotate=-10..25"),
        ("contrast=0.2@0.8", "contrast=0.2@0.8"),
        ("rotate", "rotate=15"),
        ("rotate,,scale,", "rotate=15,scale=0.2"),
        ("rotate=5,border=constant", "rotate=5,border=constant"),
        ("border=reflect,rotate=5", "rotate=5"),
        ("resized_crop=0.5..0.75", "resized_crop=0.5..0.75"),
        ("resized_crop=0.5..1", "resized_crop=0.5"),
        ("rotate=5,rotate=5", "rotate=5,rotate=5"),
    ],
)
def test_what_may_be_written_and_how_it_is_written_back(text, written):
    assert str(Policy.parse(text)) == written


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rotat=5", "no operation is called 'rotat'; policy; did you mean rotate?"),
        ("rotate=5,Brightnes=.2", "no operation is called 'Brightnes'; policy; did you mean brightness?"),
        ("standart", "no operation is called 'standart'; policy; did you mean standard?"),
        (
            "heavy",
            "no policy is called 'heavy'; policy; use none, flips, light, standard, strong, document, scan, trivial",
        ),
        ("xyzzy=3", "no operation is called 'xyzzy'; policy; known are flip_h, flip_v, rotate"),
        ("drehung=5", "no operation is called 'drehung'; policy"),
        ("回転=5", "no operation is called '回転'; policy; known are"),
        ("=3", "no operation is called ''; policy; known are"),
        ("rotate 5", "no operation is called 'rotate 5'; policy; did you mean rotate?"),
        ("rotate=five", "'rotate=five' has 'five' where a number is expected; policy"),
        ("rotate=1..", "'rotate=1..' has '' where a number is expected; policy"),
        ("rotate=..5", "'rotate=..5' has '' where a number is expected; policy"),
        ("rotate=1...", "has '.' where a number is expected; policy"),
        ("rotate=1..2..3", "has '2..3' where a number is expected; policy"),
        ("rotate=1..5@often", "has 'often' where a number is expected; policy"),
        ("rotate=5@0.5@0.5", "has '0.5@0.5' where a number is expected; policy"),
        ("rotate=5=5", "has '5=5' where a number is expected; policy"),
        ("rotate=nan", "has 'nan' where a number is expected; policy"),
        ("rotate=inf", "has 'inf' where a number is expected; policy"),
        ("rotate=5@nan", "has 'nan' where a number is expected; policy"),
        ("rotate=5@1.5", "rotate has the probability 1.5, expected 0 to 1; policy"),
        ("flip_h=2", "flip_h has the probability 2.0, expected 0 to 1; policy"),
        ("flip_h=-0.5", "flip_h has the probability -0.5, expected 0 to 1; policy"),
        ("flip_h=0.2..0.4", "flip_h has the probability (0.2, 0.4), expected 0 to 1; policy"),
        (
            "rotate=200",
            "rotate has the amount 200, which stands for -200 to 200, expected -180 to 180 degrees, the lower one",
        ),
        ("rotate=25..-10", "rotate has the amount 25..-10, expected -180 to 180 degrees, the lower one first; policy"),
        ("crop=0", "crop has the amount 0, expected 0.01 to 32766"),
        (
            "resized_crop=1.5",
            "resized_crop has the amount 1.5, which stands for 1.5 to 1, expected 0.01 to 1 of the area",
        ),
        ("rotate=5,border=wrap", "border=wrap is not known; policy; use one of reflect, replicate, constant"),
        ("border", "border= is not known; policy; use one of reflect, replicate, constant"),
    ],
)
def test_what_may_not_be_written_is_told_in_one_line(text, message):
    with pytest.raises(UsageError) as told:
        Policy.parse(text)
    assert message in str(told.value)
    assert "\n" not in str(told.value)


def test_a_very_long_text_is_a_long_policy():
    assert len(Policy.parse("rotate=5," * 5000).operations) == 5000
    with pytest.raises(UsageError, match="no policy is called 'rrrrr"):
        Policy.parse("r" * 20_000)


def test_a_border_that_is_none_is_refused_in_code_as_well():
    with pytest.raises(
        UsageError, match=r"^border=wrap is not known; policy; use one of reflect, replicate, constant$"
    ):
        Policy(border="wrap")


@pytest.mark.parametrize(("height", "width"), [(0, 5), (5, 0), (0, 0)])
def test_an_empty_image_is_refused(height, width):
    with pytest.raises(UsageError, match=rf"^an image of {width} x {height} pixels is empty; policy; leave it out$"):
        Policy.parse("rotate")(np.zeros((height, width, 3), np.uint8), RNG(0))


def test_a_crop_that_is_too_large_names_itself_and_the_sizes():
    with pytest.raises(UsageError, match=r"^crop=64 asks for 64 x 64 pixels of an image of 50 x 40; crop"):
        Policy.parse("crop=64")(IMAGE, RNG(0))


def test_operations_can_be_left_out():
    policy = Policy.parse("standard,".rstrip(",")).without("flip_h", "rotate")
    assert [each.kind.name for each in policy.operations] == ["resized_crop", "brightness", "contrast", "saturation"]
    assert policy.without("nothing of the kind") == policy


def test_the_border_is_seen():
    white = np.full((20, 20), 255, np.uint8)
    for border, corner in (("reflect", 255), ("replicate", 255), ("constant", 0)):
        assert Policy.parse(f"rotate=45..45,border={border}")(white, RNG(0))[0, 0] == corner


EVERYTHING = (
    "flip_h=0.5,resized_crop=0.5,rotate,perspective,elastic,brightness,hue,gamma,equalize=0.5,channel_mix,trivial"
)


@pytest.mark.parametrize("text", ["strong", "document", EVERYTHING])
def test_the_same_seed_gives_the_same_bytes_again(text):
    policy = Policy.parse(text)
    for seed in range(5):
        assert policy(IMAGE, RNG(seed)).tobytes() == policy(IMAGE, RNG(seed)).tobytes()
    assert policy(IMAGE, RNG(0)).tobytes() != policy(IMAGE, RNG(1)).tobytes()


RESTARTED = """
import pickle, sys
policies, image, rng = pickle.load(sys.stdin.buffer)
for policy in policies:
    for seed in range(3):
        sys.stdout.write(policy(image, rng(seed)).tobytes().hex() + "\\n")
"""


def test_and_in_eight_workers_and_after_a_restart():
    """Policies and generators go there as pickles."""
    policies = [Policy.parse("strong"), Policy.parse("document"), Policy.parse(EVERYTHING)]
    here = [policy(IMAGE, RNG(seed)).tobytes() for policy in policies for seed in range(3)]
    pickled = pickle.dumps((policies, IMAGE, RNG))
    restarted = subprocess.Popen([sys.executable, "-c", RESTARTED], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with ProcessPoolExecutor(8, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(policy, IMAGE, RNG(seed)) for policy in policies for seed in range(3)]
        written, _ = restarted.communicate(pickled)
        assert [job.result().tobytes() for job in jobs] == here
    assert [bytes.fromhex(line.decode()) for line in written.split()] == here


def test_a_named_policy_among_operations_is_its_operations():
    scan = Policy.parse("scan")
    assert Policy.parse("scan,border=constant") == Policy(scan.operations, "constant")
    assert Policy.parse("blur=1, scan, noise=0.1").operations[1:-1] == scan.operations
    assert Policy.parse("none,rotate=5") == Policy.parse("rotate=5")
    assert len(Policy.parse("trivial").operations) == 2  # the policy: a flip and the operation
    assert len(Policy.parse("trivial,rotate=5").operations) == 2  # the operation has the name among others


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("rotate@0.5", "rotate=15@0.5"),
        ("flip_h@0.25", "flip_h=0.25"),
        ("rotate", "rotate=15"),
        ("flip_h", "flip_h=1.0"),
    ],
)
def test_what_is_left_out_is_the_usual(text, meant):
    assert Policy.parse(text) == Policy.parse(meant)


@pytest.mark.parametrize("text", ["rotate=", "rotate=15@", "rotate=@0.5", "flip_h="])
def test_what_is_begun_and_not_said_is_refused(text):
    with pytest.raises(UsageError, match="where a number is expected; policy; write"):
        Policy.parse(text)


def test_two_probabilities_are_refused():
    with pytest.raises(UsageError, match=r"flip_h has no amount, only a probability; got 0\.3 and 0\.5"):
        Policy.parse("flip_h=0.3@0.5")


def test_numbers_of_numpy_print_as_numbers():
    policy = Policy((OPERATIONS["rotate"](np.float32(15), np.float64(0.3)), OPERATIONS["flip_h"](True)))
    assert str(policy) == "rotate=15@0.3,flip_h=1.0"
    assert Policy.parse(str(policy)) == policy


def test_nothing_is_written_none_and_an_empty_text_is_refused():
    assert str(Policy()) == "none"
    assert Policy.parse("none") == Policy()
    for empty in ("", " ", ",", " , "):
        with pytest.raises(UsageError, match="the policy is empty; policy; write none"):
            Policy.parse(empty)


def test_two_borders_are_refused():
    with pytest.raises(UsageError, match="there are two borders, constant and replicate"):
        Policy.parse("border=constant,border=replicate")


@pytest.mark.parametrize(
    ("image", "said"),
    [("photo.jpg", "an image is str"), (None, "an image is NoneType"), (np.zeros(5, np.uint8), "of shape \\(5,\\)")],
)
def test_what_is_no_image_is_refused(image, said):
    with pytest.raises(DataError, match=said):
        Policy.parse("light")(image, RNG(0))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, bool, np.int64])
@pytest.mark.parametrize("name", ["none", "strong", "flips"])
def test_pixels_of_another_type_are_refused(dtype, name):
    with pytest.raises(DataError, match=f"pixels are of type {np.dtype(dtype)}, expected uint8 or uint16"):
        Policy.parse(name)(np.zeros((8, 8, 3), dtype), RNG(0))


def test_a_seed_is_no_generator():
    with pytest.raises(UsageError, match="rng is 0, expected a generator"):
        Policy.parse("light")(IMAGE, 0)
