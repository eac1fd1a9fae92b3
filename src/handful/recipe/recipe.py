"""A recipe says everything that was decided: nothing else decides."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from handful.core.errors import ModelError
from handful.transfer.probe import Probe


@dataclass(frozen=True)
class Recipe:
    """Which backbone, and how it is adapted.

    It prints, saves (`to_json`) and comes back equal (`from_json`).

    Args:
        backbone: Name or folder of the backbone.
        adapt: The technique of transfer, with its settings.
    """

    backbone: str
    adapt: Probe

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @staticmethod
    def from_json(saved: dict[str, Any]) -> Recipe:
        """The recipe that `to_json` described.

        Raises:
            ModelError: when settings are missing or unknown.
        """
        backbone, adapt = saved.get("backbone"), saved.get("adapt")
        names = {field.name for field in fields(Probe)}
        if not isinstance(backbone, str) or not isinstance(adapt, dict) or adapt.keys() != names:
            raise ModelError("a recipe is incomplete or has unknown settings", remedy="fit the model again")
        settings: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in adapt.items()}
        return Recipe(backbone, adapt=Probe(**settings))

    def describe(self) -> str:
        """One sentence in words."""
        probe = self.adapt
        depth = "the last layer" if len(probe.layers) == 1 else f"{len(probe.layers)} pooled layers"
        root = "" if probe.power == 1 else f", features to the power {probe.power:g}"
        views = "one view" if len(probe.views) == 1 else f"{len(probe.views)} views"
        mirrored = ", averaged with the mirrored photo" if len(probe.test_views) > 1 else ""
        weights = ", classes weighted equally" if probe.class_weights == "balanced" else ""
        head = {"ridge": "exact ridge", "logistic": "logistic regression"}[probe.head]
        return f"{head} on {depth} of {Path(self.backbone).name}{root}; {views} of each example{mirrored}{weights}"

    def brief(self) -> str:
        """A few words, for tables and charts."""
        probe = self.adapt
        parts = [probe.head, "1 layer" if len(probe.layers) == 1 else f"{len(probe.layers)} layers"]
        parts += ["square root"] if probe.power == 0.5 else []
        parts += ["1 view" if len(probe.views) == 1 else f"{len(probe.views)} views"]
        parts += ["equal weights"] if probe.class_weights == "balanced" else []
        return ", ".join(parts)
