"""What class names forbid, and what they only warn of."""

import pytest

from handful.augment.policy import Policy
from handful.augment.safety import may_mirror, safe_policy


def safe(text: str, *classes: str, **more):
    policy, notes = safe_policy(Policy.parse(text), classes, **more)
    return str(policy), notes


@pytest.mark.parametrize("name", ["left hand", "LeftHand", "hand-right", "LEFT", "Hand links", "main_gauche"])
def test_class_names_that_tell_left_from_right_forbid_both_flips_and_nothing_else(name):
    policy, notes = safe("flip_h=0.5,flip_v=0.5,rotate=10,hue=10", name, "other")
    assert policy == "rotate=10,hue=10"
    assert [note.partition(";")[0].partition(" is ")[0] for note in notes] == ["flip_h", "flip_v"]
    assert not may_mirror((name, "other"))


@pytest.mark.parametrize("name", ["cleft", "bright", "copyright", "leftover", "upper"])
def test_words_that_only_contain_left_or_right_forbid_no_mirroring(name):
    policy, notes = safe("flip_h=0.5", name)
    assert policy == "flip_h=0.5"
    assert notes == ()
    assert may_mirror((name,))


def test_names_that_tell_up_from_down_forbid_the_vertical_flip_alone():
    assert safe("flip_h=0.5,flip_v=0.5", "thumb up", "thumb down") == (
        "flip_h=0.5",
        ("flip_v is left out: class names tell up from down (up, down)",),
    )


def test_keypoints_without_pairs_forbid_mirroring_and_with_pairs_do_not():
    assert safe("flip_h=0.5,rotate=5", "person", keypoint_pairs=None) == (
        "rotate=5",
        ("flip_h is left out: which keypoints are left and right is not known",),
    )
    assert safe("flip_h=0.5", "person", keypoint_pairs=[(0, 1)]) == ("flip_h=0.5", ())
    assert safe("flip_h=0.5", "person", keypoint_pairs=()) == ("flip_h=0.5", ())


def test_a_far_turn_is_kept_and_warned_of_where_directions_matter():
    policy, notes = safe("rotate=90", "arrow left", "arrow right")
    assert policy == "rotate=90"
    assert notes == ("rotate=90 turns far, and class names tell directions (left, right)",)
    assert safe("rotate=45", "arrow left", "arrow right")[1] == ()


def test_trivial_turns_as_far_as_its_widest_and_is_warned_of_for_each_reason():
    assert safe("trivial=1.0", "red up", "red down")[1] == (
        "trivial=1.0 turns far, and class names tell directions (up, down)",
        "trivial changes colours, and class names are about colour (red)",
    )


@pytest.mark.parametrize(
    "text", ["hue=10", "saturation=0.5", "grey=0.1", "invert=0.1", "temperature=0.1", "trivial=1.0"]
)
def test_colour_names_warn_of_what_changes_colours(text):
    policy, notes = safe(text, "red_pepper", "green_pepper")
    assert policy == text
    name = text.partition("=")[0]
    assert notes == (f"{name} changes colours, and class names are about colour (red, green)",)


def test_brightness_and_contrast_are_no_change_of_colour():
    assert safe("brightness=0.2,contrast=0.2,gamma=0.2", "red", "blue")[1] == ()


@pytest.mark.parametrize("twins", [("hand_l", "hand_r"), ("L", "R"), ("leftturn", "rightturn")])
def test_names_that_are_mirror_images_of_each_other_forbid_mirroring(twins):
    policy, (note,) = safe("flip_h=0.5,rotate=5", *twins, "other")
    assert policy == "rotate=5"
    assert note == f"flip_h is left out: class names tell left from right ({twins[0]}, {twins[1]})"
    assert may_mirror((twins[0], "other"))  # alone it may be anything


def test_far_turns_are_said_of_twins_too():
    assert safe("rotate=90", "hand_l", "hand_r")[1] == (
        "rotate=90 turns far, and class names tell directions (hand_l, hand_r)",
    )
