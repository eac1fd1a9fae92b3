"""Subword dropout: the same text in other pieces. For tokenizers of the library `tokenizers`: BPE, WordPiece, Unigram.

The library's own dropout (BPE's `dropout`, Unigram's `alpha`) draws from a generator that cannot be seeded, and
WordPiece has none. So its tokenizer decides what a word is, and the words are split here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from handful.core.errors import UsageError
from handful.core.optional import require

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")  # how a byte that is part of no known character is written


class Splitter(Protocol):
    """Splits a word anew."""

    def __call__(self, pieces: list[str], rate: float, rng: np.random.Generator) -> list[str] | None:
        """Other pieces of the vocabulary for the same word; None where dropping led to a dead end."""
        ...


@dataclass(frozen=True, eq=False)
class Subwords:
    """Token ids of texts, with pieces dropped at random.

    At the rate 0 the ids are those of the tokenizer, at 1 words fall into single characters (bytes, for a tokenizer of
    bytes). Special tokens, unknown words and single bytes stay as they are. Where the tokenizer truncates, a word whose
    new pieces no longer fit keeps its old ones; its padding is left out.

    Args:
        tokenizer: Of the library `tokenizers`; in one of transformers, `tokenizer.backend_tokenizer`.
        split: Splits a word.
        vocabulary: The ids of the pieces.
        fixed: Ids that are never split.
    """

    tokenizer: Tokenizer
    split: Splitter
    vocabulary: Mapping[str, int]
    fixed: frozenset[int]

    @staticmethod
    def of(tokenizer: Tokenizer) -> Subwords:
        """Subword dropout for a tokenizer; reads its whole vocabulary, so make it once.

        Raises:
            UsageError: when it has no subwords, or a dropout of its own.
            MissingPackage: without the library, which the extra `text` brings.
        """
        if not isinstance(tokenizer, require("tokenizers", "text").Tokenizer):
            got = type(tokenizer).__name__
            raise UsageError(f"a tokenizers.Tokenizer is expected, got {got}", "tokenizer", "try its backend_tokenizer")
        if getattr(tokenizer.model, "dropout", None) or getattr(tokenizer.model, "alpha", None):
            raise UsageError("the tokenizer has a dropout of its own", "tokenizer", "set its model's to None")
        model = json.loads(tokenizer.to_str())["model"]
        vocabulary = tokenizer.get_vocab(with_added_tokens=False)
        kept = {piece for piece in vocabulary if _BYTE.fullmatch(piece)} if model.get("byte_fallback") else set()
        unknown = [model["unk_id"]] if model.get("unk_id") is not None else []
        fixed = [vocabulary[piece] for piece in (*kept, model.get("unk_token")) if piece in vocabulary]
        return Subwords(
            tokenizer,
            _splitter(model, vocabulary),
            vocabulary,
            frozenset([*fixed, *unknown, *tokenizer.get_added_tokens_decoder()]),
        )

    def __call__(self, text: str, rate: float, rng: np.random.Generator) -> list[int]:
        """The ids of a text, its special tokens included; each piece is dropped with the probability `rate`."""
        if not 0 <= rate <= 1:
            raise UsageError(f"the rate is {rate}, expected 0 to 1", "subwords")
        encoding = self.tokenizer.encode(text)
        seen = [at for at, real in enumerate(encoding.attention_mask) if real]  # all but the padding
        words, old, pieces = encoding.word_ids, encoding.ids, encoding.tokens
        room = (self.tokenizer.truncation or {}).get("max_length", math.inf) - len(seen)
        ids: list[int] = []
        for (word, is_fixed), run in groupby(seen, key=lambda at: (words[at], old[at] in self.fixed)):
            places = list(run)
            kept = [old[at] for at in places]
            new = kept if is_fixed or word is None else self._split([pieces[at] for at in places], rate, rng) or kept
            longer = len(new) - len(kept)
            room, new = (room - longer, new) if longer <= room else (room, kept)
            ids += new
        return ids

    def _split(self, pieces: list[str], rate: float, rng: np.random.Generator) -> list[int]:
        """The ids of a word split anew; none where a piece of it is not in the vocabulary."""
        new = self.split(pieces, rate, rng) or []
        return [self.vocabulary[piece] for piece in new] if all(piece in self.vocabulary for piece in new) else []


@dataclass(frozen=True, eq=False)
class MaxMatch:
    """The longest piece that matches and is not dropped, from left to right (WordPiece).

    Source: Hiraoka 2022, arXiv:2209.04126.
    """

    vocabulary: Mapping[str, int]
    prefix: str

    def __call__(self, pieces: list[str], rate: float, rng: np.random.Generator) -> list[str] | None:
        symbols = _symbols(pieces, self.prefix)
        found: list[str] = []
        while symbols:
            known = [n for n in range(len(symbols), 0, -1) if self._piece(symbols[:n]) in self.vocabulary]
            if not known:
                return None
            n = next((n for n in known[:-1] if rng.random() >= rate), known[-1])
            found.append(self._piece(symbols[:n]))
            symbols = symbols[n:]
        return found

    def _piece(self, symbols: list[str]) -> str:
        return symbols[0] + "".join(symbol.removeprefix(self.prefix) for symbol in symbols[1:])


@dataclass(frozen=True, eq=False)
class Merges:
    """Characters, of which neighbours merge in the order learnt; each time, each merge is dropped at random (BPE).

    Source: Provilkov et al. 2020, arXiv:1910.13267, algorithm 1.
    """

    ranks: Mapping[tuple[str, str], int]
    prefix: str
    suffix: str

    def __call__(self, pieces: list[str], rate: float, rng: np.random.Generator) -> list[str]:
        symbols = _symbols(pieces, self.prefix, self.suffix)
        while True:
            pairs = [(self.ranks[pair], at) for at, pair in enumerate(pairwise(symbols)) if pair in self.ranks]
            kept = [pair for pair, luck in zip(pairs, rng.random(len(pairs)), strict=True) if luck >= rate]
            if not kept:
                return symbols
            _, at = min(kept)
            symbols[at : at + 2] = [symbols[at] + symbols[at + 1].removeprefix(self.prefix)]


@dataclass(frozen=True, eq=False)
class BestPath:
    """The most probable pieces among those not dropped (Unigram).

    Source: the lattice is that of Kudo 2018, arXiv:1804.10959. Differs: each piece of it is dropped at random, as
    merges are in BPE-dropout, where the paper samples a path.
    """

    scores: Mapping[str, float]
    longest: int

    def __call__(self, pieces: list[str], rate: float, rng: np.random.Generator) -> list[str] | None:
        word = "".join(pieces)
        best: list[tuple[float, list[str]] | None] = [(0.0, [])]  # the best path to each place in the word
        for end in range(1, len(word) + 1):
            paths = []
            for start in range(max(0, end - self.longest), end):
                so_far, score = best[start], self.scores.get(word[start:end])
                if so_far and score is not None and (end - start == 1 or rng.random() >= rate):
                    paths.append((so_far[0] + score, [*so_far[1], word[start:end]]))
            best.append(max(paths, default=None, key=lambda path: path[0]))
        return best[-1][1] if best[-1] else None


def _splitter(model: dict[str, Any], vocabulary: Mapping[str, int]) -> Splitter:
    if model["type"] == "WordPiece":
        return MaxMatch(vocabulary, model["continuing_subword_prefix"])
    if model["type"] == "BPE":
        ranks = {(left, right): rank for rank, (left, right) in enumerate(model["merges"])}
        return Merges(ranks, model["continuing_subword_prefix"] or "", model["end_of_word_suffix"] or "")
    if model["type"] == "Unigram":
        scores = dict(model["vocab"])
        return BestPath(scores, longest=max(map(len, scores)))
    raise UsageError(f"a {model['type']} tokenizer has no subwords", "tokenizer", "use BPE, WordPiece or Unigram")


def _symbols(pieces: list[str], prefix: str, suffix: str = "") -> list[str]:
    """The characters of a word as the vocabulary writes them: inside it after `prefix`, at its end before `suffix`."""
    lead = prefix if pieces[0].startswith(prefix) else ""
    end = suffix if pieces[-1].endswith(suffix) else ""
    first, *rest = list("".join(piece.removeprefix(prefix) for piece in pieces).removesuffix(suffix))
    symbols = [lead + first, *(prefix + character for character in rest)]
    return [*symbols[:-1], symbols[-1] + end]
