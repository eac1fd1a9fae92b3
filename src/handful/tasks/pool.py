"""Unlabelled examples, made ready: some of them drawn, without repeats of what is learned from or tested on.

A pool may be far larger than memory and than anybody's patience, and a technique learns little more from ten thousand
than from a thousand. So a sample is drawn first; its pictures are read batch by batch, and only features are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handful.augment.views import ORIGINAL, View
from handful.core.budget import Budget
from handful.core.errors import DataError
from handful.core.progress import SILENT, Progress
from handful.core.rng import stream
from handful.data.cache import FeatureCache
from handful.data.dataset import Dataset
from handful.data.duplicates import across
from handful.data.images import Decoded, decode_stream
from handful.data.text_repeats import leaked_rows, text_units
from handful.evaluate.arrays import Ints
from handful.nn.backbone import Backbone, FeatureMatrix
from handful.nn.features import SECONDS_A_VIEW, Pixels, frozen_features
from handful.report import words
from handful.tasks.text_examples import text_examples
from handful.tasks.texts import readable_texts
from handful.transfer.probe import prepare
from handful.transfer.technique import Examples
from handful.unsupervised.labelling import typicality

MOST_USED = 1500
SHARE_OF_BUDGET = 0.15
LEAST_USED = 10  # fewer tell nothing of which examples belong together
LIKE = 0.5  # typicality from which an example is taken to be of the kind
BATCH = 512  # pictures read at a time
POWER = 0.5  # of the features by which the kind is told
SHOWN = 3  # names of unreadable files


@dataclass(frozen=True)
class Pool:
    """What became of the unlabelled examples.

    Args:
        examples: Those that are learned from; None where too few are left.
        account: How many there are (`n`), were drawn, are used, and were left out, why: part of the metrics.
    """

    examples: Examples | None
    account: dict[str, int]


def picture_pool(
    data: Dataset,
    labelled: Examples,
    tested: Pixels | None,
    backbone: Backbone,
    budget: Budget,
    seed: int,
    *,
    jobs: int | None = None,
    cache: FeatureCache | None = None,
    device: str = "auto",
    progress: Progress = SILENT,
) -> Pool:
    """A pool of pictures.

    Args:
        data: All of them.
        labelled: What is learned from.
        tested: The test set, shape (m, size, size, 3); None where there is none.
        backbone: Whose features are kept.
        budget: Says how many are worth their time.
        seed: Draws them.
        jobs: Threads that decode.
        cache: Where features are kept.
        device: "auto", "cpu" or "cuda", for the features.
        progress: Told of every picture, and of what is left out.
    Raises:
        DataError: when there are none, or none that can be read.
    """
    drawn = data.take(_drawn(len(data), budget, seed))
    found = _Sifted(np.asarray(labelled.raw), tested)
    features = []
    with progress.track("reading unlabelled photos", len(drawn)) as done:
        for decoded in decode_stream(drawn.inputs, backbone.spec.size, BATCH, jobs):
            places = found.new(decoded)
            features.append(frozen_features(backbone, decoded.pixels[places], (ORIGINAL,), cache, device))
            done(len(decoded.rows) + len(decoded.problems))
    if found.unreadable:
        names, more = ", ".join(found.unreadable[:SHOWN]), len(found.unreadable) - SHOWN
        progress.note(f"unlabelled, and cannot be read: {names}" + (f" and {more} more" if more > 0 else ""))
    files = [drawn.inputs[row] for row in found.rows]

    def embed(asked: Backbone, seen: Sequence[Any], views: Sequence[View]) -> FeatureMatrix:
        batches = decode_stream(seen, asked.spec.size, BATCH, jobs)
        return np.concatenate([frozen_features(asked, each.pixels, views, cache, device) for each in batches])

    examples = Examples(files, embed).knowing(backbone, ORIGINAL, np.concatenate(features)[:, 0])
    return _of_the_kind(examples, labelled, backbone, {"n": len(data), "drawn": len(drawn), **found.counts}, progress)


def text_pool(
    data: Dataset,
    labelled: Examples,
    tested: Sequence[str],
    backbone: Backbone,
    budget: Budget,
    seed: int,
    *,
    cache: FeatureCache | None = None,
    progress: Progress = SILENT,
) -> Pool:
    """A pool of texts; the arguments are those of `picture_pool`."""
    drawn, unreadable = readable_texts(data.take(_drawn(len(data), budget, seed)))
    texts = drawn.texts
    _, firsts = np.unique(text_units(texts), return_index=True)
    in_training, in_test = leaked_rows(list(map(str, labelled.raw)), texts), leaked_rows(tested, texts)
    in_test = np.setdiff1d(in_test, in_training)
    known = np.union1d(in_training, in_test)
    kept = np.setdiff1d(firsts, known)
    repeats = len(np.setdiff1d(np.arange(len(texts)), np.union1d(firsts, known)))
    counts = {"unreadable": unreadable, "in_training": len(in_training), "in_test": len(in_test), "repeats": repeats}
    examples = text_examples([texts[row] for row in kept], cache, progress)
    account = {"n": len(data), "drawn": len(texts) + unreadable, **counts}
    return _of_the_kind(examples, labelled, backbone, account, progress)


class _Sifted:
    """Pictures that are neither in the labelled data nor came before, and how many were left out."""

    def __init__(self, labelled: Pixels, tested: Pixels | None) -> None:
        self.labelled, self.tested = labelled, tested
        self.rows: list[int] = []
        self.unreadable: list[str] = []
        self.counts = dict.fromkeys(("unreadable", "in_training", "in_test", "repeats"), 0)
        self._seen: set[bytes] = set()

    def new(self, batch: Decoded) -> Ints:
        """The places of a batch that are kept."""
        in_training = _copies(self.labelled, batch.pixels)
        in_test = (_copies(self.tested, batch.pixels) if self.tested is not None else set()) - in_training
        kept = []
        for place in sorted(set(range(len(batch.rows))) - in_training - in_test):
            digest = hashlib.blake2b(batch.pixels[place].tobytes(), digest_size=16).digest()
            if digest not in self._seen:
                self._seen.add(digest)
                kept.append(place)
        self.rows += batch.rows[kept].tolist()
        self.unreadable += [problem.name for problem in batch.problems]
        n_repeats = len(batch.rows) - len(in_training) - len(in_test) - len(kept)
        for name, n in zip(self.counts, (len(batch.problems), len(in_training), len(in_test), n_repeats), strict=True):
            self.counts[name] += n
        return np.array(kept, dtype=np.int64)


def _copies(pixels: Pixels, batch: Pixels) -> set[int]:
    return {pair.second for pair in across(pixels, batch)} if len(batch) else set()


def _drawn(n: int, budget: Budget, seed: int) -> Ints:
    """Which of n examples are worth their time, ascending; as many as can tell something, however short the time."""
    if not n:
        raise DataError("there are no unlabelled examples", remedy="check what --unlabelled names")
    most = MOST_USED
    if budget.seconds is not None:
        most = min(most, max(int(SHARE_OF_BUDGET * budget.seconds / SECONDS_A_VIEW), LEAST_USED))
    return np.sort(stream(seed, "pool").choice(n, min(n, most), replace=False))


def _of_the_kind(
    examples: Examples, labelled: Examples, backbone: Backbone, account: dict[str, int], progress: Progress
) -> Pool:
    """The pool as it is, if enough of it is like the labelled examples; says what was left out.

    What is unlike them stays in: techniques give it little weight.
    """
    if account["unreadable"] == account["drawn"]:
        raise DataError("none of the unlabelled examples can be read", remedy="check what --unlabelled names")
    n_like = _n_like(examples, labelled, backbone) if len(examples) else 0
    used = len(examples) if n_like >= LEAST_USED else 0
    account |= {"unlike": len(examples) - n_like, "used": used}
    progress.note(words.unlabelled(account))
    return Pool(examples if used else None, account)


def _n_like(examples: Examples, labelled: Examples, backbone: Backbone) -> int:
    columns = backbone.columns(tuple(layer.name for layer in backbone.layers))
    rows, pool = (prepare(each.features(backbone)[:, 0], columns, POWER) for each in (labelled, examples))
    return int((typicality(rows.astype(np.float64), pool.astype(np.float64)) >= LIKE).sum())
