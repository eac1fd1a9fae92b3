"""A recipe says everything that was decided: nothing else decides."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from handful.augment.policy import Policy
from handful.core.errors import ModelError, UsageError
from handful.transfer.probe import Probe


@dataclass(frozen=True)
class Recipe:
    """Which backbone, how it is adapted, and what the views of an example are drawn from.

    It prints, saves (`to_json`) and comes back equal (`from_json`).

    Args:
        backbone: Name or folder of the backbone.
        adapt: The technique of transfer, with its settings.
        augment: The policy; `adapt.views` are positions among its views.
    """

    backbone: str
    adapt: Probe
    augment: Policy = field(default_factory=Policy)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"backbone": self.backbone, "adapt": asdict(self.adapt), "augment": str(self.augment)}

    @staticmethod
    def from_json(saved: dict[str, Any]) -> Recipe:
        """The recipe that `to_json` described.

        Raises:
            ModelError: when settings are missing or unknown.
        """
        backbone, adapt, augment = (saved.get(name) for name in ("backbone", "adapt", "augment"))
        names = {field.name for field in fields(Probe)}
        if not (isinstance(backbone, str) and isinstance(augment, str) and isinstance(adapt, dict)):
            raise ModelError("a recipe is incomplete or has unknown settings", remedy="fit the model again")
        if adapt.keys() != names:
            raise ModelError("a recipe is incomplete or has unknown settings", remedy="fit the model again")
        settings: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in adapt.items()}
        try:
            return Recipe(backbone, Probe(**settings), Policy.parse(augment))
        except UsageError as unknown:
            raise ModelError(
                f"a recipe has an unknown policy ({unknown.what})", remedy="fit the model again"
            ) from unknown

    def describe(self) -> str:
        """One sentence in words."""
        probe = self.adapt
        depth = "the last layer" if len(probe.layers) == 1 else f"{len(probe.layers)} pooled layers"
        root = "" if probe.power == 1 else f", features to the power {probe.power:g}"
        views = "one view" if len(probe.views) == 1 else f"{len(probe.views)} views"
        drawn = f" (policy {self.augment.name})" if len(probe.views) > 1 else ""
        mirrored = ", averaged with the mirrored photo" if len(probe.test_views) > 1 else ""
        weights = ", classes weighted equally" if probe.class_weights == "balanced" else ""
        head = {"ridge": "exact ridge", "logistic": "logistic regression"}[probe.head]
        return (
            f"{head} on {depth} of {Path(self.backbone).name}{root}; {views} of each example{drawn}{mirrored}{weights}"
        )

    def brief(self) -> str:
        """A few words, for tables and charts."""
        probe = self.adapt
        parts = [probe.head, "1 layer" if len(probe.layers) == 1 else f"{len(probe.layers)} layers"]
        parts += ["square root"] if probe.power == 0.5 else []
        parts += ["1 view" if len(probe.views) == 1 else f"{len(probe.views)} views: {self.augment.name}"]
        parts += ["equal weights"] if probe.class_weights == "balanced" else []
        return ", ".join(parts)
