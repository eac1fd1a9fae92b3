"""Which versions made something: written into what handful saves."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

NAMED = ("handful", "numpy", "onnx", "onnxruntime", "opencv-python-headless", "pillow", "scipy")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a model depends on; what is not installed is left out."""
    found = {"python": platform.python_version()}
    for name in NAMED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
