import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from handful.augment.texts.graphemes import graphemes, is_ideograph

TEXTS = [
    *("", "plain text", "e\u0301te\u0301", "a\r\nb\rc", "\u0301 begins", "한국어", "\u1112\u1161\u11ab\u1100"),
    *(
        "👩\u200d👩\u200d👧 family",
        "👍🏽👍",
        "🇩🇪🇫🇷🇬",
        "🏴\U000e0067\U000e0062\U000e007f",
        "#\ufe0f\u20e3 1\ufe0f\u20e3",
        "❤️\u200d🔥",
    ),
    *("東京タワー", "が゙", "مَرْحَبًا", "שָׁלוֹם", "สวัสดี", "Z\u0351\u036b\u0343alg\u0300o"),
]


@pytest.mark.parametrize("text", TEXTS)
def test_they_are_the_extended_grapheme_clusters_of_unicode(text):
    assert graphemes(text) == regex.findall(r"\X", text)


@given(st.text())
def test_joined_they_are_the_text_and_no_mark_is_torn_off(text):
    found = graphemes(text)
    assert "".join(found) == text
    assert all(found)


def test_han_and_kana_are_ideographs_and_letters_are_not():
    assert all(map(is_ideograph, "漢字かなカナ\U00020001"))
    assert not any(map(is_ideograph, "aé한я1 。👍"))
