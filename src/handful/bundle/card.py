"""The model card: what a stranger who finds the folder must know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handful.bundle.manifest import Manifest


def model_card(manifest: Manifest, metrics: Mapping[str, Any]) -> str:
    """Markdown: what it does, how well, made from what, under which licences, how to use it."""
    score = metrics.get("score")
    worth = (
        f"{score['metric'].replace('_', ' ')} {_percent(score['value'])} "
        f"[{_percent(score['low'])}, {_percent(score['high'])}], n = {score['n']}, 95 % interval, cross-validated"
        if score
        else f"unknown: {metrics.get('score_missing')}"
    )
    licences = "\n".join(f"- {row['what']}: {row['licence']}" for row in manifest.licences)
    classes = ", ".join(f"`{_plain(name)}`" for name in manifest.classes)
    return f"""# A model made by handful

- **Task**: {manifest.task}
- **Classes** ({len(manifest.classes)}): {classes}
- **Score**: {worth}
- **Made from**: {manifest.data["n"]} labelled examples, digest `{manifest.data["sha256"][:16]}`
- **How**: {_plain(metrics.get("recipe", {}).get("description", ""))}

The whole account is in `report.html` (for people) and `metrics.json` (for programs).

## Use it

{_use_of_texts(manifest) if manifest.window else _use_of_photos(manifest)}

## Limits

{_TEXTS if manifest.window else _PHOTOS} Not for decisions about people without a person.

## Licences

{licences}
"""


_PHOTOS = """The score holds for photos like the ones it was made from. Photos of another camera, place or time may be
harder, and what belongs to none of the classes is only sometimes recognised as unfamiliar."""

_TEXTS = """The score holds for texts like the ones it was made from. Texts of another source, language or time may be
harder, and what belongs to none of the classes is only sometimes recognised as unfamiliar."""


def _use_of_photos(manifest: Manifest) -> str:
    return f"""    handful predict FOLDER photo.jpg

or, with ONNX Runtime alone: `model.onnx` takes `pixels`, uint8 RGB of shape
(n, {manifest.size}, {manifest.size}, 3), and gives calibrated `probabilities`. Squash photos to that square: by area
averaging when they shrink, bilinearly when they grow."""


def _use_of_texts(manifest: Manifest) -> str:
    return f"""    handful predict FOLDER --text "a text"
    handful predict FOLDER table.csv letter.txt

or, with ONNX Runtime and tokenizers alone: `tokenizer.json` turns a text into token ids; `model.onnx` takes `ids` and
`mask`, int64 of shape (windows, length), at most {manifest.window} tokens with the special ones, and `share`, float32
of shape (n, windows): 1 for the window of a text, 1/k for each of the k windows of a longer one, 0 elsewhere. It gives
calibrated `probabilities`."""


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _plain(text: str) -> str:
    return text.replace("`", "'").replace("\n", " ")
