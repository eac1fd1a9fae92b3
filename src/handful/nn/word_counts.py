"""Counts of word pieces, and of pieces side by side, as a sparse matrix and as a part of a model's graph.

A *run* is one piece, or several that follow each other. A text is known by how often each run occurs in it:

    row = (1 + log count) * weight of the run

A text of several windows counts what lies in two of them twice, as windows overlap by half or more; as nearly all of it
does, and logarithms are taken, that changes little.

Source: the inverse document frequency is Sparck Jones 1972, doi:10.1108/eb026526; logarithms of counts Salton and
Buckley 1988, doi:10.1016/0306-4573(88)90021-0. Differs: smoothed as if one more text held every run, and never zero.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import onnx

from handful.core.errors import DataError
from handful.nn.graph import GraphWriter, floats
from handful.nn.text_windows import TextWindows, window_starts

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = npt.NDArray[np.float64]
Run = tuple[int, ...]
Text = Sequence[Sequence[int]]  # the pieces of each of its windows


def texts_in_pieces(texts: Sequence[str], windows: TextWindows) -> list[Text]:
    """Each text as the pieces of its windows, as the graph reads them, without the tokens that frame a window."""
    cut = windows.size
    return [[ids[at : at + cut] for at in window_starts(len(ids), cut)] for ids in windows.tokens(texts)]


def runs_of(texts: Sequence[Text], longest: int, frame: Sequence[int] = ()) -> tuple[Run, ...]:
    """Every run that occurs, short ones first.

    Args:
        texts: Their pieces.
        longest: Pieces of the longest run.
        frame: The tokens that frame a window: a run that holds one, written out in a text, does not count.
    Raises:
        DataError: when there is none.
    """
    found = {run for text in texts for run in _runs(text, longest)}
    kept = sorted((run for run in found if not set(run) & set(frame)), key=lambda run: (len(run), run))
    if not kept:
        raise DataError("no text has a word in it", "texts", "check the column of the texts")
    return tuple(kept)


def log_counts(texts: Sequence[Text], runs: Sequence[Run]) -> csr_matrix:
    """1 + log of how often each run occurs in each text, 0 where it does not; sparse, shape (n, n_runs)."""
    from scipy.sparse import csr_matrix  # a fifth of a second of import that the probe does without

    column, longest = {run: at for at, run in enumerate(runs)}, len(runs[-1])
    counts = [Counter(column[run] for run in _runs(text, longest) if run in column) for text in texts]
    starts = np.cumsum([0, *map(len, counts)])
    columns = np.array([at for found in counts for at in found], dtype=np.int64)
    times = np.array([number for found in counts for number in found.values()], dtype=np.float64)
    return csr_matrix((1 + np.log(times), columns, starts), shape=(len(texts), len(runs)))


def inverse_document_frequencies(counts: csr_matrix, most: int) -> Floats:
    """The weight of each run, shape (n_runs,): 1 + log((1 + n) / (1 + number of texts that hold it)).

    Args:
        counts: Of the n texts to learn from, as `log_counts` gives them.
        most: How many runs may count, those that most texts hold; all others, and those that none holds, weigh 0.
    """
    n, n_runs = counts.shape
    holding = np.bincount(counts.indices, minlength=n_runs)
    holding[np.argsort(-holding, kind="stable")[most:]] = 0
    return np.where(holding > 0, 1 + np.log((1 + n) / (1 + holding)), 0.0)


def with_counts(encoder: bytes, runs: Sequence[Run], weights: Floats) -> bytes:
    """The weighted counts of a text's runs, put behind the features that an encoder gives it.

    Args:
        encoder: A graph from `ids`, `mask` and `share` to `features` (n, dim), as `over_windows` makes it.
        runs: Short ones first.
        weights: Of each run, shape (n_runs,).
    Returns:
        A graph from the same to `features` (n, dim + n_runs).
    """
    model = onnx.load_model_from_string(encoder)
    graph, writer = model.graph, GraphWriter()
    last = next(node for node in graph.node if "features" in node.output)
    last.name = "encoder.features"
    last.output[:] = [last.name]
    writer.node("Concat", [last.name, _write_counts(writer, runs, weights)], "features", axis=1)
    graph.node.extend(writer.nodes)
    graph.initializer.extend(writer.weights)
    dim = graph.output[0].type.tensor_type.shape.dim[1].dim_value + len(runs)
    del graph.output[:]
    graph.output.append(floats("features", "n", dim))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _write_counts(writer: GraphWriter, runs: Sequence[Run], weights: Floats) -> str:
    """Append the counting to a graph; returns the name of the weighted counts, (n, n_runs)."""
    one, zero = writer.weight("words.one", np.int64(1)), writer.weight("words.zero", np.float32(0))
    least = writer.weight("words.least", np.float32(1))
    present = writer.node("Mul", [writer.node("Add", ["ids", one], "words.above"), "mask"], "words.present")
    pieces = writer.node("Sub", [present, one], "words.pieces")  # -1 where there is padding: no run has it
    lengths = [len(run) for run in runs]
    by_window = writer.node(
        "TfIdfVectorizer",
        [pieces],
        "words.by.window",
        mode="TF",
        min_gram_length=1,
        max_gram_length=max(lengths),
        max_skip_count=0,
        pool_int64s=[piece for run in runs for piece in run],
        ngram_counts=[sum(each for each in lengths if each < length) for length in range(1, max(lengths) + 1)],
        ngram_indexes=range(len(runs)),
    )
    mine = writer.node("Cast", [writer.node("Greater", ["share", zero], "words.mine")], "words.windows", to=1)
    counts = writer.node("MatMul", [mine, by_window], "words.counts")  # (n, n_runs)
    logs = writer.node("Log", [writer.node("Max", [counts, least], "words.safe")], "words.logs")
    rows = writer.node("Add", [writer.node("Min", [counts, least], "words.there"), logs], "words.rows")
    return writer.node("Mul", [rows, writer.weight("words.weights", weights.astype(np.float32))], "words.weighted")


def _runs(text: Text, longest: int) -> Iterator[Run]:
    for window in text:
        for length in range(1, longest + 1):
            yield from zip(*(window[at:] for at in range(length)), strict=False)
