"""Texts as techniques see them: frozen features through the cache."""

from __future__ import annotations

from collections.abc import Sequence

from handful.augment.views import View
from handful.core.errors import UsageError
from handful.core.progress import SILENT, Progress
from handful.data.cache import FeatureCache
from handful.nn.backbone import Backbone, FeatureMatrix
from handful.nn.text_backbone import TextBackbone
from handful.transfer.technique import Examples


def text_examples(texts: Sequence[str], cache: FeatureCache | None = None, progress: Progress = SILENT) -> Examples:
    """Texts whose features are computed when asked for, and kept for the next run.

    Args:
        texts: n of them.
        cache: Where features are kept; nowhere when None.
        progress: Told how many features were computed.
    """

    def embed(backbone: Backbone, seen: Sequence[str], views: Sequence[View]) -> FeatureMatrix:
        if not isinstance(backbone, TextBackbone):
            raise UsageError(f"{backbone.name} does not read texts", "backbone", "use a backbone for texts")
        kept_in = cache if backbone.weights is None else None  # an encoder tuned just now is never asked again
        return backbone.embed(seen, kept_in, progress)[:, None].repeat(len(views), axis=1)

    return Examples(texts, embed)
