import numpy as np

from handful.tasks.mapping.marks import columns, words


def test_a_word_that_is_everywhere_marks_no_cell():
    texts = ["the cat sat", "the cat ran", "the dog sat", "the dog ran"]
    assert words(texts, [np.array([0, 1]), np.array([2, 3]), np.array([], int)]) == [("cat",), ("dog",), ()]


def test_a_word_of_one_text_marks_no_cell():
    assert words(["a zebra came", "it came", "we went", "they went"], [np.array([0, 1]), np.array([2, 3])]) == [
        ("came",),
        ("went",),
    ]


def test_columns_near_their_mean_are_not_named():
    values = np.array([[3.0, 0.4, -1.0], [1.0, 0.4, -1.0]])
    assert columns(values, ("a", "b", "c"), [np.array([0, 1]), np.array([], int)]) == [("a +2.0", "c −1.0"), ()]
