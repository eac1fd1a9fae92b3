import numpy as np
import pytest

from handful.augment.texts.back_translation import back_translated, reworded
from handful.core.errors import DataError, UsageError

ENGLISH = {"the dog sleeps": "der Hund schläft", "it rains": "es regnet", "hello": "hallo"}
GERMAN = {"der Hund schläft": "the hound is asleep", "es regnet": "it is raining", "hallo": "Hello"}


def there(texts):
    return [ENGLISH[text] for text in texts]


def back(texts):
    return [GERMAN[text] for text in texts]


def same(texts):
    return list(texts)


def test_each_text_comes_back_in_its_place():
    texts = ["hello", "", "the dog sleeps", " ", "it rains"]
    assert back_translated(texts, there, back) == ["Hello", "", "the hound is asleep", " ", "it is raining"]
    assert texts == ["hello", "", "the dog sleeps", " ", "it rains"]
    assert back_translated([], there, back) == []


def test_blank_texts_are_not_sent_and_blank_answers_are_not_taken():
    sent = []

    def hear(texts):
        sent.extend(texts)
        return ["" if text == "b" else text.upper() for text in texts]

    assert back_translated(["a", "", "b", "c"], hear, hear) == ["A", "", "b", "C"]
    assert sent == ["a", "b", "c", "A", "C"]


def test_labels_follow_the_reworded_texts():
    texts, labels = ["hello", "the dog sleeps", "it rains"], np.array(["greeting", "animal", "weather"])
    copies = back_translated(texts, there, back)
    rows = reworded(texts, copies)
    assert dict(zip([copies[row] for row in rows], labels[rows], strict=True)) == {
        "the hound is asleep": "animal",
        "it is raining": "weather",
    }
    assert len(reworded(texts, texts)) == 0
    assert labels[reworded([], [])].tolist() == []


def test_a_translator_may_change_its_list():
    def rude(texts):
        answers = [text.upper() for text in texts]
        texts.clear()
        return answers

    assert back_translated(["a", "b"], rude, same) == ["A", "B"]


@pytest.mark.parametrize(
    ("there", "back", "message"),
    [
        (
            lambda texts: texts[:1],
            same,
            "the translator `there` gave back 1 texts for 2; back_translated; one for each",
        ),
        (
            same,
            lambda texts: [*texts, "x"],
            "the translator `back` gave back 3 texts for 2; back_translated; one for each",
        ),
        (lambda _: "ab", same, "the translator `there` gave back one text for 2; back_translated; one for each"),
        (same, lambda _: [None, "x"], "the translator `back` gave back None for 'hello', no text; back_translated"),
    ],
)
def test_translators_that_lose_texts_are_stopped(there, back, message):
    with pytest.raises(DataError) as raised:
        back_translated(["hello", "it rains"], there, back)
    assert str(raised.value) == message


def test_one_text_is_no_list():
    with pytest.raises(UsageError, match="got one text"):
        back_translated("hello", there, back)
    with pytest.raises(DataError, match="1 copies for 2 texts"):
        reworded(["a", "b"], ["a"])
