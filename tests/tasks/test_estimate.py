import pytest

from handful.tasks.estimate import shift_note


@pytest.mark.parametrize(
    ("claimed", "tested", "fits"),
    [((0.8, 0.9), (0.85, 0.95), True), ((0.8, 0.9), (0.9, 0.95), True), ((0.8, 0.9), (0.5, 0.7), False),
     ((0.5, 0.7), (0.8, 0.9), False)],
)  # fmt: skip
def test_scores_whose_intervals_do_not_meet_are_said_not_to_fit_together(claimed, tested, fits):
    found = shift_note(*({"low": low, "high": high} for low, high in (claimed, tested)))
    assert (found is None) == fits
    assert fits or "Believe the score on the test set" in found


def test_without_a_score_there_is_nothing_to_compare():
    assert shift_note(None, {"low": 0.1, "high": 0.2}) is None
