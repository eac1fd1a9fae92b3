"""Why a model answers as it does: the training examples it finds most alike, and what in the input speaks for it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from handful.bundle.inputs import BATCH_SIZE, Batch, Feed, ImageInputs, TextInputs, name_of
from handful.bundle.model import Model
from handful.bundle.occlusion import Floats, Pixels, heat_map, word_weights
from handful.core.errors import UsageError
from handful.data.text_inputs import readable_text, shortened
from handful.evaluate.costs import decided

N_NEAREST = 3
SAID = 5  # words named in a sentence
LEAST_SAID = 0.05  # log-odds: less is printed as 0.0


@dataclass(frozen=True)
class Neighbour:
    """A training example.

    Args:
        name: Its file, or the beginning of its text.
        label: Its class.
        distance: Between the two embeddings of unit length, from 0 to 2.
    """

    name: str
    label: str
    distance: float


@dataclass(frozen=True)
class Why:
    """Reasons for one answer. A weight is what the log-odds of `label` lose when that part is hidden.

    Args:
        name: What the input is called.
        label: The class that is explained.
        probability: Of that class.
        nearest: Training examples, the most alike first; empty for a model that was saved without their names.
        heat: Of each place of a picture, shape (N_CELLS, N_CELLS); None for texts.
        pixels: The picture as the model sees it, shape (size, size, 3); None for texts.
        words: Of a text, each word, or sentence of a long one, with its weight.
    """

    name: str
    label: str
    probability: float
    nearest: tuple[Neighbour, ...] = ()
    heat: Floats | None = None
    pixels: Pixels | None = None
    words: tuple[tuple[str, float], ...] = ()

    def picture(self) -> Pixels:
        """The photo, and beside it the same in grey under its heat map, RGB, shape (side, 2 side + gap, 3).

        Orange speaks for the answer and blue against it, the stronger the fuller.

        Raises:
            UsageError: for a text.
        """
        from handful.bundle.heat_picture import side_by_side

        if self.pixels is None or self.heat is None:
            raise UsageError("there is no picture of a text", self.name, "use Why.text() or Why.html()")
        return side_by_side(self.pixels, self.heat)

    def text(self) -> str:
        """A few plain lines: the answer, what speaks for and against it in a text, the nearest training examples."""
        return "\n".join([self._answer, *self._reasons])

    @property
    def _answer(self) -> str:
        return f"{self.label}, {100 * self.probability:.0f} %"

    @property
    def _reasons(self) -> list[str]:
        ranked = sorted(self.words, key=lambda item: -item[1])
        lines = _spoken("for it", [item for item in ranked if item[1] >= LEAST_SAID])
        lines += _spoken("against it", [item for item in ranked[::-1] if item[1] <= -LEAST_SAID])
        if self.nearest:
            known = "; ".join(f"{neighbour.name} ({neighbour.label})" for neighbour in self.nearest)
            lines.append(f"most alike in training: {known}")
        return lines

    def html(self) -> str:
        """A page with every word of a text in the colour of what it speaks for."""
        from handful.bundle.heat_words import page

        return page(self._answer, self.words, [asdict(neighbour) for neighbour in self.nearest])

    def to_json(self) -> dict[str, Any]:
        """Plain values: `said` is `text` without the answer, a heat map its rows from the top; no pixels."""
        told: dict[str, Any] = {
            "label": self.label,
            "probability": round(self.probability, 6),
            "nearest": [{**asdict(neighbour), "distance": round(neighbour.distance, 4)} for neighbour in self.nearest],
            "said": self._reasons,
        }
        if self.heat is not None:
            return {**told, "heat": self.heat.round(4).tolist()}
        return {**told, "words": [[word, round(weight, 4)] for word, weight in self.words]}

    def to_file(self) -> tuple[str, bytes]:
        """The ending and the content of a file that shows it: a PNG of a picture, a page of a text."""
        if self.heat is None:
            return ".html", self.html().encode("utf-8", "replace")
        from handful.bundle.heat_picture import png

        return ".png", png(self.picture())


def why(model: Model, item: Any, n_nearest: int = N_NEAREST, label: str | None = None) -> Why:
    """Explain what a model says of one input.

    It costs as much as predicting 64 pictures, or as many texts as the text has words.

    Args:
        model: As loaded.
        item: A path, an array or a Pillow image; for texts a string, or the `Path` of a text file.
        n_nearest: How many training examples to name.
        label: The class to explain; when None the one that the model answers, which costs may decide.
    Returns:
        Reasons. They say what the model goes by, not whether it is right to.
    Raises:
        UsageError: when the model has no such class.
        DataError: when the input cannot be read.
    """
    batch = next(model.inputs.batches([item]))
    if batch.problems:
        raise model.inputs.error(batch.problems[0])
    feeds = list(batch.feeds)
    probabilities, embedding = model.run(batch._replace(feeds=feeds))
    if label is not None and label not in model.classes:
        raise UsageError(f"the model has no class {label!r}", remedy=f"use one of {', '.join(model.classes)}")
    of = int(decided(probabilities, model.manifest.costs)[0]) if label is None else model.classes.index(label)
    name = shortened(item) if isinstance(item, str) and model.inputs.kind == "text" else name_of(item, 0)
    known = partial(Why, name, model.classes[of], float(probabilities[0, of]), nearest(model, embedding[0], n_nearest))
    if isinstance(model.inputs, ImageInputs):
        pixels = feeds[0].arrays["pixels"][0]
        return known(heat=heat_map(pixels, lambda some: _judged(model, some)[:, of]), pixels=pixels)
    text = readable_text(item)
    return known(words=tuple(word_weights(text, lambda some: _judged(model, some)[:, of])))


def nearest(model: Model, embedding: npt.NDArray[np.floating], n: int = N_NEAREST) -> tuple[Neighbour, ...]:
    """The training examples that the model finds most alike.

    Args:
        embedding: As `Model.run` gives it, shape (dim,).
        n: At most so many.
    Returns:
        The nearest first; none when the model was saved without their names.
    """
    names, targets = model.manifest.references, model.manifest.reference_targets
    if not names:
        return ()
    cosines = model.references.astype(np.float64) @ embedding
    order = np.argsort(-cosines, kind="stable")[:n]
    distances = np.sqrt(np.maximum(2 - 2 * cosines[order], 0))
    return tuple(
        Neighbour(names[row], model.classes[targets[row]], float(distance))
        for row, distance in zip(order, distances, strict=True)
    )


def _judged(model: Model, inputs: Any) -> Floats:
    """Probabilities of pixels, shape (n, size, size, 3), or of texts, shape (n, n_classes)."""
    if isinstance(model.inputs, TextInputs):
        feeds = list(model.inputs.feeds(inputs))
    else:
        starts = range(0, len(inputs), BATCH_SIZE)
        parts = [np.arange(start, min(start + BATCH_SIZE, len(inputs))) for start in starts]
        feeds = [Feed(places, {"pixels": inputs[places]}) for places in parts]
    return model.run(Batch(np.arange(len(inputs)), feeds, ()))[0]


def _spoken(what: str, ranked: list[tuple[str, float]]) -> list[str]:
    """One line with the weightiest of them, if there are any."""
    said = ", ".join(f"“{shortened(word)}” {abs(weight):.1f}" for word, weight in ranked[:SAID])
    return [f"speaks {what}: {said}"] if said else []
