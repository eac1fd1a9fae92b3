"""Pictures as techniques see them: frozen features through the cache."""

from __future__ import annotations

from collections.abc import Sequence

from handful.augment.views import View
from handful.core.progress import SILENT, Progress
from handful.data.cache import FeatureCache
from handful.nn.backbone import Backbone, FeatureMatrix
from handful.nn.features import Pixels, frozen_features
from handful.transfer.technique import Examples


def pixel_examples(
    pixels: Pixels, cache: FeatureCache | None = None, device: str = "auto", progress: Progress = SILENT
) -> Examples:
    """Decoded pictures whose features are computed when asked for, and kept for the next run.

    Args:
        pixels: Shape (n, size, size, 3).
        cache: Where features are kept; nowhere when None.
        device: "auto", "cpu" or "cuda".
        progress: Told how many features were computed.
    """

    def embed(backbone: Backbone, seen: Pixels, views: Sequence[View]) -> FeatureMatrix:
        kept_in = cache if backbone.weights is None else None  # a network tuned just now is never asked again
        return frozen_features(backbone, seen, views, kept_in, device, progress)

    return Examples(pixels, embed)
