"""Optional libraries are leaves: imported inside the function that needs them, through here."""

from __future__ import annotations

import importlib
from types import ModuleType

from handful.core.errors import MissingPackage


def require(module: str, extra: str) -> ModuleType:
    """Import an optional library, or say which extra brings it.

    Example:
        >>> require("json", extra="never").dumps([1])
        '[1]'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        raise MissingPackage(
            f"this needs the package {(missing.name or module).partition('.')[0]!r}, which is not installed",
            remedy=f"pip install 'handful[{extra}]'",
        ) from missing
