from dataclasses import replace

import numpy as np
import pytest

from handful.core.errors import DataError, UsageError
from handful.nn.sentence_encoder import SentenceEncoder
from handful.training.checkpoint import Checkpoint
from handful.unsupervised.masked_language import MaskedLanguage
from handful.unsupervised.masked_language_torch import FIRST_WORD, passages_of, with_hidden

TEXTS = [f"the {name} cell is {colour}" for name in ("red", "white", "large") for colour in ("pale", "dark", "round")]
QUICK = MaskedLanguage(steps=2, batch_size=4)
MASK = 103


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder()


def test_what_was_read_changes_the_encoder_and_the_same_seed_gives_the_same_bytes(encoder):
    before = encoder.embed(TEXTS)
    once, again, other = (QUICK.read_on(TEXTS, encoder, seed) for seed in (0, 0, 1))
    assert once.fingerprint == again.fingerprint != other.fingerprint
    after = once.embed(TEXTS)
    assert after.shape == before.shape
    assert 0 < np.abs(after.astype(float) - before).max() < 1
    assert (once.weights["embeddings.word_embeddings.weight"] == encoder.module().words.weight.detach().numpy()).all()


def test_a_tuned_encoder_reads_on_and_a_killed_training_goes_on_to_the_same_bytes(encoder, tmp_path):
    whole = QUICK.read_on(TEXTS, encoder, 0)
    kept = Checkpoint(tmp_path / "training.safetensors", every=1)
    assert QUICK.read_on(TEXTS, encoder, 0, kept).fingerprint == whole.fingerprint
    assert QUICK.read_on(TEXTS, encoder, 0, kept).fingerprint == whole.fingerprint  # nothing is left to do
    assert replace(QUICK, steps=1).read_on(TEXTS, whole, 0).fingerprint != whole.fingerprint


def test_words_are_hidden_exchanged_or_left_and_only_words():
    rng = np.random.default_rng(0)
    ids = np.tile([101, *range(2000, 2020), 102, 0, 0], (500, 1))
    shown, asked = with_hidden(ids, 0.15, np.array([3000, 3001]), MASK, rng)
    assert not asked[ids < FIRST_WORD].any()
    assert set(shown[asked & (shown != ids)]) == {MASK, 3000, 3001}
    assert (shown[~asked] == ids[~asked]).all()
    assert asked[:, 1:21].mean() == pytest.approx(0.15, abs=0.02)
    assert (shown[asked] == MASK).mean() == pytest.approx(0.8, abs=0.03)
    assert (shown[asked] == ids[asked]).mean() == pytest.approx(0.1, abs=0.03)


def test_a_short_passage_has_a_word_to_guess_too():
    known = np.array([2000])
    _, asked = with_hidden(np.array([[101, 2000, 102]]), 0.01, known, MASK, np.random.default_rng(0))
    assert asked.tolist() == [[False, True, False]]


def test_long_texts_are_cut_and_repeats_read_once(encoder):
    passages = passages_of(["a cell", "a cell", " ".join(map(str, range(600)))], encoder.windows)
    assert len(passages) > 2
    assert max(map(len, passages)) <= encoder.spec.max_length


@pytest.mark.parametrize("texts", [[], ["one text"], ["a copy", "a copy"], ["", "..."]])
def test_nothing_to_read_is_refused(encoder, texts):
    with pytest.raises(DataError, match="at least two are needed"):
        QUICK.read_on(texts, encoder, 0)


@pytest.mark.parametrize("share", [0, 1, float("nan")])
def test_a_share_that_hides_all_or_nothing_is_refused(share):
    with pytest.raises(UsageError, match="between 0 and 1"):
        MaskedLanguage(share=share)
