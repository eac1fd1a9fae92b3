"""From what the user calls a backbone to the backbone."""

from __future__ import annotations

from pathlib import Path

from handful.core.errors import UsageError
from handful.nn.backbone import Backbone
from handful.nn.embedded import NAME, EfficientNetLite0Backbone
from handful.nn.huggingface import CONFIG, HuggingFaceBackbone


def backbone_named(name: str) -> Backbone:
    """The backbone of a name or of a local folder; nothing is ever downloaded.

    Raises:
        UsageError: when there is none of that name.
        ModelError: when the folder is not a usable model.

    Example:
        >>> backbone_named("efficientnet-lite0").spec.size
        224
        >>> backbone_named("efficientnet-lite0@160").spec.size
        160
    """
    own, at, size = name.partition("@")
    if own == NAME and (not at or size.isdecimal()):
        return EfficientNetLite0Backbone(int(size)) if at else EfficientNetLite0Backbone()
    if (Path(name) / CONFIG).is_file():
        return HuggingFaceBackbone(name)
    known = f"write {NAME}, {NAME}@160 for smaller pictures, or the folder of a Hugging Face image model"
    if Path(name).is_dir():
        raise UsageError(f"the folder {name!r} holds no backbone: it has no {CONFIG}", "--backbone", known)
    raise UsageError(f"there is no backbone {name!r}, and nothing is downloaded", "--backbone", known)
