import sys
from itertools import combinations

import numpy as np
import pytest
from scipy import stats
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from handful.augment.texts.subwords import BestPath, MaxMatch, Merges, Subwords
from handful.core.errors import MissingPackage, UsageError

UNKNOWN = "[UNK]"
CORPUS = [
    "the quick brown fox jumps over the lazy dog",
    "newer newest lower lowest widest wider new low wide",
    "unbelievable unhappiness unhappily believable happy quickly",
] * 5
TEXT = "The newest unhappiness jumps quickly over the widest believable dog"


def word_piece():
    made = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    special = ["[PAD]", UNKNOWN, "[CLS]", "[SEP]", "[MASK]"]
    made.train_from_iterator(
        CORPUS, trainers.WordPieceTrainer(vocab_size=120, special_tokens=special, show_progress=False)
    )
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(each, made.token_to_id(each)) for each in ("[CLS]", "[SEP]")]
    )
    return made


def byte_pairs():
    made = Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=360, initial_alphabet=alphabet, show_progress=False)
    )
    made.add_special_tokens(["[MASK]"])
    return made


def pairs_with_word_ends():
    made = Tokenizer(models.BPE(unk_token=UNKNOWN, end_of_word_suffix="</w>"))
    made.normalizer, made.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    made.decoder = decoders.BPEDecoder(suffix="</w>")
    trainer = trainers.BpeTrainer(
        vocab_size=120, special_tokens=[UNKNOWN, "[MASK]"], end_of_word_suffix="</w>", show_progress=False
    )
    made.train_from_iterator(CORPUS, trainer)
    return made


def pairs_with_prefixes():
    made = Tokenizer(models.BPE(unk_token=UNKNOWN, continuing_subword_prefix="##"))
    made.normalizer, made.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    made.decoder = decoders.WordPiece(prefix="##")
    trainer = trainers.BpeTrainer(
        vocab_size=120, special_tokens=[UNKNOWN, "[MASK]"], continuing_subword_prefix="##", show_progress=False
    )
    made.train_from_iterator(CORPUS, trainer)
    return made


def unigram():
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=70, unk_token=UNKNOWN, special_tokens=[UNKNOWN, "[MASK]"], show_progress=False
    )
    made.train_from_iterator(CORPUS, trainer)
    return made


MAKERS = {make.__name__: make for make in (word_piece, byte_pairs, pairs_with_word_ends, pairs_with_prefixes, unigram)}
TEXTS = [TEXT, *CORPUS[:3], "", " ", "x", "dog [MASK] new", "a 東京 é dog", "unhappiness" * 5, "Zürich newest!"]


@pytest.fixture(scope="module", params=MAKERS)
def tokenizer(request):
    return MAKERS[request.param]()


def test_at_rate_0_the_ids_are_those_of_the_tokenizer(tokenizer):
    subwords = Subwords.of(tokenizer)
    for text in TEXTS:
        assert subwords(text, 0.0, np.random.default_rng(0)) == tokenizer.encode(text).ids


def test_at_rate_1_single_characters_are_left(tokenizer):
    subwords = Subwords.of(tokenizer)
    ids = subwords("newest dog [MASK] believable", 1.0, np.random.default_rng(0))
    pieces = [tokenizer.id_to_token(each) for each in ids if each not in subwords.fixed]
    bare = [piece.removeprefix("##").removesuffix("</w>") for piece in pieces]
    assert all(len(piece) == 1 for piece in bare)
    assert "".join(bare).translate({ord(" "): "", ord("▁"): "", ord("Ġ"): ""}) == "newestdogbelievable"
    assert tokenizer.token_to_id("[MASK]") in ids


@pytest.mark.parametrize("rate", [0.1, 0.5, 1.0])
def test_the_decoded_text_is_unchanged(tokenizer, rate):
    subwords, rng = Subwords.of(tokenizer), np.random.default_rng(0)
    for text in TEXTS:
        before = tokenizer.encode(text).ids
        after = [subwords(text, rate, rng) for _ in range(10)]
        assert {tokenizer.decode(ids) for ids in after} == {tokenizer.decode(before)}
        own = [each for each in before if each in subwords.fixed]
        assert all([each for each in ids if each in subwords.fixed] == own for ids in after)  # no new unknown ones


def test_the_same_seed_gives_the_same_and_pieces_vary(tokenizer):
    subwords = Subwords.of(tokenizer)
    ids = [tuple(subwords(TEXT, 0.3, np.random.default_rng(seed))) for seed in range(20)]
    assert ids == [tuple(subwords(TEXT, 0.3, np.random.default_rng(seed))) for seed in range(20)]
    assert len(set(ids)) >= 10


def test_a_higher_rate_gives_more_pieces(tokenizer):
    subwords, rng = Subwords.of(tokenizer), np.random.default_rng(0)
    n_pieces = [np.mean([len(subwords(TEXT, rate, rng)) for _ in range(50)]) for rate in (0, 0.2, 0.5, 0.8, 1)]
    assert all(np.diff(n_pieces) > 0)


@pytest.mark.parametrize("rate", [0.1, 0.4])
def test_bpe_dropout_is_that_of_the_library(rate):
    """Its own generator cannot be seeded, so distributions are compared: how often each word falls into how many."""
    tokenizer = byte_pairs()
    subwords, rng, n = Subwords.of(tokenizer), np.random.default_rng(0), 1500
    ours = [len(subwords("unhappiness", rate, rng)) for _ in range(n)]
    tokenizer.model.dropout = rate
    theirs = [len(tokenizer.encode("unhappiness").ids) for _ in range(n)]
    counts = np.array([np.bincount(ours, minlength=12), np.bincount(theirs, minlength=12)])
    often = counts.sum(axis=0) >= 20
    assert stats.chi2_contingency(counts[:, often]).pvalue > 1e-6


def test_max_match_skips_each_longer_piece_with_the_rate():
    split = MaxMatch(dict.fromkeys(["a", "ab", "abc", "##b", "##c", "##bc"], 0), "##")
    rng, rate, n = np.random.default_rng(0), 0.3, 4000
    found = [tuple(split(["abc"], rate, rng)) for _ in range(n)]
    expected = {
        ("abc",): 1 - rate,
        ("ab", "##c"): rate * (1 - rate),
        ("a", "##bc"): rate**2 * (1 - rate),
        ("a", "##b", "##c"): rate**3,
    }
    counts = [found.count(pieces) for pieces in expected]
    assert sum(counts) == n
    assert stats.chisquare(counts, n * np.array([*expected.values()])).pvalue > 1e-4


def test_max_match_gives_up_where_the_rest_has_no_pieces():
    split = MaxMatch(dict.fromkeys(["a", "ab"], 0), "##")
    assert split(["ab"], 0.0, np.random.default_rng(0)) == ["ab"]
    assert split(["ab"], 1.0, np.random.default_rng(0)) is None


def test_merges_happen_in_their_order_from_the_left():
    split = Merges({("a", "a"): 0, ("b", "aa"): 1, ("aa", "a"): 2}, "", "")
    assert split(["baaa"], 0.0, np.random.default_rng(0)) == ["baa", "a"]
    rng, rate, n = np.random.default_rng(0), 0.5, 4000
    found = [tuple(split(["aa"], rate, rng)) for _ in range(n)]
    assert found.count(("a", "a")) == pytest.approx(n * rate, abs=5 * np.sqrt(n) / 2)


def test_the_best_path_is_the_best_of_all():
    rng = np.random.default_rng(0)
    letters = "abcdefgh"
    for _ in range(20):
        spans = [letters[i:j] for i, j in combinations(range(9), 2)]
        scores = {span: -rng.exponential() * 3 for span in spans if len(span) == 1 or rng.random() < 0.6}
        found = BestPath(scores, longest=8)([letters], 0.0, rng)
        splits = [
            [letters[a:b] for a, b in zip((0, *cuts), (*cuts, 8), strict=True)]
            for n in range(8)
            for cuts in combinations(range(1, 8), n)
        ]
        best = max(sum(scores.get(piece, -np.inf) for piece in pieces) for pieces in splits)
        assert sum(scores[piece] for piece in found) == pytest.approx(best)


def test_each_piece_of_the_lattice_is_dropped_with_the_rate():
    split = BestPath({"a": -1.0, "b": -1.0, "c": -1.0, "ab": -1.0, "abc": -1.0}, longest=3)
    rng, rate, n = np.random.default_rng(0), 0.3, 4000
    found = [tuple(split(["abc"], rate, rng)) for _ in range(n)]
    expected = {("abc",): 1 - rate, ("ab", "c"): rate * (1 - rate), ("a", "b", "c"): rate**2}
    counts = [found.count(pieces) for pieces in expected]
    assert stats.chisquare(counts, n * np.array([*expected.values()])).pvalue > 1e-4


def test_truncation_holds_and_padding_is_left_out():
    tokenizer = word_piece()
    tokenizer.enable_truncation(max_length=14)
    tokenizer.enable_padding(length=64)
    subwords, rng = Subwords.of(tokenizer), np.random.default_rng(0)
    own = [each for each in tokenizer.encode(TEXT).ids if each != tokenizer.token_to_id("[PAD]")]
    for rate in (0.0, 0.3, 1.0):
        ids = subwords(TEXT, rate, rng)
        assert len(own) <= len(ids) <= 14
        assert tokenizer.decode(ids) == tokenizer.decode(own)
        assert (ids[0], ids[-1]) == (own[0], own[-1])


def test_added_words_stay_whole():
    tokenizer = word_piece()
    tokenizer.add_tokens([AddedToken("handful", single_word=True)])
    ids = Subwords.of(tokenizer)("new handful dog", 1.0, np.random.default_rng(0))
    assert tokenizer.token_to_id("handful") in ids


def test_bytes_of_unknown_characters_stay():
    pieces = ["a", "b", "ab", *(f"<0x{each:02X}>" for each in range(256))]
    vocabulary = {piece: at for at, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("a", "b")], byte_fallback=True, unk_token=pieces[3]))
    ids = Subwords.of(tokenizer)("abéab", 1.0, np.random.default_rng(0))
    assert [pieces[each] for each in ids] == ["a", "b", "<0xC3>", "<0xA9>", "a", "b"]


def test_what_cannot_be_split_is_named(monkeypatch):
    with pytest.raises(
        UsageError, match="a WordLevel tokenizer has no subwords; tokenizer; use BPE, WordPiece or Unigram"
    ):
        Subwords.of(Tokenizer(models.WordLevel({UNKNOWN: 0}, unk_token=UNKNOWN)))
    with pytest.raises(
        UsageError, match=r"a tokenizers.Tokenizer is expected, got str; tokenizer; try its backend_tok"
    ):
        Subwords.of("bert")
    with pytest.raises(UsageError, match="the tokenizer has a dropout of its own"):
        Subwords.of(Tokenizer(models.BPE(dropout=0.1)))
    with pytest.raises(UsageError, match="the rate is 2, expected 0 to 1; subwords"):
        Subwords.of(word_piece())("a", 2, np.random.default_rng(0))
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingPackage, match=r"'tokenizers', which is not installed; pip install 'handful\[text\]'"):
        Subwords.of("bert")
