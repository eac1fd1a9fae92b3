from collections import Counter
from dataclasses import replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import onnx
import pytest

from handful.augment.policy import Policy
from handful.bundle.inputs import TextInputs
from handful.core.errors import DataError, ModelError, UsageError
from handful.core.rng import stream
from handful.data.splits import repeated_folds
from handful.nn.backbone import Layer
from handful.nn.graph import GraphWriter, floats
from handful.nn.linear import one_hot, ridge_once
from handful.nn.minilm import tokens_input
from handful.nn.onnx_runtime import open_session
from handful.nn.sentence_encoder import SentenceEncoder
from handful.nn.text_graph import over_windows
from handful.nn.text_windows import window_starts
from handful.nn.word_counts import log_counts, with_counts
from handful.recipe.ensemble import Ensemble
from handful.recipe.recipe import Recipe
from handful.transfer.probe import Probe
from handful.transfer.technique import Examples, Problem
from handful.transfer.tfidf import Tfidf, sparse_ridge

NONE = Policy()
TEXTS = [
    f"what is the {noun} of {place} ?" for noun in ("capital", "river", "king") for place in ("Peru", "Chad", "Fiji")
]
TEXTS += [f"how do I {verb} the {thing} !" for verb in ("open", "sell", "mend") for thing in ("door", "car", "roof")]
TARGETS = np.repeat([0, 1], 9)
NEW = [
    "What is the door of Peru ?",
    "the the the roof",
    "zygote",
    "how [SEP] to [CLS] mend a king [PAD] !",
    "",
    " ".join(["how do I mend the roof of the king"] * 40 + ["what is the river ?"] * 60),  # four windows
]


def floor_of(problem, folds):
    """Scores out of fold, with the settings that are always shown."""
    return Tfidf().out_of_fold(problem, problem.backbone, Policy(), folds)[1]


class Waves(SentenceEncoder):
    """The encoder's tokenizer and windows, and a network of three sines: the mean of 1.5 + sin(frequency * id)."""

    name, fingerprint = "waves", "waves-v1"
    layers, last = (Layer("waves", 3),), ("waves",)

    @cached_property
    def graph_bytes(self):
        writer = GraphWriter()
        axes = [writer.weight(f"axis{axis}", np.array([axis])) for axis in (1, 2)]
        numbers, present = (
            writer.node("Unsqueeze", [writer.node("Cast", [name], f"{name}.cast", to=1), axes[1]], f"{name}.column")
            for name in ("ids", "mask")
        )
        angles = writer.node("Mul", [numbers, writer.weight("frequency", np.float32([0.1, 0.37, 1]))], "angles")
        waves = writer.node(
            "Add", [writer.node("Sin", [angles], "sines"), writer.weight("up", np.float32(1.5))], "waves"
        )
        seen = writer.node("Mul", [waves, present], "seen")
        totals = [writer.node("ReduceSum", [each, axes[0]], f"{each}.sum", keepdims=0) for each in (seen, present)]
        writer.node("Div", totals, "features")
        ports = [tokens_input("ids"), tokens_input("mask")]
        return writer.model(ports, [floats("features", "n", 3)], "waves").SerializeToString()


@pytest.fixture(scope="module")
def encoder():
    return Waves()


def problem_of(encoder, texts, targets, n_classes=2):
    examples = Examples(texts, lambda backbone, some, _: backbone.embed(some)[:, None])
    return Problem(examples, np.asarray(targets), n_classes, np.arange(len(texts)), {encoder.name: encoder}, jobs=1)


@pytest.fixture(scope="module")
def problem(encoder):
    return problem_of(encoder, TEXTS, TARGETS)


@pytest.fixture(scope="module")
def fitted(problem, encoder):
    return Tfidf().fit(problem, encoder, NONE)


def scored(encoder, texts, targets, test, n_classes=2):
    """Scores of some texts from the technique fitted on some others."""
    made = Tfidf().fit(problem_of(encoder, texts, targets, n_classes), encoder, NONE)
    return made.scores(problem_of(encoder, test, np.zeros(len(test), int)).examples)


def run(graph, encoder, texts, names=("scores", "embedding")):
    """What a graph says of texts, in their order."""
    session = open_session(graph)
    found = {}
    for feed in TextInputs(encoder.tokenizer_bytes, encoder.spec.max_length).feeds(texts):
        rows = session.run(list(names), feed.arrays)
        found |= {place: [each[at] for each in rows] for at, place in enumerate(feed.places)}
    return [np.stack([found[place][at] for place in range(len(texts))]) for at in range(len(names))]


def slow_rows(windows, train, test):
    """TF-IDF by the book, over pieces and pairs of them, with dictionaries."""
    framing = {*windows.before, *windows.after}

    def counts(text):
        ids = windows.tokens([text])[0]
        found = Counter()
        for start in window_starts(len(ids), windows.size):
            window = ids[start : start + windows.size]
            found.update(run for run in [(piece,) for piece in window] + list(pairwise(window)))
        return {run: number for run, number in found.items() if not framing & {*run}}

    documents = [counts(text) for text in train]
    vocabulary = sorted({run for document in documents for run in document})
    n_with = {run: sum(run in document for document in documents) for run in vocabulary}

    def vector(found):
        row = np.array([
            (1 + np.log(found[run])) * (np.log((1 + len(train)) / (1 + n_with[run])) + 1) if run in found else 0.0
            for run in vocabulary
        ])  # fmt: skip
        return row / max(np.linalg.norm(row), 1e-12)

    return np.stack([vector(each) for each in documents]), np.stack([vector(counts(text)) for text in test])


def test_scores_are_those_of_the_formula(encoder):
    train = [*TEXTS, "a king [SEP] of [CLS] cars"]
    targets = [*TARGETS, 0]
    rows, new = slow_rows(encoder.windows, train, NEW)
    expected = ridge_once(rows, one_hot(np.array(targets), 2), 0.1)(new)
    found = scored(encoder, train, targets, NEW)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.argmax(1)[:2].tolist() == [0, 1]


def test_the_graph_says_the_same(fitted, encoder):
    """Padding, frames, repeated and unknown pieces, several windows: all as in NumPy."""
    examples = problem_of(encoder, NEW, np.zeros(len(NEW), int)).examples
    scores, embedding = run(fitted.graph(encoder), encoder, NEW)
    np.testing.assert_allclose(scores, fitted.scores(examples), atol=1e-4)
    np.testing.assert_allclose(embedding, fitted.embedding(examples), atol=2e-3)  # of features in half precision
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-5)
    assert np.ptp(scores[:, 0]) > 0.3
    nothing_known = fitted.tensors()["head.bias"]
    np.testing.assert_allclose(scores[[2, 4]], [nothing_known] * 2, atol=1e-6)


def test_a_vocabulary_of_single_pieces_ships_too(encoder):
    problem = problem_of(encoder, ["red", "sea", "wine", "lake"], [0, 1, 0, 1])  # nothing stands side by side
    made = Tfidf().fit(problem, encoder, NONE)
    new = ["red wine", "sea sea lake"]
    expected = made.scores(problem_of(encoder, new, [0, 1]).examples)
    np.testing.assert_allclose(run(made.graph(encoder), encoder, new, ["scores"])[0], expected, atol=1e-5)
    assert expected.argmax(1).tolist() == [0, 1]


def test_in_an_ensemble_the_encoder_is_there_once(problem, encoder):
    plain = Recipe(encoder.name, Probe(("waves",), 1.0, penalty=0.1))
    words = Recipe(encoder.name, Tfidf())
    together = Ensemble((plain, words), (0.25, 0.75)).fit(problem)
    graph = together.graph(encoder)
    counted = Counter(node.op_type for node in onnx.load_model_from_string(graph).graph.node)
    assert counted["Sin"] == counted["TfIdfVectorizer"] == 1
    scores, embedding = run(graph, encoder, NEW)
    examples = problem_of(encoder, NEW, np.zeros(len(NEW), int)).examples
    np.testing.assert_allclose(scores, together.scores(examples), atol=2e-3)  # of features in half precision
    np.testing.assert_allclose(embedding, together.embedding(examples), atol=2e-3)


def test_out_of_fold_scores_are_those_of_refits(problem, encoder):
    folds = repeated_folds(TARGETS, np.arange(18), 3, 2, stream(0, "folds"))
    same, found = Tfidf().out_of_fold(problem, encoder, NONE, folds)
    assert same == Tfidf()
    assert found.shape == (2, 18, 2)
    for repeat, fold in enumerate(folds):
        for number in range(3):
            kept, tested = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            texts = [[TEXTS[row] for row in rows] for rows in (kept, tested)]
            expected = scored(encoder, texts[0], TARGETS[kept], texts[1])
            np.testing.assert_allclose(found[repeat, tested], expected, atol=1e-5)
    assert (found.argmax(-1) == TARGETS).all()
    np.testing.assert_array_equal(floor_of(problem, folds), found)


def test_only_runs_that_most_texts_hold_count_and_those_of_the_fold_do_not_choose_them(encoder):
    few = replace(Tfidf(), most=5)
    folds = (np.arange(18) % 3)[None]
    kept = folds[0] > 0
    found = few.out_of_fold(problem_of(encoder, TEXTS, TARGETS), encoder, NONE, folds)[1][0, ~kept]
    alone = few.fit(problem_of(encoder, TEXTS, TARGETS).take(np.flatnonzero(kept)), encoder, NONE)
    np.testing.assert_allclose(found, alone.scores(problem_of(encoder, TEXTS[::3], TARGETS[::3]).examples), atol=1e-5)
    assert len(alone.runs) == 5
    the, mended = encoder.windows.tokens(["the", "mend"])
    assert tuple(the) in alone.runs
    assert tuple(mended) not in alone.runs


def test_nothing_is_learnt_from_the_fold_that_is_left_out(encoder):
    """Other words in a left-out text change its own scores and no others of its fold: nothing leaks."""
    folds = (np.arange(18) % 3)[None]
    changed = [*TEXTS[:-1], "what capital river king " * 3 + "zebra"]
    before, after = (floor_of(problem_of(encoder, texts, TARGETS), folds)[0] for texts in (TEXTS, changed))
    others = np.flatnonzero(folds[0] == folds[0, -1])[:-1]
    np.testing.assert_allclose(before[others], after[others], atol=1e-5)
    assert before[-1].argmax() == 1
    assert after[-1].argmax() == 0
    assert np.abs(before[folds[0] != folds[0, -1]] - after[folds[0] != folds[0, -1]]).max() > 1e-3  # learnt from there


def test_what_is_in_no_fold_is_learnt_from_and_not_predicted(problem, encoder):
    folds = np.where(np.arange(18) % 9 < 2, np.arange(18) % 9, -1)[None]
    found = floor_of(problem, folds)[0]
    assert np.isnan(found[folds[0] < 0]).all()
    assert (found.argmax(1) == TARGETS)[folds[0] >= 0].all()


def test_labels_without_a_pattern_score_as_chance(encoder):
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["red", "sea", "wine", "lake", "port", "ice", "cup", "boat"], 4)) for _ in range(200)]
    targets = rng.permutation(np.arange(200) % 2)
    folds = repeated_folds(targets, np.arange(200), 5, 1, rng)
    found = floor_of(problem_of(encoder, texts, targets), folds)[0]
    assert 0.38 < (found.argmax(1) == targets).mean() < 0.62


def test_a_class_that_a_fold_has_not_seen_scores_least(encoder):
    texts, targets = ["a b", "a c", "d e", "d f", "g"], np.array([0, 0, 2, 2, 1])
    found = floor_of(problem_of(encoder, texts, targets, 3), np.array([[-1, -1, -1, -1, 0]]))[0, 4]
    assert found.argmin() == 1
    assert np.isfinite(found).all()


def test_texts_that_are_all_the_same_leave_the_shares_of_the_classes(encoder):
    np.testing.assert_allclose(scored(encoder, ["a b"] * 4, [0, 0, 0, 1], ["a b", "c"]), [[0.75, 0.25]] * 2)


def test_the_sparse_solution_is_the_dense_one():
    from scipy.sparse import csr_matrix

    rng = np.random.default_rng(0)
    rows, outputs = rng.normal(size=(9, 20)) * (rng.random((9, 20)) < 0.3), rng.normal(size=(9, 3))
    outputs[:, 1] = 0  # a class without examples
    found, expected = sparse_ridge(csr_matrix(rows), outputs, 0.2), ridge_once(rows, outputs, 0.2)
    np.testing.assert_allclose(found.weight, expected.weight, atol=1e-5)
    np.testing.assert_allclose(found.bias, expected.bias, atol=1e-5)


def test_case_marks_and_characters_without_spaces_count(encoder):
    texts = ["really ?", "really !", "東京に行く", "京都で食べる"]
    found = scored(encoder, texts, [0, 1, 2, 3], ["?", "!", "東京へ", "食べ物", "REALLY ?"], 4)
    assert found.argmax(1).tolist() == [0, 1, 2, 3, 0]


def test_runs_do_not_reach_from_one_window_into_the_next():
    found = log_counts([[[1, 2], [2, 3]], [[3, 3, 3]]], [(1,), (2,), (3,), (2, 2), (2, 3), (3, 3)]).toarray()
    log2 = 1 + np.log(2)
    np.testing.assert_allclose(found, [[1, log2, 1, 0, 1, 0], [0, 0, 1 + np.log(3), 0, 0, log2]])


def test_padding_does_not_count_even_where_its_number_is_that_of_a_piece(encoder):
    graph = with_counts(over_windows(encoder.graph_bytes), [(0,), (5,), (5, 0)], np.ones(3))
    ids, mask = np.array([[0, 5, 0], [5, 0, 0]]), np.array([[1, 1, 0], [1, 0, 0]])
    found = open_session(graph).run(["features"], {"ids": ids, "mask": mask, "share": np.eye(2, dtype=np.float32)})[0]
    np.testing.assert_allclose(found[:, 3:], [[1, 1, 0], [0, 1, 0]])


def test_settings_are_saved_and_refused(encoder, tiny_backbone):
    settings = Tfidf(longest=1, most=10, penalty=1.0)
    assert Tfidf.from_json(settings.to_json()) == settings
    with pytest.raises(ModelError, match="incomplete or has unknown settings"):
        Tfidf.from_json({"technique": "tf-idf", "longest": 1})
    for wrong in ({"longest": 0}, {"most": 0}, {"penalty": 0.0}):
        with pytest.raises(UsageError, match="must be positive"):
            Tfidf(**wrong)
    with pytest.raises(UsageError, match="tiny does not read texts"):
        Tfidf().fit(problem_of(tiny_backbone, TEXTS, TARGETS), tiny_backbone, NONE)
    with pytest.raises(DataError, match="no text has a word in it; texts"):
        Tfidf().fit(problem_of(encoder, ["", "[SEP]"], [0, 1]), encoder, NONE)
