"""From texts to batches of token ids: every text is one window of the encoder's length, or several that overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from handful.core.errors import DataError, UsageError
from handful.core.optional import require

MOST_WINDOWS = 32  # of one text: eight thousand pieces; a megabyte would take two thousand windows, and a minute
CHUNK = 512  # texts tokenized at a time: memory does not grow with their number
MOST_AT_ONCE, MOST_TOKENS = 64, 4096  # windows of a batch, and their tokens with the padding
ROUNDED_TO = 8  # lengths are padded to a multiple of this, so that batches are large and padding is little

Ids = npt.NDArray[np.int64]


class Batch(NamedTuple):
    """Windows of one padded length.

    Args:
        owners: The row of the text that each window is of, shape (batch,), ascending.
        ids: Token ids, shape (batch, length).
        mask: 1 for a token, 0 for padding, shape (batch, length).
    """

    owners: Ids
    ids: Ids
    mask: Ids


Run = Callable[[Ids, Ids], npt.NDArray[np.float32]]  # ids and mask, (batch, length), to (batch, dim)


@dataclass(frozen=True)
class TextSpec:
    """What a sentence encoder expects to see; lower-casing and the like are said by its `tokenizer.json`.

    Args:
        max_length: Tokens of a window, special ones included.
    """

    max_length: int


class TextWindows:
    """Texts as padded windows of token ids; needs nothing but the library tokenizers.

    Args:
        tokenizer: The content of a `tokenizer.json`; its own padding and truncation are set aside.
        spec: The length of a window.
    """

    def __init__(self, tokenizer: bytes, spec: TextSpec) -> None:
        self.tokenizer = require("tokenizers", "text").Tokenizer.from_buffer(tokenizer)
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        plain, framed = self._ids("a", special=False), self._ids("a", special=True)
        at = next(at for at in range(len(framed)) if framed[at : at + len(plain)] == plain)
        self.before, self.after = framed[:at], framed[at + len(plain) :]
        self.size = spec.max_length - len(self.before) - len(self.after)

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, without the special ones."""
        encoded = self.tokenizer.encode_batch([_valid(text) for text in texts], add_special_tokens=False)
        return [encoding.ids for encoding in encoded]

    def batches(self, tokens: Sequence[Sequence[int]]) -> Iterator[Batch]:
        """The windows of all texts, batched with others of their padded length.

        A window's padding depends on the window alone, so its embedding does not depend on its neighbours.
        """
        by_length: dict[int, list[tuple[int, list[int]]]] = {}
        for row, ids in enumerate(tokens):
            for start in window_starts(len(ids), self.size):
                window = [*self.before, *ids[start : start + self.size], *self.after]
                by_length.setdefault(-(-len(window) // ROUNDED_TO) * ROUNDED_TO, []).append((row, window))
        for length, windows in sorted(by_length.items()):
            n_at_once = max(1, min(MOST_AT_ONCE, MOST_TOKENS // length))
            for start in range(0, len(windows), n_at_once):
                yield _padded(windows[start : start + n_at_once], length)

    def embeddings(self, tokens: Sequence[Sequence[int]], run: Run, dim: int) -> npt.NDArray[np.float32]:
        """The mean over each text's windows of what `run` makes of them, shape (n, dim)."""
        sums, n_windows = np.zeros((len(tokens), dim), np.float32), np.zeros(len(tokens), np.float32)
        for batch in self.batches(tokens):
            np.add.at(sums, batch.owners, run(batch.ids, batch.mask))
            np.add.at(n_windows, batch.owners, 1)
        return sums / n_windows[:, None]

    def _ids(self, text: str, *, special: bool) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=special).ids)


def window_starts(n_tokens: int, size: int, most: int = MOST_WINDOWS) -> list[int]:
    """Where the windows of a text begin: all of the same length, evenly spread from its first token to its last.

    Neighbours share at least half of their tokens, so what stands at the edge of one stands inside another. Of a text
    that takes more than `most` windows, these many are spread over it: they share less, and may leave gaps.

    As the windows are equally long, the mean of their embeddings is the mean weighted by length.

    Args:
        n_tokens: Tokens of the text, special ones not counted.
        size: Tokens of a window, likewise.
        most: Windows, at least 2.
    Returns:
        Starts, ascending; `[0]` for a text that fits.
    Example:
        >>> window_starts(5, 10), window_starts(20, 10), window_starts(1000, 10, most=3)
        ([0], [0, 5, 10], [0, 495, 990])
    """
    if n_tokens <= size:
        return [0]
    n_windows = min(most, 1 - (size - n_tokens) // max(size // 2, 1))
    return [int(start) for start in np.linspace(0, n_tokens - size, n_windows).round()]


def has_gaps(n_tokens: int, size: int, most: int = MOST_WINDOWS) -> bool:
    """Whether the windows of `window_starts` leave something unread."""
    return n_tokens > most * size


def check_texts(texts: Sequence[str]) -> None:
    """Refuse what is not a list of texts.

    Raises:
        UsageError: when it is one text.
        DataError: naming the first that is not a text.
    """
    if isinstance(texts, str):
        raise UsageError("one text was given; a list of texts was expected", "texts", "pass [text]")
    wrong = next((row for row, text in enumerate(texts) if not isinstance(text, str)), None)
    if wrong is not None:
        kind = type(texts[wrong]).__name__
        raise DataError(f"example {wrong} is no text but of type {kind}", "texts", "pass strings")


def _valid(text: str) -> str:
    """Without halves of characters, which JSON may hold and UTF-8 may not."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _padded(windows: Sequence[tuple[int, Sequence[int]]], length: int) -> Batch:
    ids, mask = np.zeros((2, len(windows), length), np.int64)
    for place, (_, window) in enumerate(windows):
        ids[place, : len(window)] = window
        mask[place, : len(window)] = 1
    return Batch(np.array([row for row, _ in windows]), ids, mask)
