from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from handful.core.errors import DataError
from handful.core.rng import stream
from handful.data.splits import repeated_folds
from handful.transfer.tfidf import INVERSE_PENALTY, TfidfRows

TEXTS = [
    f"what is the {noun} of {place} ?" for noun in ("capital", "river", "king") for place in ("Peru", "Chad", "Fiji")
]
TEXTS += [f"how do I {verb} the {thing} !" for verb in ("open", "sell", "mend") for thing in ("door", "car", "roof")]
TARGETS = np.repeat([0, 1], 9)


def slow_scores(train, targets, test):
    """TF-IDF and its logarithms by the book, over words and pairs; only the solver is scikit-learn's."""

    def counts(text):
        words = text.lower().replace("?", " ?").split()
        return Counter([*words, *pairwise(words)])

    documents = [counts(text) for text in train]
    vocabulary = sorted({word for document in documents for word in document}, key=str)
    n_with = {word: sum(word in document for document in documents) for word in vocabulary}

    def vector(text):
        found = counts(text)
        row = np.array([
            (1 + np.log(found[word])) * (np.log((1 + len(train)) / (1 + n_with[word])) + 1) if word in found else 0.0
            for word in vocabulary
        ])  # fmt: skip
        return row / max(np.linalg.norm(row), 1e-12)

    head = LogisticRegression(C=INVERSE_PENALTY, max_iter=1000, tol=1e-8)
    return head.fit(np.stack([vector(text) for text in train]), targets).predict_log_proba(
        np.stack([vector(text) for text in test])
    )


def test_scores_are_those_of_the_formula():
    test = ["What is the door of Peru ?", "the the the roof", "nothing known"]
    found = TfidfRows(TEXTS, TARGETS, 2).scores(test)
    np.testing.assert_allclose(found, slow_scores(TEXTS, TARGETS, test), atol=1e-2)
    assert found.argmax(1)[:2].tolist() == [0, 1]


def test_out_of_fold_scores_are_those_of_refits():
    folds = repeated_folds(TARGETS, np.arange(18), 3, 2, stream(0, "folds"))
    rows = TfidfRows(TEXTS, TARGETS, 2)
    found = rows.out_of_fold(folds)
    assert found.shape == (2, 18, 2)
    np.testing.assert_allclose(np.exp(found).sum(-1), 1)
    for repeat, fold in enumerate(folds):
        for number in range(3):
            kept = np.flatnonzero(fold != number)
            alone = TfidfRows([TEXTS[row] for row in kept], TARGETS[kept], 2)
            expected = alone.scores([TEXTS[row] for row in np.flatnonzero(fold == number)])
            np.testing.assert_array_equal(found[repeat, fold == number], expected)
    assert (found.argmax(-1) == TARGETS).all()
    np.testing.assert_array_equal(rows.out_of_fold(folds), found)


def test_nothing_is_learnt_from_the_fold_that_is_left_out():
    """Other words in a left-out text change its own scores and no others of its fold: nothing leaks."""
    folds = (np.arange(18) % 3)[None]
    changed = [*TEXTS[:-1], "what capital river king " * 3 + "zebra"]
    before, after = (TfidfRows(texts, TARGETS, 2).out_of_fold(folds)[0] for texts in (TEXTS, changed))
    others = np.flatnonzero(folds[0] == folds[0, -1])[:-1]
    np.testing.assert_array_equal(before[others], after[others])
    assert before[-1].argmax() == 1
    assert after[-1].argmax() == 0
    assert (before[folds[0] != folds[0, -1]] != after[folds[0] != folds[0, -1]]).any()  # where it is learnt from


def test_labels_without_a_pattern_score_as_chance():
    """A vocabulary or weights from beyond the fold would make words that stand in one text only tell its label."""
    rng = np.random.default_rng(0)
    texts = [f"word{row} word{row + 1000}" for row in range(200)]
    targets = rng.permutation(np.arange(200) % 2)
    folds = repeated_folds(targets, np.arange(200), 5, 1, rng)
    found = TfidfRows(texts, targets, 2).out_of_fold(folds)[0]
    np.testing.assert_allclose(np.exp(found), 0.5, atol=0.05)


def test_a_class_that_the_fit_has_not_seen_scores_least():
    targets = np.array([0, 0, 2, 2, 1])
    rows = TfidfRows(["a b", "a c", "d e", "d f", "g"], targets, 3)
    found = rows.refitted(np.arange(4), np.arange(5))
    assert found.argmax(1).tolist()[:4] == [0, 0, 2, 2]
    assert (found.argmin(1) == 1).all()
    assert np.isfinite(found).all()
    assert rows.refitted(np.arange(2), np.arange(5)).argmax(1).tolist() == [0] * 5


def test_marks_and_characters_without_spaces_are_words():
    texts = ["really ?", "really !", "東京に行く", "京都で食べる"]
    rows = TfidfRows(texts, np.array([0, 1, 2, 3]), 4)
    assert rows.scores(["?", "!", "東京へ", "食べ物"]).argmax(1).tolist() == [0, 1, 2, 3]


def test_empty_texts_are_refused_to_learn_from_and_scored():
    with pytest.raises(DataError, match="example 1 is empty; texts; leave empty texts out"):
        TfidfRows(["a", " "], np.array([0, 1]), 2)
    with pytest.raises(DataError, match="2 texts but 3 targets"):
        TfidfRows(["a", "b"], np.array([0, 1, 0]), 2)
    np.testing.assert_allclose(np.exp(TfidfRows(["a", "b"], np.array([0, 1]), 2).scores([""])), 0.5)
