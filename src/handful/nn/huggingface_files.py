"""The files of a Hugging Face folder, judged before they are opened: sizes, kinds, no pickles."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from handful.core.errors import ModelError
from handful.nn.exported import MOST_BYTES

CONFIG, PREPARATION, TOKENIZER, WEIGHTS = (
    "config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "model.safetensors",
)
IMAGE_FILES = {CONFIG: 4 * 2**20, PREPARATION: 2**20, WEIGHTS: MOST_BYTES}  # what is read, and how many bytes at most
TEXT_FILES = {CONFIG: 4 * 2**20, TOKENIZER: 64 * 2**20, WEIGHTS: MOST_BYTES}
ANOTHER = "choose another model"
AGAIN = "download the model again"

TEXT_SIGNS = (TOKENIZER, "tokenizer_config.json", "vocab.txt", "vocab.json", "sentencepiece.bpe.model")
PICKLES = ("pytorch_model.bin", "model.ckpt", "flax_model.msgpack", "tf_model.h5")


def check_folder(folder: Path, files: Mapping[str, int]) -> str:
    """That a folder has the files of its kind, none too large; returns the `model_type` of its `config.json`.

    Args:
        folder: In Hugging Face form.
        files: `IMAGE_FILES` or `TEXT_FILES`.
    Raises:
        ModelError: when a file is missing or too large, when the folder holds the other kind of model, or weights that
            are a pickle, which could run code when it is opened.
    """
    if not (folder / CONFIG).is_file():
        raise ModelError(f"the backbone's folder has no {CONFIG}", str(folder), f"give a folder with {_listed(files)}")
    kind = read_object(folder / CONFIG).get("model_type") if _fits(folder / CONFIG, files[CONFIG]) else None
    _check_kind(folder, files, kind)
    for file, most_bytes in files.items():
        if not (folder / file).is_file():
            raise ModelError(f"the backbone's folder has no {file}", str(folder), _remedy(folder, file, files))
        _fits(folder / file, most_bytes)
    if not isinstance(kind, str):
        raise ModelError(f"{CONFIG} names no model_type", str(folder), f"give a folder with {_listed(files)}")
    return kind


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        ModelError: when it is damaged or something else.
    """
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as damage:
        raise ModelError(f"{path.name} is damaged ({damage})", str(path), AGAIN) from damage
    if not isinstance(saved, dict):
        raise ModelError(f"{path.name} is not a JSON object", str(path), AGAIN)
    return saved


def digest_of(folder: Path, files: Iterable[str]) -> str:
    """Of the content of all files together: 16 hexadecimal digits."""
    digests = []
    for file in files:
        with (folder / file).open("rb") as content:
            digests.append(hashlib.file_digest(content, "sha256").hexdigest())
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:16]


def _check_kind(folder: Path, files: Mapping[str, int], kind: Any) -> None:
    """A folder of the other kind is named as what it is, not by the file that it lacks."""
    reads_text = any((folder / sign).is_file() for sign in TEXT_SIGNS)
    reads_images = (folder / PREPARATION).is_file()
    if PREPARATION in files and reads_text and not reads_images:
        what = f"the folder holds a text model ({kind}), an image model was expected"
        raise ModelError(what, str(folder), f"give a folder with {_listed(files)}")
    if TOKENIZER in files and reads_images and not reads_text:
        what = f"the folder holds an image model ({kind}), a text model was expected"
        raise ModelError(what, str(folder), f"give a folder with {_listed(files)}")


def _fits(path: Path, most_bytes: int) -> bool:
    if (size := path.stat().st_size) > most_bytes:
        raise ModelError(f"{path.name} has {size} bytes, at most {most_bytes} are read", str(path), ANOTHER)
    return True


def _remedy(folder: Path, missing: str, files: Mapping[str, int]) -> str:
    pickled = next((name for name in PICKLES if (folder / name).is_file()), None)
    if missing == WEIGHTS and pickled:
        return f"{pickled} is never opened, as it could run code: save the model as safetensors"
    return f"give a folder with {_listed(files)}"


def _listed(files: Mapping[str, int]) -> str:
    return ", ".join(files)
