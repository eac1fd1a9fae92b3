"""A Keras 3 model under its torch backend as a backbone: from Python, or a `.keras` file that holds no code."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from handful.core.errors import MissingPackage, ModelError, UsageError
from handful.core.optional import require
from handful.nn.backbone import InputSpec
from handful.nn.exported import MOST_BYTES
from handful.nn.huggingface_files import AGAIN, ANOTHER
from handful.nn.module_backbone import ModuleBackbone

SUFFIX = ".keras"
MOST_CONFIG = 16 * 2**20
LICENCE = "not known: its weights were given as a Keras model"
PREPARES = ("Rescaling", "Normalization")  # layers by which a model takes raw pixels, 0..255


def keras_backbone(
    model: Any, spec: InputSpec | None = None, layers: tuple[str, ...] = (), name: str | None = None
) -> ModuleBackbone:
    """A Keras model as a backbone: its output and, if asked for, some of its layers, pooled over the picture.

    Args:
        model: A `keras.Model` of one picture, or the path of a `.keras` file. Leave out its classifier.
        spec: What it expects to see; when None, raw pixels at its own size, and the model must then begin with a
            `Rescaling` or `Normalization` layer.
        layers: Names of layers whose outputs are pooled too, shallow ones first.
        name: What to call it; the path, or the model's own name, when None.
    Raises:
        MissingPackage: without the extra `keras`.
        UsageError: when Keras runs on another backend, or nothing says how pictures are prepared.
        ModelError: when the file is damaged or needs code of its own, or the model is no encoder of pictures.
    """
    keras = _keras()
    if isinstance(model, str | Path):
        name, model = name or str(model), _read(keras, Path(model))
    ends = [len(getattr(model, which, None) or ()) for which in ("inputs", "outputs")]
    if not isinstance(model, keras.Model) or ends != [1, 1]:
        what = f"a keras.Model with one input, a picture, and one output was expected, got a {type(model).__name__}"
        raise ModelError(what, name or "keras_backbone", "give a functional or sequential model that is built")
    name = name or model.name
    known = [layer.name for layer in model.layers]
    if unknown := [layer for layer in layers if layer not in known]:
        raise UsageError(f"the Keras model has no layer {unknown[0]!r}", name, f"it has {', '.join(known[:8])} ...")
    from handful.nn.keras_torch import KerasStates

    states = KerasStates(keras, model, layers, keras.config.image_data_format() == "channels_last")
    return ModuleBackbone(states, spec or _own_spec(model, name), name=name, licence=LICENCE)


def _own_spec(model: Any, name: str) -> InputSpec:
    """Raw pixels at the size that the model itself names."""
    shape = [side for side in model.inputs[0].shape[1:] if side != 3]
    if not any(type(layer).__name__ in PREPARES for layer in model.layers):
        what = f"nothing says how the Keras model wants its pixels: it has no layer {' or '.join(PREPARES)}"
        raise UsageError(what, name, "from Python, give keras_backbone an InputSpec")
    if len(shape) != 2 or shape[0] is None or shape[0] != shape[1]:
        what = f"the Keras model takes inputs of shape {tuple(model.inputs[0].shape)}, a square of RGB was expected"
        raise UsageError(what, name, "from Python, give keras_backbone an InputSpec with the size")
    return InputSpec(int(shape[0]), (0.0,), (1.0,))


def _keras() -> ModuleType:
    os.environ.setdefault("KERAS_BACKEND", "torch")  # Keras reads it once, when it is first imported
    keras = require("keras", extra="keras")
    if (backend := keras.config.backend()) != "torch":
        remedy = "set KERAS_BACKEND=torch before Keras is imported"
        raise UsageError(f"Keras runs on {backend}, its torch backend was expected", "KERAS_BACKEND", remedy)
    if int(keras.__version__.partition(".")[0]) < 3:
        raise MissingPackage(
            f"Keras 3 was expected, {keras.__version__} is installed", "", "pip install 'handful[keras]'"
        )
    return keras


def _read(keras: ModuleType, path: Path) -> Any:
    """The model of a `.keras` file, whose description was judged first."""
    config = _description(path)
    if foreign := next(_foreign(config), None):
        what = f"the Keras model needs code of its own, which is never run: {foreign}"
        raise ModelError(
            what, str(path), "save it without Lambda layers and classes of your own, or build it in Python"
        )
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as failure:  # whatever a foreign file makes Keras raise
        reason = f"{type(failure).__name__}: {str(failure)[:300]}"
        raise ModelError(f"Keras cannot load the model ({reason})", str(path), ANOTHER) from failure


def _description(path: Path) -> Any:
    """The `config.json` of a `.keras` file, which is a zip archive with that and the weights."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename: entry.file_size for entry in archive.infolist()}
            if entries.get("config.json", 0) > MOST_CONFIG or sum(entries.values()) > MOST_BYTES:
                raise ModelError("the Keras model is too large once unpacked", str(path), "choose a smaller one")
            return json.loads(archive.read("config.json"))
    except (OSError, KeyError, zipfile.BadZipFile, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as damage:
        what = f"this is no whole {SUFFIX} file ({type(damage).__name__}: {damage})"
        raise ModelError(what, str(path), f"{AGAIN}, or save it by model.save('model.keras')") from damage


def _foreign(config: Any) -> Iterator[str]:
    """What in a description is not made of Keras' own classes: Lambda layers and what other modules define."""
    if isinstance(config, dict):
        module, name = config.get("module"), config.get("class_name")
        outside = isinstance(module, str) and module.split(".")[0] not in ("keras", "builtins")
        if name in ("Lambda", "__lambda__") or outside or (name == "function" and module != "builtins"):
            yield f"{name} of {module}" if outside else str(name)
        if config.get("registered_name") and module is None:
            yield str(config["registered_name"])
    children = config.values() if isinstance(config, dict) else config if isinstance(config, list) else ()
    for child in children:
        yield from _foreign(child)
