"""A pre-trained image model of timm by its name, where timm is installed; weights as safetensors alone."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from handful.core.errors import MissingPackage, ModelError, UsageError
from handful.nn.backbone import InputSpec
from handful.nn.exported import MOST_BYTES
from handful.nn.hub import hub_folder
from handful.nn.huggingface_files import ANOTHER, WEIGHTS, digest_of
from handful.nn.module_backbone import ModuleBackbone

PREFIX = "timm:"
GRAPH_VERSION = 1  # raise it when the pooled layers or the export change: cached graphs are then left
MOST_INSIDE = 4  # depths that are pooled beside the output


def timm_backbone(name: str, offline: bool = False) -> ModuleBackbone:
    """The network that timm calls so, without its classifier, its output and up to four depths inside it pooled.

    Only the file `model.safetensors` of the hub model that timm names is read: no pickle, no other address.

    Args:
        name: As timm writes it: `resnet18` or `resnet18.a1_in1k`.
        offline: Whether the network is forbidden.
    Raises:
        MissingPackage: when timm, or the torchvision that it needs, is missing or does not fit the installed torch.
        UsageError: when timm knows no such model.
        ModelError: when its weights are not on this machine and cannot be downloaded, or do not fit.
    """
    timm = _timm()
    known = timm.models.get_pretrained_cfg(name, allow_unregistered=False) if timm.models.is_model(name) else None
    if known is None or not known.hf_hub_id:
        what = f"timm {timm.__version__} knows no model {name!r} with weights on the hub"
        raise UsageError(what, "backbone", "timm.list_models(pretrained=True) lists them")
    weights = hub_folder(known.hf_hub_id, {WEIGHTS: MOST_BYTES}, offline) / WEIGHTS
    try:
        overlay = {"file": str(weights)}
        network = timm.create_model(name, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay)
    except Exception as failure:  # whatever weights that do not fit make timm raise
        reason = f"{type(failure).__name__}: {str(failure)[:300]}"
        raise ModelError(f"timm cannot load {name} ({reason})", str(weights), ANOTHER) from failure
    licence = f"see the model card of {known.hf_hub_id}"
    kept_as = f"timm-{timm.__version__}-{name}-{digest_of(weights.parent, [WEIGHTS])}-v{GRAPH_VERSION}"
    return ModuleBackbone(network, _input_spec(timm, network), _inside(network), f"{PREFIX}{name}", licence, kept_as)


def _input_spec(timm: ModuleType, network: Any) -> InputSpec:
    """What timm says of the input. Differs: pictures are squashed to the size, as everywhere here, and not cropped."""
    config = timm.data.resolve_model_data_config(network)
    size = max(config["input_size"][1:])
    return InputSpec(size, tuple(255 * x for x in config["mean"]), tuple(255 * x for x in config["std"]))


def _inside(network: Any) -> tuple[str, ...]:
    """Some submodules in which a depth of the network ends, evenly chosen from those that `feature_info` lists."""
    modules = {name for name, _ in network.named_modules()}
    ends = [depth["module"] for depth in getattr(network, "feature_info", None) or () if depth["module"] in modules]
    n = len(ends)
    return (
        tuple(dict.fromkeys(ends[-(-n * part // MOST_INSIDE) - 1] for part in range(1, MOST_INSIDE + 1))) if n else ()
    )


def _timm() -> ModuleType:
    try:
        return importlib.import_module("timm")
    except (ImportError, RuntimeError, OSError) as failure:  # RuntimeError: a torchvision made for another torch
        import torch

        reason = str(failure).strip().partition("\n")[0]
        what = f"{PREFIX}NAME needs the package 'timm', which cannot be imported ({type(failure).__name__}: {reason})"
        remedy = f"pip install timm, and the torchvision that is made for torch {torch.__version__}"
        raise MissingPackage(what, "backbone", remedy) from failure
