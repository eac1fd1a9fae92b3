import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from handful.augment.texts.graphemes import graphemes
from handful.augment.texts.typing_noise import (
    AZERTY,
    FIRST_LETTER,
    QWERTY,
    QWERTZ,
    mistyped,
    typos,
    typos_azerty,
    typos_qwertz,
)
from handful.augment.texts.word_noise import words

TEXT = "Typing quickly on small keyboards makes errors, which models should forgive."
N_LETTERS = sum(each.isalpha() for each in TEXT)


def copies(text, share, n, keys=QWERTY, seed=0):
    rng = np.random.default_rng(seed)
    return [mistyped(text, share, rng, keys) for _ in range(n)]


def damerau_levenshtein(a, b):
    """Edits between two texts: insertion, omission, substitution, transposition (Lowrance and Wagner 1975)."""
    last, most = {}, len(a) + len(b)
    cost = {(i, j): most for i in range(len(a) + 2) for j in range(len(b) + 2)}
    cost |= {(i + 1, 1): i for i in range(len(a) + 1)} | {(1, j + 1): j for j in range(len(b) + 1)}
    for i, x in enumerate(a, 1):
        before = 0
        for j, y in enumerate(b, 1):
            k, m = last.get(y, 0), before
            before = j if x == y else before
            cost[i + 1, j + 1] = min(
                cost[i, j] + (x != y),
                cost[i + 1, j] + 1,
                cost[i, j + 1] + 1,
                cost[k, m] + (i - k - 1) + 1 + (j - m - 1),
            )
        last[x] = i
    return cost[len(a) + 1, len(b) + 1]


def single_edits(text, keys):
    """Every text that one typing error makes, from the definition."""
    for at, letter in enumerate(text):
        if not letter.isalpha():
            continue
        before, rest = text[:at], text[at + 1 :]
        yield before + letter * 2 + rest
        for key in keys.get(letter.lower(), ""):
            yield before + (key.upper() if letter.isupper() else key) + rest
        if rest[:1].isalpha() and rest[0] != letter:
            yield before + rest[0] + letter + rest[1:]
        if before[-1:].isalpha():
            yield before + rest


def test_the_reference_distance():
    assert damerau_levenshtein("ca", "abc") == 2
    assert damerau_levenshtein("hte", "the") == 1
    assert damerau_levenshtein("kitten", "sitting") == 3


@pytest.mark.parametrize("keys", [QWERTY, QWERTZ, AZERTY], ids=["qwerty", "qwertz", "azerty"])
def test_keys_are_neighbours_of_each_other(keys):
    assert all(key in keys[near] and near != key for key in keys for near in keys[key])
    assert all(1 <= len(near) <= 6 for near in keys.values())
    assert set("abcdefghijklmnopqrstuvwxyz") <= set(keys)


def test_neighbours_are_those_of_the_keyboard():
    assert set(QWERTY["a"]) == set("qwsz")
    assert set(QWERTY["s"]) == set("awedxz")
    assert set(QWERTY["p"]) == set("ol")
    assert set(QWERTZ["z"]) == set("tugh")
    assert set(QWERTZ["ö"]) == set("lpüä")
    assert set(AZERTY["a"]) == set("zq")
    assert set(AZERTY["m"]) == set("lpù")


def test_one_error_is_one_of_the_four_and_each_of_them_happens():
    expected = set(single_edits("Hello it", QWERTY))
    one = {copy for copy in copies("Hello it", 0.1, 8000) if damerau_levenshtein(copy, "Hello it") == 1}
    assert expected <= one  # the rest are two errors that look like one
    only = copies("a", 1.0, 500)
    assert set(only) == {*"qwsz", "aa"}


@pytest.mark.parametrize("share", [0.03, 0.2])
def test_as_many_errors_as_the_share_says_and_none_beyond_the_four_kinds(share):
    n = 100
    most = [int(np.random.default_rng(seed).binomial(N_LETTERS, share)) for seed in range(n)]  # what is drawn first
    distance = [
        damerau_levenshtein(mistyped(TEXT, share, np.random.default_rng(seed), QWERTY), TEXT) for seed in range(n)
    ]
    assert all(a <= b for a, b in zip(distance, most, strict=True))
    low, high = stats.binom(n * N_LETTERS, share).ppf([1e-6, 1 - 1e-6])
    assert low <= sum(most) <= high
    assert sum(distance) >= 0.8 * sum(most)  # a few undo each other or make a shorter way


def test_every_error_changes_the_text():
    text = "aa bb oo ss"
    seeds = [seed for seed in range(500) if np.random.default_rng(seed).binomial(8, 0.1) == 1]
    distances = {damerau_levenshtein(mistyped(text, 0.1, np.random.default_rng(seed), QWERTY), text) for seed in seeds}
    assert distances == {1}


def test_first_letters_are_wrong_less_often():
    text = "ab cd ef gh " * 20
    changed = np.zeros(2)
    for copy in copies(text, 0.004, 2000):
        if len(copy) == len(text):
            places = [at for at, (a, b) in enumerate(zip(copy, text, strict=True)) if a != b]
            if len(places) == 1:  # a neighbouring key, one of three errors in a first letter and in a last one
                changed[places[0] % 3] += 1
    ratio = changed[0] / changed[1]
    assert FIRST_LETTER / 1.5 <= ratio <= FIRST_LETTER * 1.5


def test_words_numbers_spaces_and_ideographs_stay():
    text = "am 3 Uhr 15, in 東京: ab-1b!"
    for copy in copies(text, 1.0, 200):
        assert len(words(copy)) == len(words(text))
        assert [each for each in copy if not each.isalpha() or each in "東京"] == [
            each for each in text if not each.isalpha() or each in "東京"
        ]


def test_accents_stay_on_their_letters():
    text = "re\u0301sume\u0301"
    for copy in copies(text, 0.5, 200):
        assert set(graphemes(copy)) <= {*graphemes(text), *"".join(QWERTY[each] for each in "resum")}


@pytest.mark.parametrize(("kind", "keys"), [(typos, QWERTY), (typos_qwertz, QWERTZ), (typos_azerty, AZERTY)])
def test_each_layout_has_its_operation(kind, keys):
    for seed in range(5):
        expected = mistyped(TEXT, 0.3, np.random.default_rng(seed), keys)
        assert kind.draw(TEXT, 0.3, np.random.default_rng(seed)) == expected


@given(text=st.text(), share=st.floats(0, 1), seed=st.integers(0, 99))
def test_any_text_goes_through_and_the_same_seed_gives_the_same(text, share, seed):
    copy = mistyped(text, share, np.random.default_rng(seed), QWERTY)
    assert copy == mistyped(text, share, np.random.default_rng(seed), QWERTY)
    assert mistyped(text, 0.0, np.random.default_rng(seed), QWERTY) == text
    assert bool(copy) == bool(text)
