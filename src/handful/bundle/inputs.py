"""From raw inputs to the arrays that a model's graph takes, batch by batch; one class for each kind of input."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from handful.core.errors import DataError, HandfulError, ImageError, ModelError
from handful.data.text_inputs import readable_text
from handful.data.text_repeats import plain

if TYPE_CHECKING:
    from handful.data.images import Problem  # brings Pillow and OpenCV, which a model for texts does not need

BATCH_SIZE = 8  # of images, doubled by mirrored copies; larger batches take memory and no less time
SAME_IMAGE = 5e-3  # distance of embeddings below which an image is one that the model was made from

Rows = npt.NDArray[np.int64]
Arrays = dict[str, npt.NDArray[Any]]
Flags = npt.NDArray[np.bool_]


class Feed(NamedTuple):
    """One run of the graph.

    Args:
        places: Which of the batch's readable inputs it answers, shape (m,).
        arrays: What the graph takes, by name.
    """

    places: Rows
    arrays: Arrays


class Batch(NamedTuple):
    """Some inputs that stand side by side.

    Args:
        rows: Those that can be read, ascending, shape (m,).
        feeds: Runs of the graph that together answer each of them once; to be gone through once.
        problems: Those that cannot.
    """

    rows: Rows
    feeds: Iterable[Feed]
    problems: tuple[Problem, ...]


class Inputs(ABC):
    """What a model knows of its kind of input."""

    kind: ClassVar[Literal["image", "text"]]
    remedy: ClassVar[str]  # when none of many can be read
    shapes: dict[str, list[int | str]]  # of the graph's inputs, without the first axis

    @abstractmethod
    def batches(self, inputs: Sequence[Any], jobs: int | None = None) -> Iterator[Batch]:
        """Everything, in memory that does not grow with the number of inputs."""

    @abstractmethod
    def seen(self, inputs: Sequence[Any], distances: npt.NDArray[np.floating]) -> Flags:
        """Which of them the model was made from, shape (n,).

        Args:
            inputs: Readable ones, n of them.
            distances: Of their embeddings to the nearest training example, shape (n,).
        """

    @abstractmethod
    def error(self, problem: Problem) -> HandfulError:
        """What to raise for an input that must be readable."""


class ImageInputs(Inputs):
    """Files, arrays and Pillow images, squashed to a square.

    Args:
        size: Its side in pixels.
    """

    kind, remedy = "image", "check that these are image files"

    def __init__(self, size: int) -> None:
        self.size = size
        self.shapes = {"pixels": [size, size, 3]}

    def batches(self, inputs: Sequence[Any], jobs: int | None = None) -> Iterator[Batch]:
        """A few at a time; the next ones are decoded by `jobs` threads meanwhile."""
        from handful.data.images import decode_stream

        for decoded in decode_stream(inputs, self.size, BATCH_SIZE, jobs):
            feeds = [Feed(np.arange(len(decoded.rows)), {"pixels": decoded.pixels})] if len(decoded.rows) else []
            yield Batch(decoded.rows, feeds, decoded.problems)

    def seen(self, inputs: Sequence[Any], distances: npt.NDArray[np.floating]) -> Flags:  # noqa: ARG002
        """Those that look the same to the network: a photo may have been saved anew."""
        return np.asarray(distances < SAME_IMAGE)

    def error(self, problem: Problem) -> HandfulError:
        """It names the file."""
        return ImageError(problem.reason, problem.name, "replace or remove it")


class TextInputs(Inputs):
    """Strings, and the paths of text files, as windows of token ids. Needs tokenizers, and no torch or transformers.

    A text is run with others of its padded length, all of its windows at once, so its probabilities do not depend on
    what stands beside it.

    Args:
        tokenizer: The content of a `tokenizer.json`.
        window: Tokens of a window, special ones included.
        seen: Digests of the texts that the model was made from, by `text_digest`.
    Raises:
        ModelError: when the tokenizer cannot be used.
    """

    kind, remedy = "text", "check that these are texts in UTF-8"

    def __init__(self, tokenizer: bytes, window: int, seen: Sequence[str] = ()) -> None:
        from handful.nn.text_windows import TextSpec, TextWindows

        self.window = window
        self.shapes = {"ids": ["length"], "mask": ["length"], "share": ["windows"]}
        self._seen = frozenset(seen)
        try:
            self._windows = TextWindows(tokenizer, TextSpec(window))
        except HandfulError:
            raise
        except Exception as damage:  # the library raises nothing more precise
            what = f"the tokenizer cannot be read ({type(damage).__name__}: {damage})"
            raise ModelError(what, "tokenizer.json", "copy the folder again or fit the model again") from damage

    def batches(self, inputs: Sequence[Any], jobs: int | None = None) -> Iterator[Batch]:  # noqa: ARG002
        """So many at a time as are tokenized together; the libraries choose their threads, whatever `jobs` says."""
        from handful.nn.text_windows import CHUNK

        for start in range(0, len(inputs), CHUNK):
            texts: dict[int, str] = {}
            problems: list[Problem] = []
            for row in range(start, min(start + CHUNK, len(inputs))):
                try:
                    texts[row] = readable_text(inputs[row])
                except DataError as failure:
                    problems.append(_problem(inputs[row], row, failure))
            rows = np.array(list(texts), dtype=np.int64)
            yield Batch(rows, self.feeds(list(texts.values())), tuple(problems))

    def feeds(self, texts: Sequence[str]) -> Iterator[Feed]:
        """What the graph takes for some texts, in another order; `Feed.places` says which are answered."""
        tokens = self._windows.tokens(texts)
        for places in self._alike(tokens):
            batches = self._windows.batches([tokens[place] for place in places])
            owners, ids, mask = (np.concatenate(column) for column in zip(*batches, strict=True))
            share = (np.arange(len(places))[:, None] == owners).astype(np.float32)
            share /= share.sum(axis=1, keepdims=True)
            yield Feed(np.array(places), {"ids": ids, "mask": mask, "share": share})

    def seen(self, inputs: Sequence[Any], distances: npt.NDArray[np.floating]) -> Flags:  # noqa: ARG002
        """Those that are the same but for case and spaces: other texts may lie as near to each other as these."""
        return np.array([text_digest(readable_text(item)) in self._seen for item in inputs], dtype=bool)

    def error(self, problem: Problem) -> HandfulError:
        """It names the file or the place in the list."""
        return DataError(problem.reason, problem.name, "replace or remove it")

    def _alike(self, tokens: Sequence[Sequence[int]]) -> Iterator[list[int]]:
        """Places of texts whose windows are padded to one length, as many as one run should take, at least one."""
        from handful.nn.text_windows import MOST_AT_ONCE, MOST_TOKENS, ROUNDED_TO, window_starts

        size = self._windows.size
        by_length: dict[int, list[int]] = {}
        for place, ids in enumerate(tokens):
            length = min(len(ids), size) + self.window - size
            by_length.setdefault(-(-length // ROUNDED_TO) * ROUNDED_TO, []).append(place)
        for length, places in sorted(by_length.items()):
            most, n_windows = min(MOST_AT_ONCE, MOST_TOKENS // length), 0
            taken: list[int] = []
            for place in places:
                n_more = len(window_starts(len(tokens[place]), size))
                if taken and n_windows + n_more > most:
                    yield taken
                    taken, n_windows = [], 0
                taken.append(place)
                n_windows += n_more
            yield taken


def text_digest(text: str) -> str:
    """Sixteen hexadecimal digits that tell a text from others, whatever its case and spaces."""
    return hashlib.blake2b(plain(text).encode("utf-8", "replace"), digest_size=8).hexdigest()


def name_of(item: Any, row: int) -> str:
    """What to call an input: its path, the text itself, or its position."""
    return str(item) if isinstance(item, str | Path) else f"input {row}"


def _problem(item: Any, row: int, failure: DataError) -> Problem:
    from handful.data.images import Problem

    return Problem(row, str(item) if isinstance(item, Path) else f"input {row}", failure.what)
