import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from handful.augment.texts.word_noise import words
from handful.augment.texts.writing_noise import case, lower, punctuation

KINDS = [case, lower, punctuation]


def copies(kind, text, share, n=1000):
    rng = np.random.default_rng(0)
    return [kind.draw(text, share, rng) for _ in range(n)]


def test_case_changes_as_many_words_as_the_share_says_and_nothing_else():
    text = "Some words, ALL of them long enough to be Written otherwise."
    noisy = copies(case, text, 0.2)
    assert all(each.lower() == text.lower() for each in noisy)
    n_changed = sum(a != b for each in noisy for a, b in zip(words(each), words(text), strict=True))
    low, high = stats.binom(len(noisy) * len(words(text)), 0.2).ppf([1e-6, 1 - 1e-6])
    assert low <= n_changed <= high


def test_a_word_is_written_small_in_capitals_or_with_one_capital():
    assert set(copies(case, "word", 1.0, 50)) == {"WORD", "Word"}
    assert set(copies(case, "wOrd", 1.0, 50)) == {"word", "WORD", "Word"}
    assert set(copies(case, "東京 한국 123", 1.0, 10)) == {"東京 한국 123"}


def test_lower_is_lower():
    assert lower.draw("Ein Wort: ÄÖÜ", 0.0, np.random.default_rng(0)) == "ein wort: äöü"


def test_punctuation_is_dropped_doubled_or_loses_its_space():
    assert set(copies(punctuation, "Yes, no", 1.0, 100)) == {"Yes no", "Yes,, no", "Yes,no"}
    assert set(copies(punctuation, "Yes!", 1.0, 100)) == {"Yes", "Yes!!"}
    assert set(copies(punctuation, "是。", 1.0, 100)) == {"是", "是。。"}
    assert set(copies(punctuation, "!", 1.0, 100)) == {"!", "!!"}  # never empty


def test_as_many_marks_as_the_share_says_and_each_way_as_likely():
    text = "a, " * 10 + "b"
    noisy = copies(punctuation, text, 0.3)
    n = len(noisy) * 10
    found = {
        "doubled": sum(each.count(",,") for each in noisy),
        "joined": sum(each.count(",a") + each.count(",b") for each in noisy),
        "dropped": sum(each.count("a ") for each in noisy),
    }
    for count in found.values():
        low, high = stats.binom(n, 0.1).ppf([1e-6, 1 - 1e-6])
        assert low <= count <= high, found


def test_marks_inside_words_and_numbers_and_the_words_themselves_stay():
    text = "don't e-mail 3.14 snake_case"
    assert set(copies(punctuation, text, 1.0, 50)) == {text}
    text = 'Well (he said), it\'s "fine"... 50% off!'
    letters = [each for each in text if each.isalnum()]
    assert all([each for each in noisy if each.isalnum()] == letters for noisy in copies(punctuation, text, 0.5, 100))


@given(text=st.text(), share=st.floats(0, 1), seed=st.integers(0, 99))
@pytest.mark.parametrize("kind", KINDS)
def test_any_text_goes_through_and_the_same_seed_gives_the_same(kind, text, share, seed):
    copy = kind.draw(text, share, np.random.default_rng(seed))
    assert copy == kind.draw(text, share, np.random.default_rng(seed))
    assert kind is lower or kind.draw(text, 0.0, np.random.default_rng(seed)) == text
    assert bool(copy.strip()) == bool(text.strip())
