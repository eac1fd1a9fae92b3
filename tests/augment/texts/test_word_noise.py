from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from handful.augment.texts.word_noise import BLANK, WORD, blank, blanked, delete, insert, inserted, swap, words

TEXT = "The quick, brown fox (a young one) jumps over the lazy dog; it isn't amused."
N_DRAWS = 2000
KINDS = [delete, swap, insert, blank]


def copies(kind, share, text=TEXT, n=N_DRAWS):
    rng = np.random.default_rng(0)
    return [kind.draw(text, share, rng) for _ in range(n)]


def binomial_band(n, share):
    """Outside of it by chance once in a million runs."""
    return stats.binom(n, share).ppf([5e-7, 1 - 5e-7])


def test_words_stand_between_spaces_and_punctuation():
    assert words("Don't panic: e-mail 3.14, 'quoted' … naïve café!") == [
        *("Don't", "panic", "e-mail", "3.14", "quoted", "naïve", "café")
    ]
    assert words("我喜歡 NumPy。") == ["我", "喜", "歡", "NumPy"]
    assert words("हिन्दी में") == ["हिन्दी", "में"]  # vowel signs are no letters, and belong to the word all the same
    assert words("👩\u200d👧 ok #\ufe0f\u20e3") == ["👩\u200d👧", "ok"]


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_as_many_words_are_deleted_inserted_and_blanked_as_the_share_says(share):
    n_words = len(words(TEXT))
    low, high = binomial_band(N_DRAWS * n_words, share)
    assert low <= sum(n_words - len(words(text)) for text in copies(delete, share)) <= high
    assert low <= sum(len(words(text)) - n_words for text in copies(insert, share)) <= high
    assert low <= sum(words(text).count(BLANK) for text in copies(blank, share)) <= high


def test_every_word_is_as_likely_to_go():
    gone = Counter()
    for text in copies(delete, 0.3, "a b c d e f g h"):
        gone.update(set("abcdefgh") - set(text))
    low, high = binomial_band(N_DRAWS, 0.3)
    assert all(low <= gone[letter] <= high for letter in "abcdefgh")


def test_what_is_left_keeps_its_order_and_one_word_always_stays():
    for text in copies(delete, 0.5, n=200):
        rest = iter(words(TEXT))
        assert all(word in rest for word in words(text))  # a subsequence
    assert {len(words(text)) for text in copies(delete, 1.0, n=50)} == {1}
    assert set(copies(delete, 1.0, "a b c", 200)) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("text", "gone", "left"),
    [
        ("a b c", "b", "a c"),
        ("a b c", "a", "b c"),
        ("a b c", "c", "a b"),
        ("Hello, you!", "you", "Hello,!"),
        ("see (a b) now", "a", "see (b) now"),
        ("see (a b) now", "b", "see (a) now"),
        ("a, b c", "b", "a, c"),
        ("a b, c", "b", "a, c"),
        ("東京です", "京", "東です"),
    ],
)
def test_spaces_close_where_a_word_went(text, gone, left):
    found = {copy for copy in copies(delete, 0.5, text, 100) if words(copy) == [w for w in words(text) if w != gone]}
    assert found == {left}


@pytest.mark.parametrize("kind", [swap, insert, blank])
def test_punctuation_stays(kind):
    assert all(WORD.sub("", text).split() == WORD.sub("", TEXT).split() for text in copies(kind, 0.5, n=100))


def test_swapping_keeps_the_words_and_moves_about_two_for_each():
    swapped = copies(swap, 0.2)
    assert all(sorted(words(text)) == sorted(words(TEXT)) for text in swapped)
    assert all(WORD.split(text)[::2] == WORD.split(TEXT)[::2] for text in swapped)
    few = [sum(a != b for a, b in zip(words(text), words(TEXT), strict=True)) for text in copies(swap, 0.01)]
    n_swaps = np.mean(few) / 2  # so few that none undoes another
    assert n_swaps == pytest.approx(0.01 * len(words(TEXT)), rel=0.3)


def test_a_swap_is_between_two_different_words():
    n_swapped = copies(swap, 0.5, "a b").count("b a")  # one swap of a possible two: half of the time
    low, high = binomial_band(N_DRAWS, 0.5)
    assert low <= n_swapped <= high


def test_inserted_words_come_from_the_text_or_from_the_vocabulary():
    assert all(set(words(text)) <= set(words(TEXT)) for text in copies(insert, 0.5, n=100))
    rng = np.random.default_rng(0)
    assert inserted("a b, c", 1.0, rng, ["x"]) == "a x b x, c x"
    assert inserted("東京", 1.0, rng, ["x"]) == "東x京x"
    assert inserted("a b", 1.0, rng, []) == "a b"


def test_blanks_are_the_given_mark():
    assert blanked("Hello, you!", 1.0, np.random.default_rng(0), "[UNK]") == "[UNK], [UNK]!"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["", " ", "\n", "word", "...", "!"])
def test_short_texts_survive(kind, text):
    for share in (0.0, 0.5, 1.0):
        copy = kind.draw(text, share, np.random.default_rng(0))
        assert bool(words(copy)) == bool(words(text))
        assert text.strip() in copy or kind is blank


@given(text=st.text(), share=st.floats(0, 1), seed=st.integers(0, 99))
@pytest.mark.parametrize("kind", KINDS)
def test_any_text_goes_through_and_the_same_seed_gives_the_same(kind, text, share, seed):
    copy = kind.draw(text, share, np.random.default_rng(seed))
    assert copy == kind.draw(text, share, np.random.default_rng(seed))
    assert kind.draw(text, 0.0, np.random.default_rng(seed)) == text
    assert bool(words(text)) == bool(words(copy))
