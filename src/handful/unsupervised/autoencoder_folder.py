"""An autoencoder as a folder: `config.json` with its settings, `model.safetensors` with all numbers. No pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as tensors_of
from safetensors.torch import save as bytes_of
from torch import Tensor

from handful.core.errors import HandfulError, ModelError, UsageError
from handful.core.files import check_replaceable, replaced_folder
from handful.unsupervised.autoencoder import MOST_FEATURES, Autoencoder
from handful.unsupervised.autoencoder_torch import Codec, codec
from handful.unsupervised.examples import MOST_CHANNELS, SIDES

CONFIG, WEIGHTS = "config.json", "model.safetensors"
FORMAT = 1
MOST_BYTES = 2**20  # of the settings: more is not ours
REMEDY = "copy the folder again or fit the autoencoder again"


def save(fitted: Autoencoder, folder: Path) -> None:
    """Write the folder, whole or not at all; one of an autoencoder is replaced.

    Raises:
        UsageError: when something else stands there.
    """
    check_replaceable(folder, {CONFIG, WEIGHTS}, CONFIG, "autoencoder")
    if (folder / CONFIG).exists():
        _check_ours(folder)
    network = {f"codec.{name}": weights.cpu().contiguous() for name, weights in fitted._codec.state_dict().items()}
    fitted_arrays = {"mean": fitted.mean_, "scale": fitted.scale_, "calibration": fitted.calibration_}
    arrays = {name: torch.from_numpy(np.array(value, np.float64)) for name, value in fitted_arrays.items()}
    about = {"format": FORMAT, "kind": "autoencoder", "shape": fitted.shape_, "settings": fitted.get_params()}
    with replaced_folder(folder) as fresh:
        (fresh / CONFIG).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        (fresh / WEIGHTS).write_bytes(bytes_of(network | arrays))


def _check_ours(folder: Path) -> None:
    """Backbones of others have the very same files."""
    try:
        _config(folder / CONFIG)
    except ModelError as failure:
        what = "something that is no autoencoder stands at the destination"
        raise UsageError(what, str(folder), "choose another place") from failure


def load(folder: Path) -> Autoencoder:
    """Read a folder; every size in it is checked before memory is taken for the network."""
    about, tensors = _config(folder / CONFIG), _tensors(folder / WEIGHTS)
    try:
        fitted = Autoencoder(**{**about["settings"], "device": "cpu"})
        fitted.hidden_dims = tuple(fitted.hidden_dims)
        fitted.shape_ = _shape(about["shape"])
        fitted._check_settings()
        fitted._check_fits(fitted.shape_)
        fitted._codec = _codec(fitted, tensors)
        fitted.mean_, fitted.scale_ = (_array(tensors, name, fitted.shape_[-1]) for name in ("mean", "scale"))
        fitted.calibration_ = _array(tensors, "calibration", None)
    except (HandfulError, TypeError, KeyError, ValueError, AttributeError) as damage:
        raise ModelError(f"the autoencoder is damaged ({damage})", str(folder), REMEDY) from damage
    return fitted


def _config(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ModelError(f"{CONFIG} is too large to be ours", str(path), REMEDY)
        about = json.loads(path.read_text(encoding="utf-8"))
    except OSError as failure:
        raise ModelError(f"this is no autoencoder: {CONFIG} cannot be read", str(path.parent), REMEDY) from failure
    except (ValueError, RecursionError) as damage:
        if isinstance(damage, ModelError):
            raise
        raise ModelError(f"{CONFIG} is damaged ({damage})", str(path), REMEDY) from damage
    if not isinstance(about, dict) or about.get("kind") != "autoencoder" or not isinstance(about.get("settings"), dict):
        raise ModelError(f"{CONFIG} is not that of an autoencoder", str(path), REMEDY)
    if about.get("format") != FORMAT:
        raise ModelError(
            f"the autoencoder has format {about.get('format')}, not {FORMAT}", str(path), "upgrade handful"
        )
    return about


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        return tensors_of(path.read_bytes())
    except (OSError, SafetensorError, KeyError) as damage:
        raise ModelError(f"{WEIGHTS} is missing or damaged ({damage})", str(path), REMEDY) from damage


def _shape(given: Any) -> tuple[int, ...]:
    if not isinstance(given, list) or not all(type(length) is int for length in given):
        raise ValueError("no shape")
    is_image = len(given) == 3 and all(side in SIDES for side in given[:2]) and 1 <= given[2] <= MOST_CHANNELS
    if not is_image and not (len(given) == 1 and 1 <= given[0] <= MOST_FEATURES**2):
        raise ValueError(f"a shape of {given}")
    return tuple(given)


def _codec(fitted: Autoencoder, tensors: dict[str, Tensor]) -> Codec:
    """The network around the tensors of the file, which takes no memory of its own."""
    with torch.device("meta"):
        network = codec(fitted._design(fitted.shape_))
    given = {name.removeprefix("codec."): each for name, each in tensors.items() if name.startswith("codec.")}
    expected = network.state_dict()
    for name in expected.keys() | given.keys():
        if name not in given or name not in expected or given[name].shape != expected[name].shape:
            raise ValueError(f"{name} does not fit the settings")
        if given[name].dtype != expected[name].dtype or not given[name].isfinite().all():
            raise ValueError(f"{name} is not finite or of another type")
    network.load_state_dict(given, assign=True)
    return network.eval()


def _array(tensors: dict[str, Tensor], name: str, length: int | None) -> np.ndarray[Any, np.dtype[np.float64]]:
    found = tensors[name]
    if found.ndim != 1 or length not in (None, len(found)) or not found.isfinite().all():
        raise ValueError(f"{name} does not fit the settings")
    return found.numpy().astype(np.float64)
